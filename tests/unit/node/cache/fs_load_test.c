#include "cache_fixture.h"

#include "base/obj.h"
#include "node/cache/fs_cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

enum { MIB = 1 << 20, N = 700 };

static int make(void **state)
{
	static struct fixture f;
	fixture_make(&f);
	*state = &f;
	return 0;
}

static int end(void **state)
{
	fixture_remove(*state);
	return 0;
}

static void put(struct fixture *f, unsigned i, const char *etag)
{
	char name[32];
	(void)snprintf(name, sizeof(name), "c/%u.m4s", i);
	assert_int_equal(store(f->cache, name, etag, 100, i), OK);
}

/* All are in the main queue, in the order in which they were stored, however the index has them. */
static void the_order_outlives_a_restart(void **state)
{
	struct fixture *f = *state;
	fixture_open(f, 64 * MIB, "boot");
	for (unsigned i = 0; i < N; i++)
		put(f, i, "\"e\"");
	for (unsigned i = 0; i < N; i += 3)
		put(f, i, "\"f\""); /* it goes to the end */
	fixture_close(f);
	fixture_open(f, 64 * MIB, "boot");
	assert_int_equal(f->report.units, N);
	struct policy *p = &f->cache->disks[0].policy;
	struct policy_node *node;
	unsigned n = 0;
	uint64_t last = 0;
	TAILQ_FOREACH(node, &p->main.order, link)
	{
		uint64_t sequence = CONTAINER_OF(node, struct unit, policy)->record.sequence;
		assert_true(sequence > last);
		last = sequence;
		n++;
	}
	assert_int_equal(n, N);
	assert_int_equal(last, N + (N + 2) / 3);
	assert_int_equal(p->small.bytes, 0);
	assert_int_equal(p->main.bytes, (uint64_t)N * 4096);
	assert_int_equal(f->cache->disks[0].charged_bytes, (uint64_t)N * 4096);
	/* And it goes on from there. */
	put(f, N, "\"e\"");
	assert_int_equal(f->cache->disks[0].sequence, last + 1);
	assert_int_equal(p->small.bytes, 4096);
}

static void an_empty_disk_loads(void **state)
{
	struct fixture *f = *state;
	fixture_open(f, 64 * MIB, "boot");
	fixture_close(f);
	fixture_open(f, 64 * MIB, "boot");
	assert_int_equal(f->report.units, 0);
	assert_int_equal(f->cache->disks[0].policy.n, 0);
	put(f, 1, "\"e\"");
	assert_int_equal(f->cache->disks[0].sequence, 1);
}

static void copy(struct cache *c, const char *object, unsigned seed, uint64_t answered_wall_ms)
{
	struct cache_key k = key_of(object);
	struct cache_meta m = { .content = BYTES_LIT("c"),
		.length = 1,
		.etag = "\"e\"",
		.answered_wall_ms = answered_wall_ms,
		.ttl_ms = UINT64_MAX,
		.mark = cache_mark(c) };
	uint8_t byte = byte_at(seed, 0);
	struct cache_writer *w;
	assert_int_equal(cache_write_begin(c, &k, &m, &w), OK);
	assert_int_equal(cache_write(w, bytes_of(&byte, 1)), OK);
	assert_int_equal(cache_write_commit(w), OK);
}

/* A crash came between the new unit on one disk and the end of the old one on another. */
static void of_two_disks_with_one_key_the_newer_is_taken(void **state)
{
	struct fixture *f = *state;
	char paths[2][128];
	struct cache_disk_config disks[2];
	for (unsigned i = 0; i < 2; i++) {
		(void)snprintf(paths[i], sizeof(paths[i]), "%s/%u", f->folder, i);
		disks[i] = (struct cache_disk_config){ .path = paths[i], .size_bytes = MIB };
		struct cache_config one = { .disks = &disks[i], .disks_n = 1, .boot_id = "boot" };
		struct cache *c;
		assert_int_equal(cache_open(&one, &c, &f->report), OK);
		copy(c, "c/first", i, 10 - i);
		copy(c, "c/second", i, 10 + i);
		cache_close(c);
	}
	struct cache_config both = { .disks = disks, .disks_n = 2, .boot_id = "boot" };
	struct cache_disk_report reports[2];
	assert_int_equal(cache_open(&both, &f->cache, reports), OK);
	assert_int_equal(reports[0].units, 2);
	assert_int_equal(reports[1].units, 1);
	assert_int_equal(reports[1].dropped, 1);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(f->cache->disks[i].charged_bytes, 4096);
		assert_int_equal(f->cache->disks[i].policy.n, 1);
		run("test $(find %s/objects -type f | wc -l) = 1", paths[i]);
	}
	assert_true(holds(f->cache, "c/first", 1, 0));
	assert_true(holds(f->cache, "c/second", 1, 1));
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, make, end)
	const struct CMUnitTest tests[] = {
		CASE(the_order_outlives_a_restart),
		CASE(an_empty_disk_loads),
		CASE(of_two_disks_with_one_key_the_newer_is_taken),
	};
	return cmocka_run_group_tests_name("fs_load", tests, NULL, NULL);
}
