#include "cache_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

static void test_stores_and_serves(void **state)
{
	struct fixture *f = *state;
	fixture_open(f, 64 * MIB, "boot-1");
	assert_false(holds(f->cache, "c1/a.m4s", 100000, 1));
	assert_int_equal(store(f->cache, "c1/a.m4s", "\"e1\"", 100000, 1), OK);
	assert_int_equal(store(f->cache, "c1/empty.m4s", "\"e2\"", 0, 1), OK);
	assert_true(holds(f->cache, "c1/a.m4s", 100000, 1));
	assert_true(holds(f->cache, "c1/empty.m4s", 0, 1));
	struct cache_key k = key_of("c1/a.m4s");
	k.slice = 1;
	assert_null(cache_look(f->cache, &k));
	k = key_of("c1/a.m4s");
	k.origin = BYTES_LIT("other");
	assert_null(cache_get(f->cache, &k));
	struct cache_counters n = count(f);
	assert_int_equal(n.units, 2);
	assert_int_equal(n.bytes, 100000);
	assert_int_equal(n.stored, 2);
	assert_int_equal(n.hits, 2);
	assert_int_equal(n.misses, 2);
	assert_int_equal(n.size_bytes, 64 * MIB);
}

static void test_tells_what_was_recorded(void **state)
{
	struct fixture *f = *state;
	fixture_open(f, 64 * MIB, "boot-1");
	struct cache_key k = key_of("c1/x.m3u8");
	struct cache_meta m = { .content = BYTES_LIT("c1"),
		.length = 2,
		.etag = "\"tag\"",
		.modified_s = -5,
		.answered_wall_ms = 77,
		.ttl_ms = 2000 };
	struct cache_writer *w;
	assert_int_equal(cache_write_begin(f->cache, &k, &m, &w), OK);
	assert_int_equal(cache_write(w, BYTES_LIT("hi")), OK);
	assert_int_equal(cache_write_commit(w), OK);
	for (int round = 0; round < 2; round++) {
		struct cache_unit *u = cache_get(f->cache, &k);
		assert_non_null(u);
		assert_true(bytes_eq(u->meta->content, m.content));
		assert_int_equal(u->meta->length, 2);
		assert_string_equal(u->meta->etag, "\"tag\"");
		assert_int_equal(u->meta->modified_s, -5);
		assert_int_equal(u->meta->answered_wall_ms, 77);
		assert_int_equal(u->meta->ttl_ms, 2000);
		cache_release(f->cache, u);
		fixture_close(f); /* the second time: from the index */
		fixture_open(f, 64 * MIB, "boot-1");
	}
	cache_refresh(f->cache, &k, "\"other\"", 500, cache_mark(f->cache));
	struct cache_unit *before = cache_get(f->cache, &k);
	assert_int_equal(before->meta->answered_wall_ms, 77);
	cache_refresh(f->cache, &k, "\"tag\"", 500, cache_mark(f->cache));
	struct cache_unit *after = cache_get(f->cache, &k);
	assert_int_equal(after->meta->answered_wall_ms, 500);
	cache_refresh(f->cache, &k, "\"tag\"", 400, cache_mark(f->cache)); /* never back */
	struct cache_unit *again = cache_pin(f->cache, after);
	assert_int_equal(again->meta->answered_wall_ms, 500);
	cache_release(f->cache, before);
	cache_release(f->cache, after);
	cache_release(f->cache, again);
}

static void test_refuses_what_is_not_whole(void **state)
{
	struct fixture *f = *state;
	fixture_open(f, 64 * MIB, "boot-1");
	struct cache_key k = key_of("c1/a.m4s");
	struct cache_meta m = { .content = BYTES_LIT("c1"), .length = 10, .etag = "\"e\"" };
	struct cache_writer *w;
	assert_int_equal(cache_write_begin(f->cache, &k, &m, &w), OK);
	assert_int_equal(cache_write(w, BYTES_LIT("short")), OK);
	assert_int_equal(cache_write_commit(w), ERR_INVALID);
	assert_int_equal(cache_write_begin(f->cache, &k, &m, &w), OK);
	assert_int_equal(cache_write(w, BYTES_LIT("longer than ten")), ERR_INVALID);
	cache_write_abort(w);
	assert_null(cache_get(f->cache, &k));
	k.object = BYTES_NONE;
	assert_int_equal(cache_write_begin(f->cache, &k, &m, &w), ERR_INVALID);
	char path[160];
	(void)snprintf(path, sizeof(path), "%s/tmp", f->disk_path);
	assert_int_equal(count_files(path), 0);
	assert_int_equal(count(f).stored, 0);
}

static void test_reads_while_it_is_written(void **state)
{
	struct fixture *f = *state;
	fixture_open(f, 64 * MIB, "boot-1");
	struct cache_key k = key_of("c1/a.m4s");
	struct cache_meta m = { .content = BYTES_LIT("c1"), .length = 6, .etag = "\"e\"" };
	struct cache_writer *w;
	int fd;
	char read_back[8] = "";
	assert_int_equal(cache_write_begin(f->cache, &k, &m, &w), OK);
	assert_int_equal(cache_write_fd(w, &fd), OK);
	assert_int_equal(cache_write(w, BYTES_LIT("abc")), OK);
	assert_int_equal(pread(fd, read_back, 8, 0), 3);
	assert_int_equal(cache_write(w, BYTES_LIT("def")), OK);
	assert_int_equal(cache_write_commit(w), OK);
	assert_int_equal(pread(fd, read_back, 8, 0), 6);
	assert_memory_equal(read_back, "abcdef", 6);
	close(fd);
}

static void test_another_validator_is_another_file(void **state)
{
	struct fixture *f = *state;
	fixture_open(f, 64 * MIB, "boot-1");
	char path[160];
	(void)snprintf(path, sizeof(path), "%s/objects", f->disk_path);
	assert_int_equal(store(f->cache, "c1/a.m4s", "\"e1\"", 5000, 1), OK);
	struct cache_key k = key_of("c1/a.m4s");
	struct cache_unit *old = cache_get(f->cache, &k);
	assert_int_equal(store(f->cache, "c1/a.m4s", "\"e2\"", 6000, 2), OK);
	assert_true(unit_reads(old, 5000, 1));
	assert_true(holds(f->cache, "c1/a.m4s", 6000, 2));
	assert_int_equal(count(f).units, 1);
	assert_int_equal(count_files(path), 2);
	struct cache_unit *again = cache_pin(f->cache, old);
	cache_release(f->cache, old);
	assert_true(unit_reads(again, 5000, 1));
	assert_int_equal(count_files(path), 2);
	cache_release(f->cache, again);
	assert_int_equal(count_files(path), 1);
	cache_remove(f->cache, &k);
	assert_int_equal(count_files(path), 0);
	assert_null(cache_get(f->cache, &k));
}

static void test_evicts_the_unused_first(void **state)
{
	struct fixture *f = *state;
	fixture_open(f, 10 * MIB, "boot-1");
	char name[32];
	for (unsigned i = 0; i < 9; i++) {
		(void)snprintf(name, sizeof(name), "c/%u.m4s", i);
		assert_int_equal(store(f->cache, name, "\"e\"", MIB, i), OK);
	}
	assert_int_equal(count(f).evicted, 0);
	assert_true(holds(f->cache, "c/0.m4s", MIB, 0));
	assert_true(holds(f->cache, "c/0.m4s", MIB, 0));
	assert_int_equal(store(f->cache, "c/9.m4s", "\"e\"", MIB, 9), OK);
	assert_true(holds(f->cache, "c/0.m4s", MIB, 0));
	assert_false(holds(f->cache, "c/1.m4s", MIB, 1));
	assert_true(holds(f->cache, "c/9.m4s", MIB, 9));
	assert_true(count(f).bytes <= 10 * MIB * 98 / 100);
	/* Larger than the disk: not stored, nothing lost for it. */
	uint64_t units = count(f).units;
	assert_int_equal(store(f->cache, "c/big.m4s", "\"e\"", 11 * MIB, 1), ERR_NO_SPACE);
	assert_int_equal(count(f).units, units);
}

static void test_charges_what_is_pinned(void **state)
{
	struct fixture *f = *state;
	fixture_open(f, 4 * MIB, "boot-1");
	assert_int_equal(store(f->cache, "c/1.m4s", "\"e\"", 3 * MIB, 1), OK);
	struct cache_key k = key_of("c/1.m4s");
	struct cache_unit *u = cache_get(f->cache, &k);
	/* It is evicted, but its reader keeps the space. */
	assert_int_equal(store(f->cache, "c/2.m4s", "\"e\"", 2 * MIB, 2), ERR_NO_SPACE);
	assert_null(cache_get(f->cache, &k));
	assert_true(unit_reads(u, 3 * MIB, 1));
	cache_release(f->cache, u);
	assert_int_equal(store(f->cache, "c/2.m4s", "\"e\"", 2 * MIB, 2), OK);
	assert_true(holds(f->cache, "c/2.m4s", 2 * MIB, 2));
}

static void test_survives_a_restart(void **state)
{
	struct fixture *f = *state;
	char name[32];
	fixture_open(f, 64 * MIB, "boot-1");
	for (unsigned i = 0; i < 300; i++) {
		(void)snprintf(name, sizeof(name), "c%u/%u.m4s", i % 7, i);
		assert_int_equal(store(f->cache, name, "\"e\"", 1000 + i, i), OK);
	}
	assert_int_equal(store(f->cache, "c0/0.m4s", "\"new\"", 500, 1000), OK);
	struct cache_key gone = key_of("c1/1.m4s");
	cache_remove(f->cache, &gone);
	fixture_close(f);
	fixture_open(f, 64 * MIB, "boot-1");
	assert_int_equal(f->report.units, 299);
	assert_int_equal(f->report.dropped, 0);
	assert_false(f->report.rebuilt);
	for (unsigned i = 2; i < 300; i++) {
		(void)snprintf(name, sizeof(name), "c%u/%u.m4s", i % 7, i);
		assert_true(holds(f->cache, name, 1000 + i, i));
	}
	assert_true(holds(f->cache, "c0/0.m4s", 500, 1000));
	assert_null(cache_get(f->cache, &gone));
}

static bool store_one_and_a_half(struct cache *c)
{
	struct cache_key k = key_of("c1/half.m4s");
	struct cache_meta m = { .content = BYTES_LIT("c1"), .length = 10, .etag = "\"e\"" };
	struct cache_writer *w;
	return store(c, "c1/kept.m4s", "\"e\"", 70000, 3) == OK && cache_write_begin(c, &k, &m, &w) == OK &&
	       cache_write(w, BYTES_LIT("half")) == OK;
}

static void test_survives_a_crash_of_the_process(void **state)
{
	struct fixture *f = *state;
	kill_after(f, "boot-1", store_one_and_a_half, 1);
	char path[160];
	(void)snprintf(path, sizeof(path), "%s/tmp", f->disk_path);
	assert_int_equal(count_files(path), 1);
	fixture_open(f, 64 * MIB, "boot-1");
	assert_int_equal(f->report.units, 1);
	assert_int_equal(count_files(path), 0);
	assert_true(holds(f->cache, "c1/kept.m4s", 70000, 3));
	assert_false(holds(f->cache, "c1/half.m4s", 10, 0));
}

static void test_never_serves_another_length(void **state)
{
	struct fixture *f = *state;
	fixture_open(f, 64 * MIB, "boot-1");
	assert_int_equal(store(f->cache, "c1/cut.m4s", "\"e\"", 1000, 1), OK);
	assert_int_equal(store(f->cache, "c1/missing.m4s", "\"e\"", 2000, 2), OK);
	fixture_close(f);
	run("find %s/objects -type f -size 1000c -exec truncate -s 900 {} +", f->disk_path);
	run("find %s/objects -type f -size 2000c -delete", f->disk_path);
	fixture_open(f, 64 * MIB, "boot-1");
	assert_int_equal(count(f).units, 2); /* looked at when they are used */
	assert_false(holds(f->cache, "c1/cut.m4s", 900, 1));
	assert_false(holds(f->cache, "c1/missing.m4s", 2000, 2));
	assert_int_equal(count(f).units, 0);
	fixture_close(f);
	fixture_open(f, 64 * MIB, "boot-1");
	assert_int_equal(f->report.units, 0);
}

static void test_one_process_a_disk(void **state)
{
	struct fixture *f = *state;
	fixture_open(f, 64 * MIB, "boot-1");
	struct cache_disk_config disk = { .path = f->disk_path, .size_bytes = MIB };
	struct cache_config config = { .disks = &disk, .disks_n = 1, .boot_id = "boot-1" };
	struct cache *second = NULL;
	struct cache_disk_report report;
	assert_int_equal(cache_open(&config, &second, &report), ERR_BUSY);
	assert_int_equal(report.state, ERR_BUSY);
	assert_non_null(strstr(report.detail, "another process"));
	assert_null(second);
}

static void test_serves_with_the_disks_that_work(void **state)
{
	struct fixture *f = *state;
	run("touch %s/file", f->folder);
	char bad[160];
	(void)snprintf(bad, sizeof(bad), "%s/file", f->folder);
	struct cache_disk_config disks[] = { { bad, MIB }, { f->disk_path, 64 * MIB } };
	struct cache_config config = { .disks = disks, .disks_n = 2, .boot_id = "b" };
	struct cache_disk_report reports[2];
	assert_int_equal(cache_open(&config, &f->cache, reports), OK);
	assert_int_not_equal(reports[0].state, OK);
	assert_true(reports[0].detail[0] != 0);
	assert_int_equal(reports[1].state, OK);
	assert_int_equal(count(f).disks_down, 1);
	assert_int_equal(store(f->cache, "c1/a.m4s", "\"e\"", 1000, 1), OK);
	assert_true(holds(f->cache, "c1/a.m4s", 1000, 1));
	fixture_close(f);
	config.disks_n = 1;
	assert_int_not_equal(cache_open(&config, &f->cache, reports), OK);
	assert_null(f->cache);
}

static void test_spreads_over_disks(void **state)
{
	struct fixture *f = *state;
	char second[160], name[32];
	(void)snprintf(second, sizeof(second), "%s/second", f->folder);
	struct cache_disk_config disks[] = { { f->disk_path, 4 * MIB }, { second, 4 * MIB } };
	struct cache_config config = { .disks = disks, .disks_n = 2, .boot_id = "b" };
	struct cache_disk_report reports[2];
	assert_int_equal(cache_open(&config, &f->cache, reports), OK);
	for (unsigned i = 0; i < 6; i++) {
		(void)snprintf(name, sizeof(name), "c1/%u.m4s", i);
		assert_int_equal(store(f->cache, name, "\"e\"", MIB, i), OK);
	}
	assert_int_equal(count(f).evicted, 0);
	fixture_close(f);
	assert_int_equal(cache_open(&config, &f->cache, reports), OK);
	assert_int_equal(reports[0].units, 3);
	assert_int_equal(reports[1].units, 3);
	for (unsigned i = 0; i < 6; i++) {
		(void)snprintf(name, sizeof(name), "c1/%u.m4s", i);
		assert_true(holds(f->cache, name, MIB, i));
	}
}

struct heard {
	unsigned n;
	uint64_t bytes;
	uint32_t objects;
	char content[32], entry[32];
};

static void hear(void *arg, const struct cache_content_news *n)
{
	struct heard *h = arg;
	h->n++;
	h->bytes = n->bytes;
	h->objects = n->objects;
	(void)snprintf(h->content, sizeof(h->content), "%.*s", (int)n->content.n, (const char *)n->content.p);
	(void)snprintf(h->entry, sizeof(h->entry), "%.*s", (int)n->entry.n, (const char *)n->entry.p);
	assert_true(bytes_eq(n->origin, BYTES_LIT("main")));
}

static void wake(void *arg)
{
	++*(unsigned *)arg;
}

static void test_tells_news_of_contents(void **state)
{
	struct fixture *f = *state;
	unsigned woken = 0;
	struct heard h = { 0 };
	fixture_open(f, 64 * MIB, "boot-1");
	cache_on_news(f->cache, wake, &woken);
	assert_int_equal(store(f->cache, "c1/seg/a.m4s", "\"e\"", 1000, 1), OK);
	assert_int_equal(store(f->cache, "c1/manifest.mpd", "\"e\"", 10, 1), OK);
	assert_int_equal(woken, 1);
	assert_int_equal(cache_poll_news(f->cache, 10, hear, &h), 2); /* "c1/seg" is a content to the fixture */
	assert_int_equal(cache_poll_news(f->cache, 10, hear, &h), 0);
	assert_string_equal(h.entry, "manifest.mpd");
	assert_int_equal(store(f->cache, "c1/master.m3u8", "\"e\"", 20, 1), OK);
	assert_int_equal(woken, 2);
	assert_int_equal(cache_poll_news(f->cache, 10, hear, &h), 1);
	assert_string_equal(h.entry, "master.m3u8");
	assert_int_equal(h.bytes, 30);
	assert_int_equal(h.objects, 2);
	/* What is named as being of the content goes, whatever it was filled for. */
	assert_int_equal(cache_purge(f->cache, BYTES_LIT("c1/seg")), 1);
	assert_int_equal(cache_poll_news(f->cache, 10, hear, &h), 1);
	assert_int_equal(cache_purge(f->cache, BYTES_LIT("c")), 0);
	assert_int_equal(cache_purge(f->cache, BYTES_LIT("c1")), 2);
	assert_int_equal(cache_purge(f->cache, BYTES_LIT("c1")), 0);
	assert_int_equal(cache_poll_news(f->cache, 10, hear, &h), 1);
	assert_string_equal(h.content, "c1");
	assert_int_equal(h.objects, 0);
	assert_string_equal(h.entry, "");
	assert_int_equal(store(f->cache, "c1/seg/a.m4s", "\"e\"", 1000, 1), OK);
	fixture_close(f);
	fixture_open(f, 64 * MIB, "boot-1");
	h = (struct heard){ 0 };
	assert_int_equal(cache_poll_news(f->cache, 10, hear, &h), 1); /* all that is held, after a start */
	assert_string_equal(h.content, "c1/seg");
	assert_int_equal(h.bytes, 1000);
}

static void test_keeps_few_descriptors(void **state)
{
	struct fixture *f = *state;
	char name[32];
	struct rlimit was, small;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	small = was;
	small.rlim_cur = 512; /* a quarter of it for units */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &small), 0);
	fixture_open(f, 64 * MIB, "boot-1");
	for (unsigned i = 0; i < 600; i++) {
		(void)snprintf(name, sizeof(name), "c1/%u.m4s", i);
		assert_int_equal(store(f->cache, name, "\"e\"", 1, i), OK);
		assert_true(holds(f->cache, name, 1, i));
	}
	char command[128];
	(void)snprintf(command, sizeof(command), "test $(ls /proc/%d/fd | wc -l) -le 160", (int)getpid());
	assert_int_equal(system(command), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		CASE(test_stores_and_serves),
		CASE(test_tells_what_was_recorded),
		CASE(test_refuses_what_is_not_whole),
		CASE(test_reads_while_it_is_written),
		CASE(test_another_validator_is_another_file),
		CASE(test_evicts_the_unused_first),
		CASE(test_charges_what_is_pinned),
		CASE(test_survives_a_restart),
		CASE(test_survives_a_crash_of_the_process),
		CASE(test_never_serves_another_length),
		CASE(test_one_process_a_disk),
		CASE(test_serves_with_the_disks_that_work),
		CASE(test_spreads_over_disks),
		CASE(test_tells_news_of_contents),
		CASE(test_keeps_few_descriptors),
	};
	return cmocka_run_group_tests_name("fs_cache", tests, NULL, NULL);
}
