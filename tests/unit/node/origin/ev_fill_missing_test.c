/* What the origin store does not have yet, of a content that grows (D6); and what other nodes are told. In
 * real time: the bounds are wide, and the machine may be slow. */
#include "origin_fixture.h"

#include "base/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { MIB = 1 << 20 };

#define GROWING_PLAYLIST "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n1.m4s\n"

static int setup(void **state)
{
	static struct origin_fixture f;
	origin_fixture_make(&f, 64 * MIB, 8 * MIB, 60000);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	origin_fixture_remove(*state);
	return 0;
}

static uint64_t now_ms(void)
{
	struct timespec now;
	CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void set_open_error(struct fake *f, uint64_t v)
{
	f->open_error = (enum err)v;
	f->stat_error = (enum err)v;
}

static void read_playlist(struct origin_fixture *f, const char *object, const char *text)
{
	struct asker a;
	fake_set(&f->fake, set_open_error, OK);
	f->fake.text = text;
	ask_and_await(f, &a, object);
	assert_int_equal(a.waiter.answer.outcome, FILL_GROWING);
	assert_true(grows_whole(&f->fake, a.waiter.answer.growing));
	release(f, &a);
}

static void play(struct origin_fixture *f)
{
	read_playlist(f, "c/live.m3u8", GROWING_PLAYLIST);
}

static void ask_as_a_peer(struct origin_fixture *f, struct asker *a, const char *object)
{
	ask_for_peer(f, a, object);
	await(f, a);
}

static bool three_opens(void *arg)
{
	return fake_opens(arg) >= 3;
}

static void test_a_segment_that_comes_late_is_waited_for(void **state)
{
	struct origin_fixture *f = *state;
	struct asker a, b;
	play(f);
	fake_set(&f->fake, set_open_error, ERR_NOT_FOUND);
	ask(f, &a, "c/2.m4s");
	assert_true(eventually(three_opens, &f->fake)); /* the playlist, and twice this one */
	assert_false(a.answered);
	ask(f, &b, "c/2.m4s"); /* joins, and causes no more */
	fake_set(&f->fake, set_open_error, OK);
	await(f, &a);
	await(f, &b);
	assert_int_equal(a.waiter.answer.outcome, FILL_GROWING);
	assert_int_equal(b.waiter.answer.outcome, FILL_GROWING);
	release(f, &a);
	release(f, &b);
	assert_true(counters(f).missing_again >= 1);
}

static void test_what_does_not_come_is_missing_after_two_seconds(void **state)
{
	struct origin_fixture *f = *state;
	struct asker a;
	play(f);
	unsigned opens = fake_opens(&f->fake);
	fake_set(&f->fake, set_open_error, ERR_NOT_FOUND);
	uint64_t began = now_ms();
	ask_and_await(f, &a, "c/2.m4s");
	assert_int_equal(a.waiter.answer.outcome, FILL_NOT_FOUND);
	assert_in_range(now_ms() - began, 1900, 6000);
	assert_in_range(fake_opens(&f->fake) - opens, 3, 9); /* every 250 ms */
	opens = fake_opens(&f->fake);
	began = now_ms();
	ask_and_await(f, &a, "c/2.m4s");
	if (now_ms() - began < 400) { /* remembered for half a second */
		assert_int_equal(a.waiter.answer.outcome, FILL_NOT_FOUND);
		assert_int_equal(fake_opens(&f->fake), opens);
	}
}

static void misses_at_once(struct origin_fixture *f, const char *object)
{
	struct asker a;
	uint64_t began = now_ms();
	unsigned opens = fake_opens(&f->fake);
	ask_and_await(f, &a, object);
	assert_int_equal(a.waiter.answer.outcome, FILL_NOT_FOUND);
	assert_int_equal(fake_opens(&f->fake), opens + 1);
	assert_true(now_ms() - began < 1500);
}

static void test_only_of_what_grows_and_no_playlist(void **state)
{
	struct origin_fixture *f = *state;
	read_playlist(f, "c/ended.m3u8", GROWING_PLAYLIST "#EXT-X-ENDLIST\n");
	fake_set(&f->fake, set_open_error, ERR_NOT_FOUND);
	misses_at_once(f, "c/2.m4s");
	read_playlist(
	    f, "c/main.m3u8", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv.m3u8\n"); /* it says nothing of it */
	fake_set(&f->fake, set_open_error, ERR_NOT_FOUND);
	misses_at_once(f, "c/3.m4s");
	play(f);
	fake_set(&f->fake, set_open_error, ERR_NOT_FOUND);
	misses_at_once(f, "c/master.m3u8"); /* the next name to enter by is looked for */
	misses_at_once(f, "c/enc.key");
}

/* Other nodes ask again by themselves: once every 250 ms goes on to the origin store, however many they are.
 */
static void test_other_nodes_are_told_at_once(void **state)
{
	struct origin_fixture *f = *state;
	struct asker a, own;
	play(f);
	fake_set(&f->fake, set_open_error, ERR_NOT_FOUND);
	unsigned opens = fake_opens(&f->fake);
	uint64_t began = now_ms();
	ask(f, &own, "c/2.m4s");
	for (unsigned i = 0; i < 20; i++) {
		ask_as_a_peer(f, &a, "c/2.m4s");
		assert_int_equal(a.waiter.answer.outcome, FILL_NOT_FOUND);
		assert_true(a.waiter.answer.grows);
		assert_in_range(a.waiter.answer.missing_ms, 1, 500);
	}
	uint64_t took = now_ms() - began;
	assert_true(fake_opens(&f->fake) - opens <= 2 + took / 250);
	await(f, &own);
	assert_int_equal(own.waiter.answer.outcome, FILL_NOT_FOUND);
	assert_in_range(now_ms() - began, 1900, 6000);
}

static void test_other_nodes_hear_that_it_is_under_way(void **state)
{
	struct origin_fixture *f = *state;
	struct asker a, own;
	fake_give(&f->fake, 0);
	ask(f, &own, "c/a.m3u8"); /* its head waits for its bytes */
	uint64_t began = now_ms();
	ask_as_a_peer(f, &a, "c/a.m3u8");
	assert_int_equal(a.waiter.answer.outcome, FILL_PENDING);
	assert_in_range(now_ms() - began, 500, 5000);
	assert_false(own.answered);
	ask_for_peer(f, &a, "c/a.m3u8");
	fake_give(&f->fake, GIVE_ALL);
	await(f, &a);
	assert_int_equal(a.waiter.answer.outcome, FILL_GROWING);
	await(f, &own);
	release(f, &a);
	release(f, &own);
	assert_int_equal(fake_opens(&f->fake), 1);
	assert_int_equal(counters(f).for_peers, 2);
}

static bool one_waits(void *arg)
{
	return counters(arg).parked == 1;
}

static bool nothing_runs(void *arg)
{
	struct fills_counters n = counters(arg);
	return n.queued == 0 && n.parked == 0 && n.running == 0;
}

/* What waits and is wanted by nobody any more is not asked for. */
static void test_what_nobody_wants_is_dropped(void **state)
{
	struct origin_fixture *f = *state;
	struct asker a;
	play(f);
	fake_set(&f->fake, set_open_error, ERR_NOT_FOUND);
	ask(f, &a, "c/2.m4s");
	assert_true(eventually(three_opens, &f->fake));
	assert_true(eventually(one_waits, f)); /* for its next turn */
	assert_true(fill_forget(f->fills, &a.waiter));
	unsigned opens = fake_opens(&f->fake);
	assert_true(eventually(nothing_runs, f));
	assert_true(fake_opens(&f->fake) <= opens + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		CASE(test_a_segment_that_comes_late_is_waited_for),
		CASE(test_what_does_not_come_is_missing_after_two_seconds),
		CASE(test_only_of_what_grows_and_no_playlist),
		CASE(test_other_nodes_are_told_at_once),
		CASE(test_other_nodes_hear_that_it_is_under_way),
		CASE(test_what_nobody_wants_is_dropped),
	};
	return cmocka_run_group_tests_name("ev_fill_missing", tests, NULL, NULL);
}
