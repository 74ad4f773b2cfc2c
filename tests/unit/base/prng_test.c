#include "base/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* xoshiro256** from the state 1, 2, 3, 4: the numbers of the reference implementation. */
static void xoshiro_reference_numbers(void **state)
{
	(void)state;
	static const uint64_t expected[] = {
		11520u,
		0u,
		1509978240u,
		1215971899390074240u,
		1216172134540287360u,
		607988272756665600u,
		16172922978634559625u,
		8476171486693032832u,
		10595114339597558777u,
		2904607092377533576u,
	};
	struct prng r = { { 1, 2, 3, 4 } };
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		assert_true(prng_next(&r) == expected[i]);
}

/* splitmix64 from 0: the numbers of its reference implementation fill the state. */
static void seeding_reference_numbers(void **state)
{
	(void)state;
	struct prng r;
	prng_init(&r, 0);
	assert_true(r.s[0] == 0xe220a8397b1dcdaf);
	assert_true(r.s[1] == 0x6e789e6aa1b965f4);
	assert_true(r.s[2] == 0x06c45d188009454f);
	assert_true(r.s[3] == 0xf88bb8a8724c81ec);
}

/* Golden: a seed that someone wrote down replays in every later version. */
static void a_seed_replays_for_ever(void **state)
{
	(void)state;
	struct prng r;
	prng_init(&r, 42);
	assert_true(prng_next(&r) == 1546998764402558742u);
	assert_true(prng_next(&r) == 6990951692964543102u);
	static const unsigned below_100[] = { 68, 92, 99, 76, 71, 85, 76, 58, 68, 29, 80, 32, 71, 87, 61, 85 };
	for (size_t i = 0; i < sizeof(below_100) / sizeof(below_100[0]); i++)
		assert_int_equal(prng_below(&r, 100), below_100[i]);
}

static void below_stays_below(void **state)
{
	(void)state;
	struct prng r;
	prng_init(&r, 7);
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(prng_below(&r, 1), 0);
		assert_true(prng_below(&r, 3) < 3);
		assert_true(prng_below(&r, UINT64_MAX) < UINT64_MAX);
		assert_true(prng_below(&r, (1ull << 63) + 1) <= 1ull << 63);
	}
}

static void below_is_even(void **state)
{
	(void)state;
	enum { SIDES = 7, THROWS = 70000 };
	struct prng r;
	prng_init(&r, 8);
	unsigned seen[SIDES] = { 0 };
	for (int i = 0; i < THROWS; i++)
		seen[prng_below(&r, SIDES)]++;
	double chi2 = 0, expected = (double)THROWS / SIDES;
	for (int i = 0; i < SIDES; i++)
		chi2 += ((double)seen[i] - expected) * ((double)seen[i] - expected) / expected;
	assert_true(chi2 < 22.5); /* 6 degrees of freedom, one chance in a thousand */
}

/* Three quarters of all: without rejection every third value would come twice as often. */
static void below_is_even_in_a_wide_range(void **state)
{
	(void)state;
	struct prng r;
	prng_init(&r, 9);
	uint64_t range = 3ull << 62;
	unsigned thirds = 0;
	for (int i = 0; i < 30000; i++)
		thirds += prng_below(&r, range) % 3 == 0;
	assert_in_range(thirds, 9700, 10300);
}

static void chance(void **state)
{
	(void)state;
	struct prng r;
	prng_init(&r, 10);
	unsigned hits = 0;
	for (int i = 0; i < 10000; i++) {
		assert_false(prng_chance(&r, 0));
		assert_true(prng_chance(&r, 1000));
		hits += prng_chance(&r, 250);
	}
	assert_in_range(hits, 2350, 2650);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(xoshiro_reference_numbers),
		cmocka_unit_test(seeding_reference_numbers),
		cmocka_unit_test(a_seed_replays_for_ever),
		cmocka_unit_test(below_stays_below),
		cmocka_unit_test(below_is_even),
		cmocka_unit_test(below_is_even_in_a_wide_range),
		cmocka_unit_test(chance),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
