#include "cache_fixture.h"

#include "node/cache/fs_cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

enum { MIB = 1 << 20, SIZE = 64 * MIB };

static int make(void **state)
{
	static struct fixture f;
	fixture_make(&f);
	*state = &f;
	fixture_open(&f, SIZE, "boot");
	assert_int_equal(store(f.cache, "a/1.m4s", "\"e\"", 5000, 1), OK);
	assert_int_equal(store(f.cache, "a/2.m4s", "\"e\"", 7000, 2), OK);
	assert_int_equal(store(f.cache, "b/3.m4s", "\"e\"", 0, 3), OK);
	return 0;
}

static int end(void **state)
{
	fixture_remove(*state);
	return 0;
}

static void reopen(struct fixture *f)
{
	fixture_open(f, SIZE, "boot");
	assert_int_equal(f->report.units, 3);
}

static void sweep(struct fixture *f)
{
	struct cache_disk *d = &f->cache->disks[0];
	unsigned turns = 1;
	while (cache_sweep_turn(d))
		turns++;
	assert_int_equal(turns, FS_DISK_FOLDERS);
	assert_false(cache_sweep_turn(d)); /* once a start */
}

static unsigned units(const struct fixture *f)
{
	struct cache_counters n;
	cache_count(f->cache, &n);
	return (unsigned)n.units;
}

static void what_fits_stays(void **state)
{
	struct fixture *f = *state;
	fixture_close(f);
	reopen(f);
	assert_int_equal(store(f->cache, "a/4.m4s", "\"e\"", 100, 4), OK); /* of this run */
	sweep(f);
	assert_int_equal(units(f), 4);
	assert_true(holds(f->cache, "a/1.m4s", 5000, 1));
	assert_true(holds(f->cache, "b/3.m4s", 0, 3));
	assert_true(holds(f->cache, "a/4.m4s", 100, 4));
	assert_int_equal(count_files(f->disk_path), 4 + 3); /* lock, data.mdb, lock.mdb */
}

static void files_without_an_entry_go(void **state)
{
	struct fixture *f = *state;
	fixture_close(f);
	run("touch %s/objects/07/%030d07 %s/objects/ff/stranger", f->disk_path, 0, f->disk_path);
	reopen(f);
	sweep(f);
	assert_int_equal(count_files(f->disk_path), 3 + 3);
	assert_int_equal(units(f), 3);
}

/* An eviction unlinks at once, and the index hears of it later: a crash in between leaves an entry that takes
 * space for nothing. */
static void units_without_their_file_give_their_space_back(void **state)
{
	struct fixture *f = *state;
	fixture_close(f);
	run("find %s/objects -size 5000c -delete", f->disk_path);
	reopen(f);
	struct cache_disk *d = &f->cache->disks[0];
	assert_int_equal(d->charged_bytes, 8192 + 8192);
	sweep(f);
	assert_int_equal(d->charged_bytes, 8192);
	assert_int_equal(units(f), 2);
	assert_true(holds(f->cache, "a/2.m4s", 7000, 2));
	/* The index hears of it. */
	fixture_close(f);
	fixture_open(f, SIZE, "boot");
	assert_int_equal(f->report.units, 2);
}

static void what_left_before_its_folder_was_swept_is_nothing_to_it(void **state)
{
	struct fixture *f = *state;
	fixture_close(f);
	reopen(f);
	struct cache_key k = key_of("a/1.m4s");
	cache_remove(f->cache, &k);
	assert_int_equal(store(f->cache, "a/2.m4s", "\"f\"", 300, 5), OK);
	sweep(f);
	assert_int_equal(units(f), 2);
	assert_int_equal(f->cache->disks[0].charged_bytes, 4096);
	assert_true(holds(f->cache, "a/2.m4s", 300, 5));
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, make, end)
	const struct CMUnitTest tests[] = {
		CASE(what_fits_stays),
		CASE(files_without_an_entry_go),
		CASE(units_without_their_file_give_their_space_back),
		CASE(what_left_before_its_folder_was_swept_is_nothing_to_it),
	};
	return cmocka_run_group_tests_name("fs_sweep", tests, NULL, NULL);
}
