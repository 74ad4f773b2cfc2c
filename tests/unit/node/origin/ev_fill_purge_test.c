/* I9 in a fill's way: what was asked for before a purge is not served after it. */
#include "origin_fixture.h"

#include "base/obj.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MIB = 1 << 20 };

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

static struct cache_key key_of(const char *object)
{
	return (struct cache_key){ .origin = BYTES_LIT("main"), .object = bytes_str(object) };
}

static bool nothing_runs(void *arg)
{
	struct fills_counters n = counters(arg);
	return n.running == 0 && n.queued == 0;
}

static void settle(struct origin_fixture *f)
{
	assert_true(eventually(nothing_runs, f));
}

static void set_etag(struct fake *f, uint64_t v)
{
	(void)snprintf(f->etag, sizeof(f->etag), "\"e%u\"", (unsigned)v);
	f->seed = (unsigned)v;
}

static void set_open_error(struct fake *f, uint64_t v)
{
	f->open_error = (enum err)v;
	f->stat_error = (enum err)v;
}

static void set_hold_stat(struct fake *f, uint64_t v)
{
	f->hold_stat = v != 0;
}

static void purge(struct origin_fixture *f, struct bytes content)
{
	fills_purge(f->fills, content);
	(void)cache_purge(f->cache, content);
}

static bool failed(void *arg)
{
	return growing_look(arg).state == GROWING_FAILED;
}

static bool two_opens(void *arg)
{
	return fake_opens(arg) == 2;
}

static bool one_stat_waits(void *arg)
{
	struct fake *f = arg;
	CHECK(pthread_mutex_lock(&f->lock) == 0);
	unsigned waiting = f->waiting;
	CHECK(pthread_mutex_unlock(&f->lock) == 0);
	return waiting == 1;
}

/* I9: the bytes were asked for before the purge. */
static void test_a_purge_resets_what_is_being_filled(void **state)
{
	struct origin_fixture *f = *state;
	struct asker a, b;
	struct cache_key k = key_of("c/1.m4s");
	fake_give(&f->fake, 100000);
	ask_and_await(f, &a, "c/1.m4s");
	assert_int_equal(a.waiter.answer.outcome, FILL_GROWING);
	purge(f, BYTES_LIT("c"));
	fake_set(&f->fake, set_etag, 2);
	ask(f, &b, "c/1.m4s"); /* starts anew, and does not join */
	assert_true(eventually(two_opens, &f->fake));
	fake_give(&f->fake, GIVE_ALL);
	await(f, &b);
	assert_int_equal(b.waiter.answer.outcome, FILL_GROWING);
	assert_false(b.waiter.answer.collapsed);
	assert_string_equal(b.waiter.answer.meta.etag, "\"e2\"");
	assert_true(eventually(failed, a.waiter.answer.growing));
	assert_true(grows_whole(&f->fake, b.waiter.answer.growing));
	release(f, &a);
	release(f, &b);
	settle(f);
	struct cache_unit *u = cache_get(f->cache, &k);
	assert_non_null(u);
	assert_string_equal(u->meta->etag, "\"e2\"");
	cache_release(f->cache, u);
}

/* Who waits for a revalidation that began before the purge gets what is there after it. */
static void test_who_waits_is_asked_for_again_after_a_purge(void **state)
{
	struct origin_fixture *f = *state;
	struct asker a;
	ask_and_await(f, &a, "c/x.m3u8");
	release(f, &a);
	settle(f);
	set_wall_ms(wall_ms() + 3600 * 1000);
	fake_set(&f->fake, set_hold_stat, 1);
	ask(f, &a, "c/x.m3u8");
	assert_true(eventually(one_stat_waits, &f->fake));
	purge(f, BYTES_LIT("c"));
	fake_set(&f->fake, set_hold_stat, 0);
	await(f, &a);
	assert_int_equal(a.waiter.answer.outcome, FILL_GROWING);
	assert_int_equal(fake_opens(&f->fake), 2);
	release(f, &a);
	settle(f);
}

/* D6 does not go as far as what may have been purged. */
static void test_what_is_in_doubt_is_confirmed_or_not_served(void **state)
{
	struct origin_fixture *f = *state;
	struct asker a;
	ask_and_await(f, &a, "c/1.m4s");
	release(f, &a);
	settle(f);
	cache_doubt(f->cache);
	fake_set(&f->fake, set_open_error, ERR_DENIED);
	ask_and_await(f, &a, "c/1.m4s");
	assert_int_equal(a.waiter.answer.outcome, FILL_FAILED);
	fake_set(&f->fake, set_open_error, OK);
	ask_and_await(f, &a, "c/1.m4s");
	assert_int_equal(a.waiter.answer.outcome, FILL_HIT);
	assert_false(a.waiter.answer.stale);
	release(f, &a);
	assert_int_equal(fake_opens(&f->fake), 1);
	fake_set(&f->fake, set_open_error, ERR_DENIED);
	ask_and_await(f, &a, "c/1.m4s"); /* it needs nobody now */
	assert_int_equal(a.waiter.answer.outcome, FILL_HIT);
	release(f, &a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		CASE(test_a_purge_resets_what_is_being_filled),
		CASE(test_who_waits_is_asked_for_again_after_a_purge),
		CASE(test_what_is_in_doubt_is_confirmed_or_not_served),
	};
	return cmocka_run_group_tests_name("ev_fill_purge", tests, NULL, NULL);
}
