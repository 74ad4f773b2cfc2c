#include "node/api/limits.h"

#include "base/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

enum { SETS_LOG2 = 4 };

static int setup(void **state)
{
	static struct limits l;
	limits_init(&l, SETS_LOG2);
	*state = &l;
	return 0;
}

static int teardown(void **state)
{
	limits_fini(*state);
	return 0;
}

/* How many of `tries` come through at that moment. */
static unsigned burst_at(
    struct limits *l, uint64_t name, struct limits_rate rate, unsigned tries, uint64_t now_ms)
{
	unsigned taken = 0;
	for (unsigned i = 0; i < tries; i++)
		taken += limits_take(l, name, rate, now_ms) == 0;
	return taken;
}

static void a_burst_and_then_the_rate(void **state)
{
	struct limits *l = *state;
	const struct limits_rate rate = { 600, 5 }; /* 10/s */
	assert_int_equal(burst_at(l, 7, rate, 20, 1000), 5);
	assert_int_equal(limits_take(l, 7, rate, 1000), 100);
	assert_int_equal(limits_take(l, 7, rate, 1099), 1);
	assert_int_equal(limits_take(l, 7, rate, 1100), 0);
	assert_int_equal(limits_take(l, 7, rate, 1100), 100);
	/* What was refused has cost nothing, and a bucket is never more than full. */
	assert_int_equal(burst_at(l, 7, rate, 20, 1300), 2);
	assert_int_equal(burst_at(l, 7, rate, 20, 1000000), 5);
}

static void a_bucket_each(void **state)
{
	struct limits *l = *state;
	const struct limits_rate rate = { 1, 1 };
	for (uint64_t name = 0; name < 50; name++)
		assert_int_equal(limits_take(l, name, rate, 5), 0);
	for (uint64_t name = 0; name < 50; name++)
		assert_int_equal(limits_take(l, name, rate, 5), 60000);
}

static void over_a_long_time_the_rate_holds(void **state)
{
	struct limits *l = *state;
	static const struct limits_rate rates[] = { { 1, 1 }, { 30, 3 }, { 600, 1 }, { 6000, 200 }, { 420000, 7 },
		{ 6000000, 100 }, { 60000000, 1000 } };
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		uint64_t taken = 0, ms = 120000;
		for (uint64_t now = 1; now <= ms; now++)
			while (limits_take(l, 100 + i, rates[i], now) == 0)
				taken++;
		uint64_t fair = rates[i].per_min * ms / 60000, at_once = rates[i].burst;
		uint64_t in_a_ms = rates[i].per_min / 60000;
		assert_in_range(
		    taken, fair - fair / 500, fair + fair / 500 + (at_once > in_a_ms ? at_once : in_a_ms));
	}
}

/* Whatever the wait says: before it nothing comes through, after it something does. */
static void the_wait_is_right(void **state)
{
	struct limits *l = *state;
	struct prng p;
	prng_init(&p, 1);
	for (unsigned i = 0; i < 2000; i++) {
		struct limits_rate rate = { 1 + (uint32_t)prng_below(&p, 100000), 1 + (uint32_t)prng_below(&p, 50) };
		uint64_t now = 1 + prng_below(&p, 1000000), name = 1000 + i, wait;
		while ((wait = limits_take(l, name, rate, now)) == 0)
			;
		if (wait > 1)
			assert_int_not_equal(limits_take(l, name, rate, now + wait - 1), 0);
		assert_int_equal(limits_take(l, name, rate, now + wait), 0);
		limits_fini(l);
		limits_init(l, SETS_LOG2);
	}
}

static void what_is_given_back_can_be_taken_again(void **state)
{
	struct limits *l = *state;
	const struct limits_rate rate = { 60, 3 };
	assert_int_equal(burst_at(l, 7, rate, 9, 1000), 3);
	limits_return(l, 7, rate);
	assert_int_equal(burst_at(l, 7, rate, 9, 1000), 1);
	limits_return(l, 8, rate); /* nobody */
	assert_int_equal(burst_at(l, 8, rate, 9, 1000), 3);
}

/* In a full set the one that is nearest to full gives way, and never one that has more to wait for. */
static void a_flood_displaces_the_fullest(void **state)
{
	struct limits *l = *state;
	const struct limits_rate rate = { 60, 10 };
	const uint64_t step = 1 << SETS_LOG2; /* names of one set */
	for (uint64_t i = 0; i < LIMITS_WAYS; i++)
		assert_int_equal(burst_at(l, i * step, rate, (unsigned)i + 2, 1000), (unsigned)i + 2);
	for (uint64_t i = 100; i < 1100; i++)
		assert_int_equal(limits_take(l, i * step, rate, 1000), 0);
	/* All but the first are as they were. */
	for (uint64_t i = 1; i < LIMITS_WAYS; i++)
		assert_int_equal(burst_at(l, i * step, rate, 20, 1000), 10 - (unsigned)i - 2);
	assert_int_equal(burst_at(l, 0, rate, 20, 1000), 10);
}

static void the_rate_may_change(void **state)
{
	struct limits *l = *state;
	assert_int_equal(burst_at(l, 7, (struct limits_rate){ 60, 10 }, 20, 1000), 10);
	assert_int_equal(limits_take(l, 7, (struct limits_rate){ 600, 1 }, 1000), 10000);
	assert_int_equal(limits_take(l, 7, (struct limits_rate){ 600, 200 }, 1000), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_burst_and_then_the_rate, setup, teardown),
		cmocka_unit_test_setup_teardown(a_bucket_each, setup, teardown),
		cmocka_unit_test_setup_teardown(over_a_long_time_the_rate_holds, setup, teardown),
		cmocka_unit_test_setup_teardown(the_wait_is_right, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_given_back_can_be_taken_again, setup, teardown),
		cmocka_unit_test_setup_teardown(a_flood_displaces_the_fullest, setup, teardown),
		cmocka_unit_test_setup_teardown(the_rate_may_change, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
