/* What goes wrong with disks: a crash of the host, a damaged index, files without an entry, a disk that fills
 * up, many threads at once. */
#include "cache_fixture.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

enum { MIB = 1 << 20 };

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

static struct cache_counters count(struct fixture *f)
{
	struct cache_counters n;
	cache_count(f->cache, &n);
	return n;
}

static bool store_four(struct cache *c)
{
	return store(c, "c1/good.m4s", "\"e\"", 11000, 1) == OK &&
	       store(c, "c1/bad.m4s", "\"e\"", 12000, 2) == OK &&
	       store(c, "c1/lost.m4s", "\"e\"", 13000, 3) == OK &&
	       store(c, "c1/last.m4s", "\"e\"", 14000, 4) == OK;
}

static void damage_one_and_lose_one(struct fixture *f)
{
	run("find %s/objects -type f -size 12000c "
	    "-exec dd if=/dev/zero of={} bs=1000 seek=5 count=1 conv=notrunc status=none \\;",
	    f->disk_path);
	run("find %s/objects -type f -size 13000c -delete", f->disk_path);
}

static void test_checks_what_a_dead_host_had_not_synced(void **state)
{
	struct fixture *f = *state;
	fixture_open(f, 64 * MIB, "boot-1"); /* so that the disk knows a boot */
	assert_int_equal(store(f->cache, "c1/synced.m4s", "\"e\"", 15000, 5), OK);
	fixture_close(f);
	kill_after(f, "boot-1", store_four, 5); /* before the next sync */
	damage_one_and_lose_one(f);
	run("find %s/objects -type f -size 15000c "
	    "-exec dd if=/dev/zero of={} bs=1000 seek=5 count=1 conv=notrunc status=none \\;",
	    f->disk_path);
	fixture_open(f, 64 * MIB, "boot-2");
	assert_int_equal(f->report.units, 3);
	assert_int_equal(f->report.dropped, 2);
	assert_true(holds(f->cache, "c1/good.m4s", 11000, 1));
	assert_true(holds(f->cache, "c1/last.m4s", 14000, 4));
	assert_false(holds(f->cache, "c1/bad.m4s", 12000, 2));
	assert_false(holds(f->cache, "c1/lost.m4s", 13000, 3));
	/* Nobody looks into what was synced: only its length is checked. */
	struct cache_key k = key_of("c1/synced.m4s");
	struct cache_unit *u = cache_get(f->cache, &k);
	assert_non_null(u);
	cache_release(f->cache, u);
	fixture_close(f);
	fixture_open(f, 64 * MIB, "boot-2");
	assert_int_equal(f->report.units, 3);
	assert_int_equal(f->report.dropped, 0);
}

static void test_the_same_boot_checks_nothing(void **state)
{
	struct fixture *f = *state;
	kill_after(f, "boot-1", store_four, 4);
	damage_one_and_lose_one(f);
	fixture_open(f, 64 * MIB, "boot-1");
	assert_int_equal(f->report.units, 4);
	assert_int_equal(f->report.dropped, 0);
}

static void test_sets_a_damaged_index_aside(void **state)
{
	struct fixture *f = *state;
	for (unsigned n = 1; n <= 2; n++) {
		char path[160];
		fixture_open(f, 64 * MIB, "boot-1");
		assert_int_equal(store(f->cache, "c1/a.m4s", "\"e\"", 5000, 1), OK);
		fixture_close(f);
		run("dd if=/dev/urandom of=%s/index/data.mdb bs=4096 count=2 conv=notrunc status=none", f->disk_path);
		fixture_open(f, 64 * MIB, "boot-1");
		assert_true(f->report.rebuilt);
		assert_int_equal(f->report.units, 0);
		assert_true(f->report.dropped >= 1);
		assert_non_null(strstr(f->report.detail, "index.corrupt-"));
		(void)snprintf(path, sizeof(path), "%s/index.corrupt-%u/data.mdb", f->disk_path, n);
		assert_int_equal(access(path, F_OK), 0);
		assert_int_equal(store(f->cache, "c1/a.m4s", "\"e\"", 5000, 1), OK);
		assert_true(holds(f->cache, "c1/a.m4s", 5000, 1));
		fixture_close(f);
	}
}

static void test_drops_entries_it_cannot_read(void **state)
{
	struct fixture *f = *state;
	fixture_open(f, 64 * MIB, "boot-1");
	assert_int_equal(store(f->cache, "c1/spoil.m4s", "\"e\"", 5000, 1), OK);
	assert_int_equal(store(f->cache, "c1/fine.m4s", "\"e\"", 6000, 2), OK);
	fixture_close(f);
	/* Another name under the same id. */
	run("sed -i s,c1/spoil.m4s,c1/SPOIL.m4s,g %s/index/data.mdb", f->disk_path);
	fixture_open(f, 64 * MIB, "boot-1");
	assert_int_equal(f->report.units, 1);
	assert_int_equal(f->report.dropped, 1);
	assert_true(holds(f->cache, "c1/fine.m4s", 6000, 2));
}

static bool one_file_left(void *arg)
{
	char path[160];
	(void)snprintf(path, sizeof(path), "%s/objects", (const char *)arg);
	return count_files(path) == 2;
}

static void test_sweeps_files_without_an_entry(void **state)
{
	struct fixture *f = *state;
	fixture_open(f, 64 * MIB, "boot-1");
	assert_int_equal(store(f->cache, "c1/a.m4s", "\"e\"", 5000, 1), OK);
	fixture_close(f);
	run("touch %s/objects/00/000102030405060708090a0b0c0d0e00", f->disk_path);
	run("touch %s/objects/01/stranger", f->disk_path);
	fixture_open(f, 64 * MIB, "boot-1");
	assert_int_equal(store(f->cache, "c1/b.m4s", "\"e\"", 5000, 2), OK);
	assert_true(eventually(one_file_left, f->disk_path));
	assert_true(holds(f->cache, "c1/a.m4s", 5000, 1));
	assert_true(holds(f->cache, "c1/b.m4s", 5000, 2));
}

static void write_until_full(struct fixture *f)
{
	char name[32];
	enum err e = OK;
	unsigned i = 0;
	for (; e == OK && i < 1000; i++) {
		(void)snprintf(name, sizeof(name), "c1/%u.m4s", i);
		e = store(f->cache, name, "\"e\"", 64 * 1024, i);
	}
	assert_int_equal(e, ERR_NO_SPACE);
	assert_true(count(f).write_failures > 0);
	assert_int_equal(count(f).disks_down, 1);
	/* It rests; what it holds is served. */
	assert_int_equal(store(f->cache, "c1/more.m4s", "\"e\"", 10, 1), ERR_NO_SPACE);
	struct cache_key k = key_of(name);
	assert_null(cache_get(f->cache, &k));
	char path[160];
	(void)snprintf(path, sizeof(path), "%s/tmp", f->disk_path);
	assert_int_equal(count_files(path), 0);
}

/* A file system of 4 MiB for a cache of 64, at the fixture's disk path. */
static bool mount_small(struct fixture *f)
{
	run("mkdir -p %s", f->disk_path);
	return mount("tmpfs", f->disk_path, "tmpfs", 0, "size=4m") == 0;
}

static void full_disk_of_a_mount(struct fixture *f)
{
	fixture_open(f, 64 * MIB, "boot-1");
	/* What the start measured is what limits; take it away behind its back. */
	run("dd if=/dev/zero of=%s/other bs=1M count=2 status=none", f->disk_path);
	assert_int_equal(store(f->cache, "c1/first.m4s", "\"e\"", 64 * 1024, 77), OK);
	write_until_full(f);
	assert_true(holds(f->cache, "c1/first.m4s", 64 * 1024, 77));
	run("rm %s/other", f->disk_path);
	fixture_close(f);
	fixture_open(
	    f, 64 * MIB, "boot-1"); /* its limit is now what is there: it evicts, and never fails again */
	char name[32];
	for (unsigned i = 0; i < 200; i++) {
		(void)snprintf(name, sizeof(name), "c2/%u.m4s", i);
		assert_int_equal(store(f->cache, name, "\"e\"", 64 * 1024, i), OK);
	}
	assert_true(count(f).evicted > 100);
	assert_int_equal(count(f).write_failures, 0);
	fixture_close(f);
}

static void test_a_full_disk(void **state)
{
	struct fixture *f = *state;
	if (mount_small(f)) {
		full_disk_of_a_mount(f);
		assert_int_equal(umount(f->disk_path), 0);
		return;
	}
	print_message(
	    "no mount here (%s): a limit on the size of files stands in for a full disk\n", strerror(errno));
	struct rlimit was, small;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	(void)signal(SIGXFSZ, SIG_IGN);
	fixture_open(f, 64 * MIB, "boot-1");
	small = was;
	small.rlim_cur = 32 * 1024;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	write_until_full(f);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
}

/* Wherever space ends while the index is made: the disk is out, and nothing worse. */
static void test_a_start_on_a_full_disk(void **state)
{
	struct fixture *f = *state;
	struct cache_disk_config disk = { .path = f->disk_path, .size_bytes = 64 * MIB };
	struct cache_config config = { .disks = &disk, .disks_n = 1, .boot_id = "boot-1" };
	for (unsigned left_kib = 0; left_kib <= 24; left_kib += 4) {
		if (!mount_small(f)) {
			print_message("no mount here (%s)\n", strerror(errno));
			skip();
		}
		run("dd if=/dev/zero of=%s/other bs=4k status=none 2>&1 | cat >/dev/null", f->disk_path);
		run("truncate -s -%uK %s/other", left_kib, f->disk_path);
		assert_int_equal(cache_open(&config, &f->cache, &f->report), ERR_NO_SPACE);
		assert_int_equal(f->report.state, ERR_NO_SPACE);
		assert_int_equal(umount(f->disk_path), 0);
	}
}

/* -- threads -- */

enum { THREADS = 8, ROUNDS = 400, NAMES = 60 };

struct worker {
	pthread_t thread;
	struct cache *cache;
	unsigned number;
	unsigned wrong, got, stored;
};

/* Which bytes an object has stands in its etag. */
static void read_one(struct worker *w, const char *name)
{
	struct cache_key k = key_of(name);
	struct cache_unit *u = cache_get(w->cache, &k);
	if (u == NULL)
		return;
	unsigned seed = (unsigned)strtoul(u->meta->etag + 1, NULL, 10);
	w->got++;
	w->wrong += !unit_reads(u, 20000 + seed % 7 * 1000, seed);
	if (seed % 3 == 0) {
		struct cache_unit *again = cache_pin(w->cache, u);
		cache_release(w->cache, u);
		u = again;
		w->wrong += !unit_reads(u, 20000 + seed % 7 * 1000, seed);
	}
	cache_release(w->cache, u);
}

static void *hammer(void *arg)
{
	struct worker *w = arg;
	char name[32], etag[16];
	for (unsigned i = 0; i < ROUNDS; i++) {
		unsigned x = (i * 7919 + w->number * 104729) ^ (i >> 3);
		(void)snprintf(name, sizeof(name), "c%u/%u.m4s", x % 3, x % NAMES);
		struct cache_key k = key_of(name);
		switch (x % 8) {
		case 0:
		case 1:
		case 2:
			(void)snprintf(etag, sizeof(etag), "\"%u\"", x % 1000);
			w->stored += store(w->cache, name, etag, 20000 + x % 1000 % 7 * 1000, x % 1000) == OK;
			break;
		case 3:
			if (x % 5 == 0)
				cache_remove(w->cache, &k);
			else if (x % 31 == 0)
				(void)cache_purge(w->cache, BYTES_LIT("c1"));
			else
				cache_refresh(w->cache, &k, "\"1\"", 2000 + i, cache_mark(w->cache));
			break;
		default: read_one(w, name);
		}
	}
	return NULL;
}

static void ignore_news(void *arg, const struct cache_content_news *n)
{
	(void)arg;
	(void)n;
}

static void test_many_threads(void **state)
{
	struct fixture *f = *state;
	static struct worker w[THREADS];
	memset(w, 0, sizeof(w));
	fixture_open(f, MIB, "boot-1"); /* of 60 units 40 fit at most: it evicts all the time */
	for (unsigned i = 0; i < THREADS; i++) {
		w[i].cache = f->cache;
		w[i].number = i;
		assert_int_equal(pthread_create(&w[i].thread, NULL, hammer, &w[i]), 0);
	}
	for (unsigned i = 0; i < 100; i++)
		(void)cache_poll_news(f->cache, 10, ignore_news, NULL);
	unsigned got = 0, stored = 0;
	for (unsigned i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(w[i].thread, NULL), 0);
		assert_int_equal(w[i].wrong, 0);
		got += w[i].got;
		stored += w[i].stored;
	}
	assert_true(got > 100 && stored > 100);
	struct cache_counters n = count(f);
	assert_int_equal(n.stored, stored);
	assert_true(n.evicted > 0);
	char path[160];
	(void)snprintf(path, sizeof(path), "%s/objects", f->disk_path);
	assert_int_equal(count_files(path), n.units);
	assert_true(n.bytes <= MIB);
	uint64_t units = n.units;
	fixture_close(f);
	fixture_open(f, MIB, "boot-1");
	assert_int_equal(f->report.units, units);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		CASE(test_checks_what_a_dead_host_had_not_synced),
		CASE(test_the_same_boot_checks_nothing),
		CASE(test_sets_a_damaged_index_aside),
		CASE(test_drops_entries_it_cannot_read),
		CASE(test_sweeps_files_without_an_entry),
		CASE(test_a_full_disk),
		CASE(test_a_start_on_a_full_disk),
		CASE(test_many_threads),
	};
	return cmocka_run_group_tests_name("fs_trouble", tests, NULL, NULL);
}
