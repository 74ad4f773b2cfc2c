#include "node/http/rate_meter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { T0 = 1000000 };

static void a_steady_rate_is_found(void **state)
{
	(void)state;
	struct rate_meter m = { 0 };
	for (uint64_t i = 0; i < 100; i++)
		rate_meter_feed(&m, T0 + i * 100, i * 5000, 0);
	assert_in_range(m.per_s, 49000, 50000);
	assert_false(m.over);
}

static void it_is_over_until_it_fell_clearly_below(void **state)
{
	(void)state;
	struct rate_meter m = { 0 };
	uint64_t now = T0, count = 0;
	const uint64_t rates[] = { 900, 1100, 970, 900 };
	const bool over[] = { false, true, true, false };
	rate_meter_feed(&m, now, count, 1000);
	for (int r = 0; r < 4; r++) {
		for (int i = 0; i < 40; i++) {
			now += 250;
			count += rates[r] / 4;
			rate_meter_feed(&m, now, count, 1000);
		}
		assert_int_equal(m.over, over[r]);
	}
}

static void a_burst_shows_within_half_a_second(void **state)
{
	(void)state;
	struct rate_meter m = { 0 };
	rate_meter_feed(&m, T0, 0, 1000);
	rate_meter_feed(&m, T0 + 249, 10000, 1000); /* too soon: left out */
	assert_false(m.over);
	rate_meter_feed(&m, T0 + 250, 10000, 1000);
	assert_true(m.over);
	assert_in_range(m.per_s, 9000, 11000);
}

/* Nobody came for long: what was sent then is not now. */
static void a_pause_ends_it(void **state)
{
	(void)state;
	struct rate_meter m = { 0 };
	rate_meter_feed(&m, T0, 0, 1000);
	rate_meter_feed(&m, T0 + 500, 100000, 1000);
	assert_true(m.over);
	rate_meter_feed(&m, T0 + 3600000, 100000, 1000);
	assert_false(m.over);
	assert_int_equal(m.per_s, 0);
}

static void without_a_bound_it_is_never_over(void **state)
{
	(void)state;
	struct rate_meter m = { 0 };
	rate_meter_feed(&m, T0, 0, 0);
	rate_meter_feed(&m, T0 + 1000, UINT64_C(1) << 50, 0);
	assert_false(m.over);
	assert_true(m.per_s > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_steady_rate_is_found),
		cmocka_unit_test(it_is_over_until_it_fell_clearly_below),
		cmocka_unit_test(a_burst_shows_within_half_a_second),
		cmocka_unit_test(a_pause_ends_it),
		cmocka_unit_test(without_a_bound_it_is_never_over),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
