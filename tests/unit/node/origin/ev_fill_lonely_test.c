/* Long fills that nobody reads any more. In real time: the bounds are wide. */
#include "origin_fixture.h"

#include "base/check.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

enum { MIB = 1 << 20, LONG_BYTES = 30 * MIB, STEP_BYTES = 10000 };

static int setup(void **state)
{
	static struct origin_fixture f;
	origin_fixture_make(&f, 64 * MIB, 8 * MIB, 60000);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	fake_give(&((struct origin_fixture *)*state)->fake, GIVE_ALL);
	origin_fixture_remove(*state);
	return 0;
}

static void set_length(struct fake *f, uint64_t v)
{
	f->length = v;
}

static uint64_t now_ms(void)
{
	struct timespec now;
	CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Lets it trickle for that long, or until nothing runs. */
static void trickle(struct origin_fixture *f, uint64_t *given, uint64_t for_ms)
{
	for (uint64_t began = now_ms(); now_ms() - began < for_ms && counters(f).running > 0;) {
		*given += STEP_BYTES;
		fake_give(&f->fake, *given);
		(void)poll(NULL, 0, 20);
	}
}

static void test_the_last_to_leave_ends_a_long_one(void **state)
{
	struct origin_fixture *f = *state;
	struct asker a, b;
	uint64_t given = STEP_BYTES;
	fake_set(&f->fake, set_length, LONG_BYTES);
	fake_give(&f->fake, given);
	ask_and_await(f, &a, "c/1.m4s");
	ask_and_await(f, &b, "c/1.m4s");
	release(f, &a);
	trickle(f, &given, 3000);
	assert_int_equal(counters(f).running, 1); /* one is left who reads */
	release(f, &b);
	trickle(f, &given, 20000);
	assert_int_equal(counters(f).running, 0);
	assert_int_equal(counters(f).abandoned, 1);
	fake_give(&f->fake, GIVE_ALL);
	ask_and_await(f, &a, "c/1.m4s"); /* anew */
	assert_int_equal(a.waiter.answer.outcome, FILL_GROWING);
	assert_true(grows_whole(&f->fake, a.waiter.answer.growing));
	release(f, &a);
	assert_int_equal(fake_opens(&f->fake), 2);
}

static void test_one_that_is_soon_whole_goes_on(void **state)
{
	struct origin_fixture *f = *state;
	struct asker a;
	uint64_t given = LONG_BYTES - 300 * STEP_BYTES;
	fake_set(&f->fake, set_length, LONG_BYTES);
	fake_give(&f->fake, given);
	ask_and_await(f, &a, "c/1.m4s");
	release(f, &a);
	trickle(f, &given, 60000);
	assert_int_equal(counters(f).abandoned, 0);
	assert_int_equal(counters(f).whole, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_the_last_to_leave_ends_a_long_one, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_that_is_soon_whole_goes_on, setup, teardown),
	};
	return cmocka_run_group_tests_name("ev_fill_lonely", tests, NULL, NULL);
}
