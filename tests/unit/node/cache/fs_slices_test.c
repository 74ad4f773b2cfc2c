/* Large objects as slices: units of their own, under the validator of the whole. */
#include "cache_fixture.h"
#include "node/cache/slices.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TOTAL (SLICE_BYTES + 100) /* two slices, the second of 100 bytes */
#define LONGER (3 * SLICE_BYTES + 7)

static int setup(void **state)
{
	static struct fixture f;
	fixture_make(&f);
	fixture_open(&f, 64 << 20, "boot-1");
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	fixture_remove(*state);
	return 0;
}

static struct cache_key slice_of(const char *object, uint32_t slice)
{
	struct cache_key k = key_of(object);
	k.slice = slice;
	return k;
}

static enum err store_slice(
    struct cache *c, const char *object, uint32_t slice, uint64_t total, const char *etag, unsigned seed)
{
	struct cache_key k = slice_of(object, slice);
	struct cache_meta m = { .mark = cache_mark(c),
		.content = BYTES_LIT("c1"),
		.length = total != 0 ? slice_length(slice, total) : 10,
		.total = total,
		.answered_wall_ms = 1000,
		.ttl_ms = UINT64_MAX };
	struct cache_writer *w;
	(void)snprintf(m.etag, sizeof(m.etag), "%s", etag);
	enum err e = cache_write_begin(c, &k, &m, &w);
	if (e != OK)
		return e;
	uint8_t *bytes = malloc(m.length);
	assert_non_null(bytes);
	for (uint64_t i = 0; i < m.length; i++)
		bytes[i] = byte_at(seed, i);
	assert_int_equal(cache_write(w, bytes_of(bytes, m.length)), OK);
	free(bytes);
	return cache_write_commit(w);
}

/* Whether that slice is there with exactly its bytes. */
static bool has(struct cache *c, const char *object, uint32_t slice, uint64_t total, unsigned seed)
{
	struct cache_key k = slice_of(object, slice);
	struct cache_unit *u = cache_look(c, &k);
	bool same = u != NULL && u->meta->total == total && cache_object_bytes(u->meta) == total &&
	            unit_reads(u, slice_length(slice, total), seed);
	cache_release(c, u);
	return same;
}

static void test_slices_are_units(void **state)
{
	struct fixture *f = *state;
	struct cache_counters n;
	assert_int_equal(store_slice(f->cache, "c1/a.mp4", 2, TOTAL, "\"e\"", 2), OK);
	assert_false(has(f->cache, "c1/a.mp4", 1, TOTAL, 1));
	assert_int_equal(store_slice(f->cache, "c1/a.mp4", 1, TOTAL, "\"e\"", 1), OK);
	assert_true(has(f->cache, "c1/a.mp4", 1, TOTAL, 1) && has(f->cache, "c1/a.mp4", 2, TOTAL, 2));
	struct cache_key whole = key_of("c1/a.mp4");
	assert_null(cache_get(f->cache, &whole));
	cache_count(f->cache, &n);
	assert_int_equal(n.units, 2);
	assert_int_equal(n.bytes, TOTAL);
	fixture_close(f);
	fixture_open(f, 64 << 20, "boot-2"); /* read from the index, and compared with its checksums */
	assert_true(has(f->cache, "c1/a.mp4", 1, TOTAL, 1) && has(f->cache, "c1/a.mp4", 2, TOTAL, 2));
}

static void test_what_no_object_has_is_refused(void **state)
{
	struct fixture *f = *state;
	struct cache_key k = slice_of("c1/a.mp4", 2);
	struct cache_meta m = { .content = BYTES_LIT("c1"), .length = 99, .total = TOTAL, .etag = "\"e\"" };
	struct cache_writer *w;
	assert_int_equal(cache_write_begin(f->cache, &k, &m, &w), ERR_INVALID);
	m.total = 0;
	assert_int_equal(cache_write_begin(f->cache, &k, &m, &w), ERR_INVALID);
	k.slice = 0;
	m.total = 99;
	assert_int_equal(cache_write_begin(f->cache, &k, &m, &w), ERR_INVALID);
}

static void test_one_that_is_whole_is_found_for_its_slices(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(store_slice(f->cache, "c1/a.mp4", 2, TOTAL, "\"old\"", 2), OK);
	assert_int_equal(store(f->cache, "c1/a.mp4", "\"new\"", 1000, 7), OK);
	struct cache_key k = slice_of("c1/a.mp4", 2);
	struct cache_unit *u = cache_get(f->cache, &k);
	assert_non_null(u);
	assert_true(u->meta->total == 0 && cache_object_bytes(u->meta) == 1000 && unit_reads(u, 1000, 7));
	cache_release(f->cache, u);
	k.slice = 0;
	cache_remove(f->cache, &k);
	k.slice = 2;
	u = cache_get(f->cache, &k);
	assert_non_null(u);
	assert_int_equal(u->meta->total, TOTAL);
	cache_release(f->cache, u);
	struct cache_counters n;
	cache_count(f->cache, &n);
	assert_int_equal(n.hits, 2);
	assert_int_equal(n.misses, 0);
}

static void test_others_go(void **state)
{
	struct fixture *f = *state;
	struct cache_key k = key_of("c1/a.mp4");
	assert_int_equal(store(f->cache, "c1/a.mp4", "\"old\"", 10, 1), OK);
	assert_int_equal(store_slice(f->cache, "c1/a.mp4", 1, LONGER, "\"old\"", 1), OK);
	assert_int_equal(store_slice(f->cache, "c1/a.mp4", 4, LONGER, "\"old\"", 4), OK);
	assert_int_equal(store_slice(f->cache, "c1/a.mp4", 2, LONGER, "\"new\"", 2), OK);
	assert_int_equal(store_slice(f->cache, "c1/b.mp4", 1, LONGER, "\"old\"", 1), OK);
	cache_remove_others(f->cache, &k, LONGER, "\"new\"");
	assert_null(cache_look(f->cache, &k));
	assert_false(has(f->cache, "c1/a.mp4", 1, LONGER, 1) || has(f->cache, "c1/a.mp4", 4, LONGER, 4));
	assert_true(has(f->cache, "c1/a.mp4", 2, LONGER, 2) && has(f->cache, "c1/b.mp4", 1, LONGER, 1));
}

static void test_all_of_them_are_the_object(void **state)
{
	struct fixture *f = *state;
	struct cache_key k = key_of("c1/a.mp4");
	uint64_t length = 0;
	assert_int_equal(store_slice(f->cache, "c1/a.mp4", 2, TOTAL, "\"e\"", 2), OK);
	assert_false(cache_holds(f->cache, &k, &length));
	assert_int_equal(store_slice(f->cache, "c1/a.mp4", 1, TOTAL, "\"e\"", 1), OK);
	assert_true(cache_holds(f->cache, &k, &length) && length == TOTAL);
	assert_int_equal(store_slice(f->cache, "c1/b.mp4", 1, TOTAL, "\"e\"", 1), OK);
	k = key_of("c1/b.mp4");
	assert_false(cache_holds(f->cache, &k, &length));
}

static void test_a_purge_takes_all_of_them(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(store_slice(f->cache, "c1/a.mp4", 1, LONGER, "\"e\"", 1), OK);
	assert_int_equal(store_slice(f->cache, "c1/a.mp4", 4, LONGER, "\"e\"", 4), OK);
	assert_int_equal(cache_purge(f->cache, BYTES_LIT("c1")), 2);
	assert_false(has(f->cache, "c1/a.mp4", 1, LONGER, 1) || has(f->cache, "c1/a.mp4", 4, LONGER, 4));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		CASE(test_slices_are_units),
		CASE(test_what_no_object_has_is_refused),
		CASE(test_one_that_is_whole_is_found_for_its_slices),
		CASE(test_others_go),
		CASE(test_all_of_them_are_the_object),
		CASE(test_a_purge_takes_all_of_them),
	};
	return cmocka_run_group_tests_name("fs_slices", tests, NULL, NULL);
}
