#include "node/origin/hedge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void see(struct hedge *h, uint32_t from, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		hedge_saw(h, from + i * 7 % n); /* all of them, in some order */
}

static uint32_t begin_rich(struct hedge *h)
{
	h->parts = HEDGE_PER;
	return hedge_begin(h);
}

static void test_later_than_nineteen_of_twenty(void **state)
{
	(void)state;
	struct hedge h = { .samples = 0 };
	see(&h, 100, 31);
	assert_int_equal(begin_rich(&h), 0); /* too little is known */
	hedge_saw(&h, 131);
	assert_int_equal(begin_rich(&h), 130); /* one of 32 is slower */
	h = (struct hedge){ .samples = 0 };
	see(&h, 1000, 100);
	assert_int_equal(begin_rich(&h), 1094); /* five of 100 are */
	see(&h, 200, 128);                      /* what was long ago is forgotten */
	assert_int_equal(begin_rich(&h), 321);
	see(&h, 0, 3);
	for (unsigned i = 0; i < HEDGE_SAMPLES; i++)
		hedge_saw(&h, 1);
	assert_int_equal(begin_rich(&h), 10); /* at least */
}

static void test_at_most_one_fill_in_fifty(void **state)
{
	(void)state;
	struct hedge h = { .samples = 0 };
	unsigned hedged = 0;
	for (unsigned i = 0; i < 128; i++)
		hedge_saw(&h, 50);
	for (unsigned i = 1; i <= 5000; i++) {
		if (hedge_begin(&h) > 0) {
			hedge_used(&h);
			hedged++;
		}
		assert_true(hedged * HEDGE_PER <= i);
	}
	assert_int_equal(hedged, 100);
	for (unsigned i = 0; i < 10000; i++) /* what is not used is not kept for ever */
		(void)hedge_begin(&h);
	for (hedged = 0; hedge_begin(&h) > 0; hedged++)
		hedge_used(&h);
	assert_int_equal(hedged, HEDGE_TOKENS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_later_than_nineteen_of_twenty),
		cmocka_unit_test(test_at_most_one_fill_in_fifty),
	};
	return cmocka_run_group_tests_name("hedge", tests, NULL, NULL);
}
