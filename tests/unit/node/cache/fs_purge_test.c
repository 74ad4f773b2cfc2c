/* I9: what was purged is not served, however a fill, a restart or a lost history comes between. */
#include "cache_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

enum { MIB = 1 << 20 };

static const struct node_id owner = { { 5 } };

static int setup(void **state)
{
	static struct fixture f;
	fixture_make(&f);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	fixture_remove(*state);
	return 0;
}

/* As after a start of a node: what is held is unproven. */
static void open_unproven(struct fixture *f)
{
	struct cache_disk_config disk = { f->disk_path, 64 * MIB };
	struct cache_config c = { .disks = &disk, .disks_n = 1, .boot_id = "boot-1", .unproven = true };
	assert_int_equal(cache_open(&c, &f->cache, &f->report), OK);
}

static bool held(struct cache *c, const char *object, bool *unproven)
{
	struct cache_key k = key_of(object);
	struct cache_unit *u = cache_look(c, &k);
	if (u == NULL)
		return false;
	*unproven = u->meta->unproven;
	cache_release(c, u);
	return true;
}

static bool proven(struct cache *c, const char *object)
{
	bool unproven = true;
	return held(c, object, &unproven) && !unproven;
}

static struct cache_writer *begin(struct cache *c, const char *object, struct cache_mark mark)
{
	struct cache_key k = key_of(object);
	struct cache_meta m = { .content = BYTES_LIT("c1"), .length = 2, .etag = "\"e\"", .mark = mark };
	struct cache_writer *w;
	assert_int_equal(cache_write_begin(c, &k, &m, &w), OK);
	assert_int_equal(cache_write(w, BYTES_LIT("hi")), OK);
	return w;
}

static void what_was_asked_for_before_a_purge_stays_out(void **state)
{
	struct fixture *f = *state;
	bool unproven;
	fixture_open(f, 64 * MIB, "boot-1");
	struct cache_mark before = cache_mark(f->cache);
	struct cache_writer *w = begin(f->cache, "c1/a.m4s", before);
	struct cache_writer *other = begin(f->cache, "c1x/a.m4s", before);
	assert_int_equal(cache_purge(f->cache, BYTES_LIT("c1/a.m4s")), 0);
	assert_int_equal(cache_write_commit(w), ERR_EXPIRED);
	assert_false(held(f->cache, "c1/a.m4s", &unproven));
	assert_int_equal(cache_write_commit(other), OK);
	/* Neither does what only begins to be written now, having been asked for then. */
	assert_int_equal(cache_write_commit(begin(f->cache, "c1/a.m4s", before)), ERR_EXPIRED);
	assert_int_equal(cache_write_commit(begin(f->cache, "c1/a.m4s", cache_mark(f->cache))), OK);
	assert_true(proven(f->cache, "c1/a.m4s"));
	struct cache_counters n;
	cache_count(f->cache, &n);
	assert_int_equal(n.units, 2);
}

static void more_purges_than_are_remembered_keep_all_out(void **state)
{
	struct fixture *f = *state;
	fixture_open(f, 64 * MIB, "boot-1");
	struct cache_mark before = cache_mark(f->cache);
	for (int i = 0; i < 1024; i++)
		(void)cache_purge(f->cache, BYTES_LIT("zzz"));
	assert_int_equal(cache_write_commit(begin(f->cache, "c1/a.m4s", before)), OK);
	(void)cache_purge(f->cache, BYTES_LIT("zzz"));
	assert_int_equal(cache_write_commit(begin(f->cache, "c1/b.m4s", before)), ERR_EXPIRED);
}

static void what_is_held_at_a_start_is_unproven_until_it_is_said(void **state)
{
	struct fixture *f = *state;
	fixture_open(f, 64 * MIB, "boot-1");
	assert_int_equal(store(f->cache, "c1/a.m4s", "\"e\"", 100, 1), OK);
	assert_int_equal(store(f->cache, "c1/b.m4s", "\"e\"", 100, 1), OK);
	fixture_close(f);
	open_unproven(f);
	assert_false(proven(f->cache, "c1/a.m4s"));
	/* What the origin store confirmed is not, nor what came since. */
	struct cache_key k = key_of("c1/a.m4s");
	cache_refresh(f->cache, &k, "\"e\"", 1, cache_mark(f->cache));
	assert_true(proven(f->cache, "c1/a.m4s"));
	assert_int_equal(cache_write_commit(begin(f->cache, "c1/new.m4s", cache_mark(f->cache))), OK);
	assert_true(proven(f->cache, "c1/new.m4s"));
	assert_false(proven(f->cache, "c1/b.m4s"));
	cache_prove(f->cache);
	assert_true(proven(f->cache, "c1/b.m4s"));
}

static void a_doubt_lasts_over_restarts(void **state)
{
	struct fixture *f = *state;
	struct cache_purge_ids ids = { .n = 0 };
	open_unproven(f);
	assert_int_equal(cache_write_commit(begin(f->cache, "c1/a.m4s", cache_mark(f->cache))), OK);
	struct cache_mark before = cache_mark(f->cache);
	cache_doubt(f->cache);
	assert_false(proven(f->cache, "c1/a.m4s"));
	cache_prove(f->cache); /* catching up proves nothing of what is gone */
	assert_false(proven(f->cache, "c1/a.m4s"));
	struct cache_key k = key_of("c1/a.m4s");
	cache_refresh(f->cache, &k, "\"e\"", 1, before); /* asked before the doubt */
	assert_false(proven(f->cache, "c1/a.m4s"));
	cache_refresh(f->cache, &k, "\"e\"", 1, cache_mark(f->cache));
	assert_true(proven(f->cache, "c1/a.m4s"));
	assert_int_equal(cache_write_commit(begin(f->cache, "c1/b.m4s", cache_mark(f->cache))), OK);
	assert_int_equal(cache_purges_store(f->cache, NULL, 0, &ids), OK);
	fixture_close(f);
	open_unproven(f);
	cache_prove(f->cache);
	assert_false(proven(f->cache, "c1/a.m4s"));
	assert_true(proven(f->cache, "c1/b.m4s"));
}

static void what_was_applied_comes_back(void **state)
{
	struct fixture *f = *state;
	struct purges_row rows[2] = { { .owner = owner, .incarnation = { 3, 4 }, .version = 5, .dirty = true },
		{ .owner = { { 6 } }, .incarnation = { 1, 1 }, .version = 1 } };
	struct cache_purge_ids ids = { .n = 2, .ids = { { { 1 } }, { { 2 } } } }, got;
	struct purges p;
	open_unproven(f);
	assert_int_equal(store(f->cache, "c1/a.m4s", "\"e\"", 100, 1), OK);
	assert_int_equal(cache_purges_store(f->cache, rows, 2, &ids), OK);
	fixture_close(f);
	open_unproven(f);
	purges_init(&p);
	cache_purges_load(f->cache, &p, &got);
	assert_int_equal(p.n, 1); /* the other one was not dirty */
	assert_int_equal(purges_find(&p, &owner)->version, 5);
	assert_int_equal(purges_find(&p, &owner)->incarnation.count, 3);
	assert_int_equal(got.n, 2);
	assert_int_equal(got.ids[1].b[0], 2);
	purges_fini(&p);
}

static bool purge_and_store(struct cache *c)
{
	struct purges_row row = { .owner = owner, .incarnation = { 3, 4 }, .version = 5, .dirty = true };
	struct cache_purge_ids ids = { .n = 0 };
	if (store(c, "c1/a.m4s", "\"e\"", 100, 1) != OK || store(c, "c2/a.m4s", "\"e\"", 100, 1) != OK)
		return false;
	return cache_purge(c, BYTES_LIT("c1")) == 1 && cache_purges_store(c, &row, 1, &ids) == OK;
}

/* Killed right after it was said to be applied: it is. */
static void a_purge_that_was_said_to_be_applied_outlives_the_process(void **state)
{
	struct fixture *f = *state;
	struct cache_purge_ids ids;
	struct purges p;
	kill_after(f, "boot-1", purge_and_store, 1);
	open_unproven(f);
	purges_init(&p);
	cache_purges_load(f->cache, &p, &ids);
	if (purges_find(&p, &owner) != NULL) {
		bool unproven;
		assert_false(held(f->cache, "c1/a.m4s", &unproven));
	}
	assert_true(holds(f->cache, "c2/a.m4s", 100, 1));
	purges_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		CASE(what_was_asked_for_before_a_purge_stays_out),
		CASE(more_purges_than_are_remembered_keep_all_out),
		CASE(what_is_held_at_a_start_is_unproven_until_it_is_said),
		CASE(a_doubt_lasts_over_restarts),
		CASE(what_was_applied_comes_back),
		CASE(a_purge_that_was_said_to_be_applied_outlives_the_process),
	};
	return cmocka_run_group_tests_name("fs_purge", tests, NULL, NULL);
}
