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

static void set_check_error(struct fake *f, uint64_t v)
{
	f->check_error = (enum err)v;
}

static void set_fails_at(struct fake *f, uint64_t v)
{
	f->fails_at = v;
}

static void set_read_error(struct fake *f, uint64_t v)
{
	f->read_error = (enum err)v;
}

static void set_length(struct fake *f, uint64_t v)
{
	f->length = v;
}

static void set_hold_stat(struct fake *f, uint64_t v)
{
	f->hold_stat = v != 0;
}

static void test_fills_and_then_hits(void **state)
{
	struct origin_fixture *f = *state;
	struct asker a;
	ask_and_await(f, &a, "c/1.m4s");
	assert_int_equal(a.waiter.answer.outcome, FILL_GROWING);
	assert_false(a.waiter.answer.collapsed);
	assert_string_equal(a.waiter.answer.meta.etag, "\"e1\"");
	assert_int_equal(a.waiter.answer.meta.length, 300000);
	assert_int_equal(a.waiter.answer.meta.modified_s, 7);
	assert_true(a.waiter.answer.meta.ttl_ms == UINT64_MAX);
	assert_true(grows_whole(&f->fake, a.waiter.answer.growing));
	release(f, &a);
	settle(f);
	struct cache_key k = key_of("c/1.m4s");
	struct cache_unit *u = cache_get(f->cache, &k);
	assert_non_null(u);
	assert_true(unit_is(&f->fake, u));
	assert_true(bytes_eq(u->meta->content, BYTES_LIT("c")));
	cache_release(f->cache, u);
	ask_and_await(f, &a, "c/1.m4s");
	assert_int_equal(a.waiter.answer.outcome, FILL_HIT);
	assert_true(unit_is(&f->fake, a.waiter.answer.unit));
	release(f, &a);
	assert_int_equal(fake_opens(&f->fake), 1);
	struct fills_counters n = counters(f);
	assert_int_equal(n.whole, 1);
	assert_int_equal(n.started, 2);
	assert_int_equal(n.bytes_from_origin, 300000);
	assert_int_equal(n.unstored, 0);
}

static void test_fills_an_empty_object(void **state)
{
	struct origin_fixture *f = *state;
	struct asker a;
	fake_set(&f->fake, set_length, 0);
	const char *names[] = { "c/0.m4s", "c/0.m3u8" };
	for (int i = 0; i < 2; i++) {
		ask_and_await(f, &a, names[i]);
		assert_int_equal(a.waiter.answer.outcome, FILL_GROWING);
		assert_true(grows_whole(&f->fake, a.waiter.answer.growing));
		release(f, &a);
		settle(f);
		struct cache_key k = key_of(names[i]);
		struct cache_unit *u = cache_get(f->cache, &k);
		assert_non_null(u);
		assert_int_equal(u->meta->length, 0);
		cache_release(f->cache, u);
	}
}

static void test_lets_go_when_the_head_is_known(void **state)
{
	struct origin_fixture *f = *state;
	struct asker a[20];
	fake_give(&f->fake, 0);
	ask_and_await(f, &a[0], "c/1.m4s");
	for (int i = 1; i < 20; i++)
		ask_and_await(f, &a[i], "c/1.m4s"); /* each is let go while no byte has come */
	for (int i = 0; i < 20; i++) {
		assert_int_equal(a[i].waiter.answer.outcome, FILL_GROWING);
		assert_ptr_equal(a[i].waiter.answer.growing, a[0].waiter.answer.growing);
		assert_int_equal(a[i].waiter.answer.collapsed, i > 0);
		assert_int_equal(a[i].waiter.answer.meta.length, 300000);
	}
	assert_int_equal(growing_look(a[0].waiter.answer.growing).published, 0);
	fake_give(&f->fake, GIVE_ALL);
	assert_true(grows_whole(&f->fake, a[19].waiter.answer.growing));
	for (int i = 0; i < 20; i++)
		release(f, &a[i]);
	assert_int_equal(fake_opens(&f->fake), 1);
	assert_int_equal(counters(f).joined, 19);
}

struct at_least {
	struct growing *growing;
	uint64_t bytes;
};

static bool published(void *arg)
{
	struct at_least *x = arg;
	return growing_look(x->growing).published >= x->bytes;
}

static void test_tells_what_came_before_a_pause(void **state)
{
	struct origin_fixture *f = *state;
	struct asker a;
	fake_give(&f->fake, 1);
	ask_and_await(f, &a, "c/1.m4s");
	uint64_t steps[] = { 1, 10, 70000, 70001, 299999 };
	for (int i = 0; i < 5; i++) {
		fake_give(&f->fake, steps[i]);
		struct at_least x = { a.waiter.answer.growing, steps[i] };
		assert_true(eventually(published, &x));
		assert_int_equal(growing_look(x.growing).published, steps[i]);
	}
	fake_give(&f->fake, GIVE_ALL);
	assert_true(grows_whole(&f->fake, a.waiter.answer.growing));
	release(f, &a);
}

static bool one_open(void *arg)
{
	return fake_opens(arg) == 1;
}

static void test_goes_on_without_waiters(void **state)
{
	struct origin_fixture *f = *state;
	struct asker a, b;
	fake_set(&f->fake, set_hold_stat, 1);
	fake_give(&f->fake, 0);
	/* A playlist's head waits for its first bytes. */
	ask(f, &a, "c/a.m3u8");
	ask(f, &b, "c/a.m3u8");
	assert_true(eventually(one_open, &f->fake)); /* what has not begun is dropped */
	assert_true(fill_forget(f->fills, &a.waiter));
	assert_true(fill_forget(f->fills, &b.waiter));
	fake_set(&f->fake, set_hold_stat, 0);
	fake_give(&f->fake, GIVE_ALL);
	settle(f);
	assert_false(a.answered || b.answered);
	struct cache_key k = key_of("c/a.m3u8");
	struct cache_unit *u = cache_get(f->cache, &k);
	assert_non_null(u);
	cache_release(f->cache, u);
	ask(f, &a, "c/a.m3u8");
	settle(f);
	assert_false(fill_forget(f->fills, &a.waiter)); /* posted already */
	await(f, &a);
	release(f, &a);
}

static void test_revalidates_what_is_stale(void **state)
{
	struct origin_fixture *f = *state;
	struct asker a;
	f->fake.text = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n1.m4s\n";
	ask_and_await(f, &a, "c/a.m3u8");
	assert_int_equal(a.waiter.answer.outcome, FILL_GROWING);
	assert_int_equal(a.waiter.answer.meta.ttl_ms, 2000);
	assert_int_equal(a.waiter.answer.meta.answered_wall_ms, 1000000);
	release(f, &a);
	settle(f);
	set_wall_ms(1001999);
	ask_and_await(f, &a, "c/a.m3u8");
	assert_int_equal(a.waiter.answer.outcome, FILL_HIT);
	assert_int_equal(f->fake.stats, 0);
	release(f, &a);
	set_wall_ms(1002000);
	ask_and_await(f, &a, "c/a.m3u8");
	assert_int_equal(a.waiter.answer.outcome, FILL_HIT);
	assert_int_equal(a.waiter.answer.unit->meta->answered_wall_ms, 1002000);
	assert_false(a.waiter.answer.stale);
	release(f, &a);
	assert_int_equal(counters(f).revalidated, 1);
	assert_int_equal(fake_opens(&f->fake), 2); /* by a GET alone: it is likely to be another */
	assert_int_equal(f->fake.stats, 0);
	set_wall_ms(1010000);
	fake_set(&f->fake, set_etag, 2);
	ask_and_await(f, &a, "c/a.m3u8");
	assert_int_equal(a.waiter.answer.outcome, FILL_GROWING);
	assert_string_equal(a.waiter.answer.meta.etag, "\"e2\"");
	assert_true(grows_whole(&f->fake, a.waiter.answer.growing));
	release(f, &a);
	settle(f);
	set_wall_ms(1020000);
	fake_set(&f->fake, set_open_error, ERR_NOT_FOUND);
	ask_and_await(f, &a, "c/a.m3u8");
	assert_int_equal(a.waiter.answer.outcome, FILL_NOT_FOUND);
	struct cache_key k = key_of("c/a.m3u8");
	assert_null(cache_get(f->cache, &k));
}

static void test_serves_stale_when_the_store_fails(void **state)
{
	struct origin_fixture *f = *state;
	struct asker a;
	f->fake.text = "#EXTM3U\n";
	ask_and_await(f, &a, "c/a.m3u8");
	release(f, &a);
	settle(f);
	set_wall_ms(2000000);
	fake_set(&f->fake, set_open_error, ERR_IO);
	for (int i = 0; i < 5; i++) {
		ask_and_await(f, &a, "c/a.m3u8");
		assert_int_equal(a.waiter.answer.outcome, FILL_HIT);
		assert_true(a.waiter.answer.stale);
		assert_true(unit_is(&f->fake, a.waiter.answer.unit));
		release(f, &a);
	}
	assert_int_equal(f->fake.stats, 1); /* then it was left alone */
	/* RFC 5861: for a day past its freshness, not for ever. */
	set_wall_ms(1000000 + 2000 + 24 * 3600 * 1000);
	ask_and_await(f, &a, "c/a.m3u8");
	assert_int_equal(a.waiter.answer.outcome, FILL_HIT);
	assert_true(a.waiter.answer.stale);
	release(f, &a);
	assert_true(counters(f).stale >= 6);
	set_wall_ms(wall_ms() + 1);
	ask_and_await(f, &a, "c/a.m3u8");
	assert_int_equal(a.waiter.answer.outcome, FILL_FAILED);
}

static bool negative_is_over(void *arg)
{
	struct origin_fixture *f = arg;
	struct asker a;
	ask_and_await(f, &a, "c/new.m4s");
	bool over = a.waiter.answer.outcome == FILL_GROWING;
	release(f, &a);
	return over;
}

static void test_remembers_what_is_not_there(void **state)
{
	struct origin_fixture *f = *state;
	struct asker a;
	fake_set(&f->fake, set_open_error, ERR_NOT_FOUND);
	for (int i = 0; i < 10; i++) {
		ask_and_await(f, &a, "c/new.m4s");
		assert_int_equal(a.waiter.answer.outcome, FILL_NOT_FOUND);
	}
	/* Ten in 100 ms unless the machine stood still. */
	assert_true(fake_opens(&f->fake) <= 2);
	assert_true(counters(f).negative_hits >= 8);
	ask_and_await(f, &a, "c/other.m4s");
	assert_int_equal(a.waiter.answer.outcome, FILL_NOT_FOUND);
	fake_set(&f->fake, set_open_error, OK);
	assert_true(eventually(negative_is_over, f));
}

static bool works_again(void *arg)
{
	struct origin_fixture *f = arg;
	struct asker a;
	ask_and_await(f, &a, "c/1.m4s");
	bool works = a.waiter.answer.outcome == FILL_GROWING;
	release(f, &a);
	return works;
}

static void test_leaves_a_failing_store_alone(void **state)
{
	struct origin_fixture *f = *state;
	struct asker a;
	fake_set(&f->fake, set_open_error, ERR_IO);
	for (int i = 0; i < 50; i++) {
		ask_and_await(f, &a, "c/1.m4s");
		assert_int_equal(a.waiter.answer.outcome, FILL_FAILED);
		assert_int_equal(a.waiter.answer.error, ERR_IO);
	}
	assert_true(fake_opens(&f->fake) < 10);
	fake_set(&f->fake, set_open_error, OK);
	assert_true(eventually(works_again, f));
}

static void test_one_bad_object_harms_no_other(void **state)
{
	struct origin_fixture *f = *state;
	struct asker a;
	fake_set(&f->fake, set_open_error, ERR_DENIED);
	ask_and_await(f, &a, "c/1.m4s");
	assert_int_equal(a.waiter.answer.outcome, FILL_FAILED);
	assert_int_equal(a.waiter.answer.error, ERR_DENIED);
	fake_set(&f->fake, set_open_error, OK);
	ask_and_await(f, &a, "c/2.m4s");
	assert_int_equal(a.waiter.answer.outcome, FILL_GROWING);
	release(f, &a);
}

static bool denied_no_more(void *arg)
{
	struct origin_fixture *f = arg;
	struct asker a;
	ask_and_await(f, &a, "c/denied.m4s");
	bool there = a.waiter.answer.outcome == FILL_GROWING;
	release(f, &a);
	return there;
}

/* However many viewers ask. */
static void test_what_is_denied_is_not_asked_for_again_at_once(void **state)
{
	struct origin_fixture *f = *state;
	struct asker a;
	fake_set(&f->fake, set_open_error, ERR_DENIED);
	unsigned before = fake_opens(&f->fake);
	for (int i = 0; i < 50; i++) {
		ask_and_await(f, &a, "c/denied.m4s");
		assert_true(a.waiter.answer.outcome == FILL_FAILED || a.waiter.answer.outcome == FILL_NOT_FOUND);
	}
	assert_true(fake_opens(&f->fake) - before < 10);
	fake_set(&f->fake, set_open_error, OK);
	assert_true(eventually(denied_no_more, f));
}

static void fails_in_mid_read(struct origin_fixture *f, const char *object)
{
	struct asker a;
	ask_and_await(f, &a, object);
	assert_int_equal(a.waiter.answer.outcome, FILL_GROWING);
	assert_false(grows_whole(&f->fake, a.waiter.answer.growing));
	assert_int_equal(growing_look(a.waiter.answer.growing).state, GROWING_FAILED);
	release(f, &a);
	settle(f);
	struct cache_key k = key_of(object);
	assert_null(cache_get(f->cache, &k));
}

static void test_a_fill_that_fails_is_never_whole(void **state)
{
	struct origin_fixture *f = *state;
	fake_set(&f->fake, set_fails_at, 100000);
	fake_set(&f->fake, set_read_error, OK); /* it ends too early */
	fails_in_mid_read(f, "c/1.m4s");
	fake_set(&f->fake, set_fails_at, UINT64_MAX);
	fake_set(&f->fake, set_check_error, ERR_CORRUPT); /* it changed */
	fails_in_mid_read(f, "c/2.m4s");
	fake_set(&f->fake, set_check_error, OK);
	fake_set(&f->fake, set_fails_at, 100000);
	fake_set(&f->fake, set_read_error, ERR_IO);
	fails_in_mid_read(f, "c/3.m4s");
	assert_int_equal(counters(f).failed, 3);
}

/* What comes broken again and again is left alone for a second, and never keeps what is held from viewers. */
static void test_a_broken_object_rests(void **state)
{
	struct origin_fixture *f = *state;
	struct asker a;
	fake_set(&f->fake, set_check_error, ERR_CORRUPT);
	fails_in_mid_read(f, "c/1.m4s");
	fails_in_mid_read(f, "c/1.m4s");
	unsigned opens = fake_opens(&f->fake);
	ask_and_await(f, &a, "c/1.m4s");
	assert_int_equal(a.waiter.answer.outcome, FILL_NOT_FOUND);
	ask_and_await(f, &a, "c/1.m4s");
	assert_int_equal(fake_opens(&f->fake), opens);
	fails_in_mid_read(f, "c/2.m4s"); /* the others do not */
	fake_set(&f->fake, set_check_error, OK);
	ask_and_await(f, &a, "c/held.bin");
	release(f, &a);
	settle(f);
	fake_set(&f->fake, set_check_error, ERR_CORRUPT);
	for (unsigned i = 0; i < 3; i++) {
		set_wall_ms(wall_ms() + 61000);
		fake_set(&f->fake, set_etag, 2 + i);
		ask_and_await(f, &a, "c/held.bin");
		assert_int_not_equal(a.waiter.answer.outcome, FILL_NOT_FOUND);
		release(f, &a);
		settle(f);
	}
}

static void test_keys_are_not_stored(void **state)
{
	struct origin_fixture *f = *state;
	struct asker a;
	ask_and_await(f, &a, "c/1.key");
	assert_int_equal(a.waiter.answer.outcome, FILL_GROWING);
	assert_int_equal(a.waiter.answer.meta.ttl_ms, 0);
	assert_true(grows_whole(&f->fake, a.waiter.answer.growing));
	release(f, &a);
	settle(f);
	struct cache_key k = key_of("c/1.key");
	assert_null(cache_get(f->cache, &k));
	assert_int_equal(counters(f).unstored, 1);
}

static void test_memory_is_bounded_until_readers_are_done(void **state)
{
	struct origin_fixture *f = *state;
	struct asker a, b;
	fake_set(&f->fake, set_length, 5 * MIB);
	ask_and_await(f, &a, "c/1.key"); /* of 8 MiB */
	assert_true(grows_whole(&f->fake, a.waiter.answer.growing));
	settle(f);
	ask_and_await(f, &b, "c/2.key");
	assert_int_equal(b.waiter.answer.outcome, FILL_FAILED);
	assert_int_equal(b.waiter.answer.error, ERR_NO_SPACE);
	release(f, &a);
	ask_and_await(f, &b, "c/2.key");
	assert_int_equal(b.waiter.answer.outcome, FILL_GROWING);
	assert_true(grows_whole(&f->fake, b.waiter.answer.growing));
	release(f, &b);
}

static void test_serves_through_what_no_disk_takes(void **state)
{
	struct origin_fixture *f = *state;
	struct asker a;
	origin_fixture_remove(f);
	origin_fixture_make(f, MIB, 8 * MIB, 60000);
	fake_set(&f->fake, set_length, 5 * MIB);
	ask_and_await(f, &a, "c/1.m4s");
	assert_int_equal(a.waiter.answer.outcome, FILL_GROWING);
	assert_true(grows_whole(&f->fake, a.waiter.answer.growing));
	release(f, &a);
	settle(f);
	assert_int_equal(counters(f).unstored, 1);
}

static void test_a_store_that_hangs_costs_no_hit(void **state)
{
	struct origin_fixture *f = *state;
	struct asker a, b;
	f->fake.text = "#EXTM3U\n";
	ask_and_await(f, &a, "c/a.m3u8");
	release(f, &a);
	settle(f);
	set_wall_ms(2000000);
	fake_set(&f->fake, set_hold_stat, 1);
	for (int i = 0; i < 2; i++) {
		ask_and_await(f, &b, "c/a.m3u8"); /* the second joins what hangs */
		assert_int_equal(b.waiter.answer.outcome, FILL_HIT);
		assert_true(b.waiter.answer.stale);
		assert_int_equal(b.waiter.answer.collapsed, i == 1);
		assert_true(unit_is(&f->fake, b.waiter.answer.unit));
		release(f, &b);
	}
	assert_int_equal(counters(f).running, 1);
	fake_set(&f->fake, set_hold_stat, 0);
	settle(f);
	assert_int_equal(counters(f).revalidated, 1);
}

static void test_a_store_that_hangs_is_given_up(void **state)
{
	struct origin_fixture *f = *state;
	struct asker a;
	origin_fixture_remove(f);
	origin_fixture_make(f, 64 * MIB, 8 * MIB, 100);
	fake_give(&f->fake, 0);
	ask_and_await(f, &a, "c/a.m3u8");
	assert_int_equal(a.waiter.answer.outcome, FILL_FAILED);
	assert_int_equal(a.waiter.answer.error, ERR_TIMEOUT);
	fake_give(&f->fake, GIVE_ALL);
	settle(f);
	ask_and_await(f, &a, "c/a.m3u8"); /* it came in the end */
	assert_int_equal(a.waiter.answer.outcome, FILL_HIT);
	release(f, &a);
}

static void test_an_origin_that_is_not_configured(void **state)
{
	struct origin_fixture *f = *state;
	struct asker a;
	struct config_origin other = { .name = "other" };
	ask(f, &a, "c/1.m4s");
	await(f, &a);
	release(f, &a);
	a.answered = false;
	fill_want(f->fills, &other, BYTES_LIT("c"), BYTES_LIT("c/1"), &a.waiter);
	await(f, &a);
	assert_int_equal(a.waiter.answer.outcome, FILL_FAILED);
}

static void test_ends_with_fills_waiting(void **state)
{
	struct origin_fixture *f = *state;
	struct asker a[40];
	char name[32];
	fake_give(&f->fake, 0);
	for (int i = 0; i < 40; i++) {
		(void)snprintf(name, sizeof(name), "c/%d.m3u8", i);
		ask(f, &a[i], name);
	}
	set_wall_ms(1);
	fake_set(&f->fake, set_fails_at, 0);
	fills_free(f->fills);
	for (int i = 0; i < 40; i++) {
		await(f, &a[i]);
		assert_int_equal(a[i].waiter.answer.outcome, FILL_FAILED);
	}
	f->fills = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		CASE(test_fills_and_then_hits),
		CASE(test_fills_an_empty_object),
		CASE(test_lets_go_when_the_head_is_known),
		CASE(test_tells_what_came_before_a_pause),
		CASE(test_goes_on_without_waiters),
		CASE(test_revalidates_what_is_stale),
		CASE(test_serves_stale_when_the_store_fails),
		CASE(test_remembers_what_is_not_there),
		CASE(test_leaves_a_failing_store_alone),
		CASE(test_one_bad_object_harms_no_other),
		CASE(test_what_is_denied_is_not_asked_for_again_at_once),
		CASE(test_a_fill_that_fails_is_never_whole),
		CASE(test_a_broken_object_rests),
		CASE(test_keys_are_not_stored),
		CASE(test_memory_is_bounded_until_readers_are_done),
		CASE(test_serves_through_what_no_disk_takes),
		CASE(test_a_store_that_hangs_costs_no_hit),
		CASE(test_a_store_that_hangs_is_given_up),
		CASE(test_an_origin_that_is_not_configured),
		CASE(test_ends_with_fills_waiting),
	};
	return cmocka_run_group_tests_name("ev_fill", tests, NULL, NULL);
}
