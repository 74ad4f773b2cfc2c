#include "node/origin/backoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_doubles_and_probes_one_at_a_time(void **state)
{
	(void)state;
	struct backoff b = { .error = OK };
	uint64_t now = 1000;
	assert_true(backoff_may_ask(&b, now));
	assert_true(backoff_may_ask(&b, now));
	uint64_t expected = 250;
	for (int i = 0; i < 10; i++) {
		backoff_failed(&b, ERR_IO, now, i % 2 == 0 ? 0 : UINT64_MAX);
		assert_int_equal(b.error, ERR_IO);
		assert_int_equal(b.delay_ms, expected);
		assert_true(b.until_ms >= now + expected * 3 / 4 && b.until_ms <= now + expected * 5 / 4);
		assert_false(backoff_may_ask(&b, b.until_ms - 1));
		now = b.until_ms;
		assert_true(backoff_may_ask(&b, now));
		assert_false(backoff_may_ask(&b, now)); /* one asks, the others wait for it */
		expected = expected * 2 < 3500 ? expected * 2 : 3500;
	}
	backoff_well(&b);
	assert_true(backoff_may_ask(&b, now));
	assert_true(backoff_may_ask(&b, now));
}

static void test_many_failures_at_once_count_once(void **state)
{
	(void)state;
	struct backoff b = { .error = OK };
	for (int i = 0; i < 100; i++)
		backoff_failed(&b, ERR_IO, 1000, 0);
	assert_int_equal(b.delay_ms, 250);
}

/* It answers, and what it sends breaks off. */
static void test_who_answers_is_not_well_yet(void **state)
{
	(void)state;
	struct backoff b = { .error = OK };
	backoff_answers(&b, 1000);
	assert_true(backoff_may_ask(&b, 1000));
	uint64_t now = 1000, expected = 250;
	for (int i = 0; i < 6; i++) {
		backoff_failed(&b, ERR_IO, now, 0);
		assert_int_equal(b.delay_ms, expected);
		backoff_answers(&b, b.until_ms - 1); /* to one of before */
		assert_false(backoff_may_ask(&b, b.until_ms - 1));
		now = b.until_ms;
		assert_true(backoff_may_ask(&b, now));
		assert_false(backoff_may_ask(&b, now));
		backoff_answers(&b, now);
		assert_true(backoff_may_ask(&b, now) && backoff_may_ask(&b, now));
		expected = expected * 2 < 3500 ? expected * 2 : 3500;
	}
	backoff_well(&b);
	backoff_failed(&b, ERR_IO, now, 0);
	assert_int_equal(b.delay_ms, 250);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_doubles_and_probes_one_at_a_time),
		cmocka_unit_test(test_who_answers_is_not_well_yet),
		cmocka_unit_test(test_many_failures_at_once_count_once),
	};
	return cmocka_run_group_tests_name("backoff", tests, NULL, NULL);
}
