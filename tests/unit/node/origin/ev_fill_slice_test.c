/* Fills of large objects, a slice at a time. */
#include "base/obj.h"
#include "node/cache/slices.h"
#include "origin_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { MIB = 1 << 20 };

#define LENGTH (2 * SLICE_BYTES + 1000) /* of the object: three slices */

static void set_length(struct fake *f, uint64_t v)
{
	f->length = v;
}

static void set_etag(struct fake *f, uint64_t v)
{
	(void)snprintf(f->etag, sizeof(f->etag), "\"e%u\"", (unsigned)v);
	f->seed = (unsigned)v;
}

static int setup(void **state)
{
	static struct origin_fixture f;
	origin_fixture_make(&f, 64 * MIB, 8 * MIB, 60000);
	fake_cut(&f.fake, false);
	fake_set(&f.fake, set_length, LENGTH);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	origin_fixture_remove(*state);
	return 0;
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

static struct cache_unit *held(struct origin_fixture *f, const char *object, uint32_t slice)
{
	struct cache_key k = { BYTES_LIT("main"), bytes_str(object), slice };
	return cache_look(f->cache, &k);
}

/* The unit has the bytes of the slice as the store has them now. */
static bool is_slice(struct origin_fixture *f, const struct cache_unit *u, uint32_t slice)
{
	uint8_t head[100];
	return u->meta->total == LENGTH && u->meta->length == slice_length(slice, LENGTH) &&
	       pread(u->fd, head, sizeof(head), 0) == sizeof(head) &&
	       fake_wrote(&f->fake, slice_start(slice), head, sizeof(head));
}

static bool holds(struct origin_fixture *f, const char *object, uint32_t slice)
{
	struct cache_unit *u = held(f, object, slice);
	bool is = u != NULL && is_slice(f, u, slice);
	cache_release(f->cache, u);
	return is;
}

/* Asks, and waits until it is stored; the answer is in `a`. */
static enum fill_outcome get(
    struct origin_fixture *f, struct asker *a, const char *object, uint32_t slice, const char *etag)
{
	ask_slice(f, a, object, slice, etag);
	await(f, a);
	settle(f);
	return a->waiter.answer.outcome;
}

static enum fill_outcome get_only(
    struct origin_fixture *f, const char *object, uint32_t slice, const char *etag)
{
	struct asker a;
	enum fill_outcome outcome = get(f, &a, object, slice, etag);
	release(f, &a);
	return outcome;
}

static void test_a_slice_is_all_that_is_fetched(void **state)
{
	struct origin_fixture *f = *state;
	struct asker a;
	assert_int_equal(get(f, &a, "c/film.mp4", 3, NULL), FILL_GROWING);
	assert_true(a.waiter.answer.meta.total == LENGTH && a.waiter.answer.meta.length == 1000);
	struct growing_view v = growing_look(a.waiter.answer.growing);
	assert_true(v.total == 1000 && v.published == 1000 && v.state == GROWING_WHOLE);
	release(f, &a);
	assert_true(holds(f, "c/film.mp4", 3) && !holds(f, "c/film.mp4", 1) && !holds(f, "c/film.mp4", 2));
	assert_int_equal(counters(f).bytes_from_origin, 1000);
	assert_int_equal(get(f, &a, "c/film.mp4", 1, NULL), FILL_GROWING);
	release(f, &a);
	assert_true(holds(f, "c/film.mp4", 1));
	assert_int_equal(counters(f).bytes_from_origin, SLICE_BYTES + 1000);
	assert_int_equal(get(f, &a, "c/film.mp4", 1, NULL), FILL_HIT);
	assert_true(is_slice(f, a.waiter.answer.unit, 1));
	release(f, &a);
	assert_int_equal(f->fake.parts, 2);
	assert_true(f->fake.starts[0] == 2 * SLICE_BYTES && f->fake.starts[1] == 0);
}

static void test_a_small_one_is_one_unit_for_one_request(void **state)
{
	struct origin_fixture *f = *state;
	struct asker a;
	fake_set(&f->fake, set_length, SLICE_BYTES);
	assert_int_equal(get(f, &a, "c/1.m4s", 1, NULL), FILL_GROWING);
	assert_true(a.waiter.answer.meta.total == 0 && a.waiter.answer.meta.length == SLICE_BYTES);
	release(f, &a);
	struct cache_unit *u = held(f, "c/1.m4s", 0);
	assert_non_null(u);
	assert_true(unit_is(&f->fake, u));
	cache_release(f->cache, u);
	assert_int_equal(fake_opens(&f->fake), 1);
	assert_int_equal(get_only(f, "c/2.m4s", 2, NULL), FILL_NO_SLICE);
	assert_null(held(f, "c/2.m4s", 2));
	assert_int_equal(f->fake.closes, fake_opens(&f->fake));
	/* Of one that is held whole every slice is a hit. */
	assert_int_equal(get_only(f, "c/1.m4s", 2, NULL), FILL_HIT);
}

static void test_a_store_without_ranges_gives_all_of_it_once(void **state)
{
	struct origin_fixture *f = *state;
	struct asker a, b, late;
	fake_cut(&f->fake, true);
	fake_give(&f->fake, 1000);
	assert_int_equal(get_only(f, "c/film.mp4", 2, NULL), FILL_NO_SLICE);
	ask_slice(f, &a, "c/film.mp4", 1, NULL);
	await(f, &a);
	assert_int_equal(a.waiter.answer.outcome, FILL_GROWING);
	assert_true(a.waiter.answer.meta.total == 0 && a.waiter.answer.meta.length == LENGTH);
	unsigned opens = fake_opens(&f->fake);
	ask_slice(f, &late, "c/film.mp4", 3, NULL);
	await(f, &late);
	assert_true(late.waiter.answer.growing == a.waiter.answer.growing && late.waiter.answer.collapsed);
	fake_give(&f->fake, GIVE_ALL);
	settle(f);
	assert_int_equal(fake_opens(&f->fake), opens);
	assert_int_equal(get(f, &b, "c/film.mp4", 3, NULL), FILL_HIT);
	assert_true(b.waiter.answer.unit->meta->total == 0);
	release(f, &a);
	release(f, &b);
	release(f, &late);
}

static void test_playlists_and_keys_are_not_cut(void **state)
{
	struct origin_fixture *f = *state;
	fake_set(&f->fake, set_length, 100);
	assert_int_equal(get_only(f, "c/v.m3u8", 7, NULL), FILL_GROWING);
	assert_int_equal(get_only(f, "c/v.key", 7, NULL), FILL_GROWING);
	assert_true(f->fake.parts == 0 && fake_opens(&f->fake) == 2);
}

static void test_askers_of_one_slice_share_it(void **state)
{
	struct origin_fixture *f = *state;
	struct asker a, b, other;
	fake_give(&f->fake, 0);
	ask_slice(f, &a, "c/film.mp4", 2, NULL);
	ask_slice(f, &b, "c/film.mp4", 2, NULL);
	ask_slice(f, &other, "c/film.mp4", 3, NULL);
	await(f, &a);
	await(f, &b);
	await(f, &other);
	assert_true(a.waiter.answer.growing == b.waiter.answer.growing);
	assert_true(other.waiter.answer.growing != a.waiter.answer.growing);
	fake_give(&f->fake, GIVE_ALL);
	settle(f);
	release(f, &a);
	release(f, &b);
	release(f, &other);
	assert_int_equal(fake_opens(&f->fake), 2);
	assert_true(holds(f, "c/film.mp4", 2) && holds(f, "c/film.mp4", 3));
}

static void test_what_changed_takes_the_former_slices_along(void **state)
{
	struct origin_fixture *f = *state;
	struct asker a;
	assert_int_equal(get_only(f, "c/film.mp4", 1, NULL), FILL_GROWING);
	assert_int_equal(get_only(f, "c/film.mp4", 2, "\"e1\""), FILL_GROWING);
	fake_set(&f->fake, set_etag, 2);
	assert_int_equal(get(f, &a, "c/film.mp4", 3, "\"e1\""), FILL_GROWING);
	assert_string_equal(a.waiter.answer.meta.etag, "\"e2\""); /* the asker compares */
	release(f, &a);
	assert_null(held(f, "c/film.mp4", 1));
	assert_null(held(f, "c/film.mp4", 2));
	assert_true(holds(f, "c/film.mp4", 3));
}

static void test_what_is_held_under_another_validator_is_no_hit(void **state)
{
	struct origin_fixture *f = *state;
	struct asker a;
	assert_int_equal(get_only(f, "c/film.mp4", 2, NULL), FILL_GROWING);
	fake_set(&f->fake, set_etag, 2);
	assert_int_equal(get_only(f, "c/film.mp4", 1, NULL), FILL_GROWING);
	assert_int_equal(get(f, &a, "c/film.mp4", 2, "\"e1\""), FILL_HIT);
	release(f, &a);
	assert_int_equal(get(f, &a, "c/film.mp4", 2, "\"e2\""), FILL_GROWING);
	assert_string_equal(a.waiter.answer.meta.etag, "\"e2\"");
	release(f, &a);
	assert_true(holds(f, "c/film.mp4", 1) && holds(f, "c/film.mp4", 2));
}

static void test_a_slice_is_confirmed_by_itself(void **state)
{
	struct origin_fixture *f = *state;
	assert_int_equal(get_only(f, "c/film.bin", 2, NULL), FILL_GROWING);
	set_wall_ms(wall_ms() + 61000);
	assert_int_equal(get_only(f, "c/film.bin", 2, NULL), FILL_HIT);
	assert_true(f->fake.stats == 1 && fake_opens(&f->fake) == 1);
	assert_int_equal(get_only(f, "c/film.bin", 2, NULL), FILL_HIT);
	assert_int_equal(f->fake.stats, 1);
	/* Another one: the neighbours go with it. */
	assert_int_equal(get_only(f, "c/film.bin", 1, NULL), FILL_GROWING);
	set_wall_ms(wall_ms() + 61000);
	fake_set(&f->fake, set_etag, 2);
	assert_int_equal(get_only(f, "c/film.bin", 2, NULL), FILL_GROWING);
	assert_true(holds(f, "c/film.bin", 2));
	assert_null(held(f, "c/film.bin", 1));
}

static void test_one_that_grew_is_no_longer_one_unit(void **state)
{
	struct origin_fixture *f = *state;
	fake_set(&f->fake, set_length, 5000);
	assert_int_equal(get_only(f, "c/film.bin", 1, NULL), FILL_GROWING);
	set_wall_ms(wall_ms() + 61000);
	fake_set(&f->fake, set_length, LENGTH);
	fake_set(&f->fake, set_etag, 2);
	assert_int_equal(get_only(f, "c/film.bin", 1, NULL), FILL_GROWING);
	assert_null(held(f, "c/film.bin", 0));
	assert_true(holds(f, "c/film.bin", 1));
}

static void test_one_that_is_too_large_is_refused(void **state)
{
	struct origin_fixture *f = *state;
	struct asker a;
	fake_set(&f->fake, set_length, SLICED_BYTES_MAX + 1);
	assert_int_equal(get(f, &a, "c/film.mp4", 1, NULL), FILL_FAILED);
	assert_int_equal(a.waiter.answer.error, ERR_TOO_BIG);
	assert_null(held(f, "c/film.mp4", 1));
	assert_int_equal(f->fake.closes, fake_opens(&f->fake));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		CASE(test_a_slice_is_all_that_is_fetched),
		CASE(test_a_small_one_is_one_unit_for_one_request),
		CASE(test_a_store_without_ranges_gives_all_of_it_once),
		CASE(test_playlists_and_keys_are_not_cut),
		CASE(test_askers_of_one_slice_share_it),
		CASE(test_what_changed_takes_the_former_slices_along),
		CASE(test_what_is_held_under_another_validator_is_no_hit),
		CASE(test_a_slice_is_confirmed_by_itself),
		CASE(test_one_that_grew_is_no_longer_one_unit),
		CASE(test_one_that_is_too_large_is_refused),
	};
	return cmocka_run_group_tests_name("ev_fill_slice", tests, NULL, NULL);
}
