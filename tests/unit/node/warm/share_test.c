/* What of a content counts as held. */
#include "node/warm/share.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { MANY = 1000 };

static struct share_segment segments[MANY];

/* Segments [from, to) of `n` are held. */
static void add(struct share *s, uint32_t bps, size_t n, size_t from, size_t to)
{
	for (size_t i = 0; i < n; i++)
		segments[i] = (struct share_segment){ .duration_ms = 4000, .held = i >= from && i < to };
	share_add(s, bps, segments, n);
}

static uint32_t one(size_t n, size_t from, size_t to)
{
	struct share s;
	share_init(&s);
	add(&s, 0, n, from, to);
	return share_permille(&s);
}

static void one_rendition(void **state)
{
	(void)state;
	assert_int_equal(one(MANY, 0, MANY), 1000);
	assert_int_equal(one(1, 0, 1), 1000);
	assert_int_equal(one(7, 0, 7), 1000);
	assert_int_equal(one(MANY, 0, 0), 1);
	assert_in_range(one(MANY, 0, 100), 95, 100);
	assert_in_range(one(MANY, 500, 1000), 498, 500);
	assert_in_range(one(10, 3, 4), 98, 100);
	assert_in_range(one(MANY, 0, MANY - 1), 998, 999); /* all but one is not all */
}

static void nothing_known(void **state)
{
	(void)state;
	struct share s;
	share_init(&s);
	assert_int_equal(share_permille(&s), 0);
	share_name(&s, 5000000);
	assert_int_equal(share_permille(&s), 0);
	share_add(&s, 5000000, segments, 0);
	assert_int_equal(share_permille(&s), 0);
}

static void time_counts_and_not_segments(void **state)
{
	(void)state;
	struct share s;
	share_init(&s);
	segments[0] = (struct share_segment){ .duration_ms = 9000, .held = true };
	segments[1] = (struct share_segment){ .duration_ms = 1000, .held = false };
	share_add(&s, 0, segments, 2);
	assert_in_range(share_permille(&s), 898, 900);
	share_init(&s);
	segments[0].duration_ms = segments[1].duration_ms = 0; /* unknown */
	share_add(&s, 0, segments, 2);
	assert_int_equal(share_permille(&s), 500);
}

/* A viewer of the best finds little where only a poor one is held. */
static void another_rendition_is_little(void **state)
{
	(void)state;
	struct share s;
	share_init(&s);
	add(&s, 800000, 300, 0, 300);
	add(&s, 4000000, 300, 0, 0);
	assert_int_equal(share_permille(&s), 200);
	share_init(&s); /* its playlist need not be held */
	share_name(&s, 4000000);
	add(&s, 800000, 300, 0, 300);
	assert_int_equal(share_permille(&s), 200);
	share_init(&s);
	share_name(&s, 800000);
	add(&s, 4000000, 300, 0, 300);
	assert_int_equal(share_permille(&s), 1000);
}

/* A player begins with a few poor segments, and falls back to them now and then. */
static void switching_costs_little(void **state)
{
	(void)state;
	struct share s;
	share_init(&s);
	add(&s, 800000, 100, 0, 4);
	add(&s, 4000000, 100, 4, 100);
	assert_in_range(share_permille(&s), 960, 970);
	share_init(&s); /* the same times, cut otherwise */
	add(&s, 4000000, 100, 0, 50);
	add(&s, 4000000, 40, 20, 40);
	assert_int_equal(share_permille(&s), 1000);
}

static void the_greatest_numbers(void **state)
{
	(void)state;
	struct share s;
	share_init(&s);
	for (size_t i = 0; i < MANY; i++)
		segments[i] = (struct share_segment){ .duration_ms = UINT32_MAX, .held = true };
	share_add(&s, UINT32_MAX, segments, MANY);
	assert_int_equal(share_permille(&s), 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_rendition),
		cmocka_unit_test(nothing_known),
		cmocka_unit_test(time_counts_and_not_segments),
		cmocka_unit_test(another_rendition_is_little),
		cmocka_unit_test(switching_costs_little),
		cmocka_unit_test(the_greatest_numbers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
