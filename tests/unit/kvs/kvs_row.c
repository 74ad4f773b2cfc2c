/* The container of a row against a plain array, by random operations. */
#include "base/prng.h"
#include "kvs/row.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { KEYS = 40 };

struct model {
	struct {
		uint64_t version;
		char value[24];
		bool deleted;
	} of[KEYS];
};

static struct bytes key_of(size_t i, char text[16])
{
	snprintf(text, 16, "key%zu", i);
	return bytes_str(text);
}

static void assert_like(const struct row *r, const struct model *m)
{
	char text[16];
	struct rpc_entry e;
	size_t live = 0, tombstones = 0;
	for (size_t i = 0; i < KEYS; i++) {
		bool there = row_get(r, key_of(i, text), &e);
		assert_int_equal(there, m->of[i].version != 0);
		if (!there)
			continue;
		assert_int_equal(e.version, m->of[i].version);
		assert_int_equal(e.deleted, m->of[i].deleted);
		assert_true(bytes_eq(e.value, bytes_str(m->of[i].deleted ? "" : m->of[i].value)));
		*(e.deleted ? &tombstones : &live) += 1;
	}
	assert_int_equal(r->live, live);
	assert_int_equal(r->tombstones, tombstones);
	uint64_t last = 0;
	size_t seen = 0;
	for (size_t at = 0; row_next(r, &at, &e); seen++) {
		assert_true(e.version > last);
		last = e.version;
	}
	assert_int_equal(seen, live + tombstones);
}

/* The fingerprint hangs on the content alone, not on how it came about. */
static uint64_t print_of(const struct row *r)
{
	struct row copy;
	row_init(&copy);
	struct rpc_entry e;
	for (size_t at = 0; row_next(r, &at, &e);)
		row_put(&copy, e.version, e.key, e.value, e.deleted);
	uint64_t print = copy.fingerprint;
	assert_int_equal(copy.bytes, r->bytes);
	row_fini(&copy);
	return print;
}

static void test_random(void **state)
{
	(void)state;
	struct prng p;
	prng_init(&p, 42);
	for (int round = 0; round < 20; round++) {
		struct row r;
		struct model m = { 0 };
		row_init(&r);
		uint64_t version = 0;
		for (int i = 0; i < 400; i++) {
			size_t key = prng_below(&p, KEYS);
			char text[16];
			version += 1 + prng_below(&p, 2);
			bool deleted = prng_chance(&p, 300);
			snprintf(m.of[key].value, sizeof(m.of[key].value), "v%llu", (unsigned long long)version);
			row_put(
			    &r, version, key_of(key, text), deleted ? BYTES_NONE : bytes_str(m.of[key].value), deleted);
			m.of[key].version = version;
			m.of[key].deleted = deleted;
			if (prng_chance(&p, 30)) {
				uint64_t floor = prng_below(&p, version + 1);
				row_collect(&r, floor, NULL, NULL);
				for (size_t j = 0; j < KEYS; j++)
					if (m.of[j].deleted && m.of[j].version <= r.floor)
						m.of[j].version = m.of[j].deleted = 0;
			}
		}
		assert_like(&r, &m);
		assert_int_equal(print_of(&r), r.fingerprint);
		assert_true(r.slots_cap <= 256); /* overwritten slots are used again */
		row_fini(&r);
	}
}

static void put(struct row *r, uint64_t version, const char *key, const char *value)
{
	row_put(r, version, bytes_str(key), bytes_str(value), value == NULL);
}

static void test_after(void **state)
{
	(void)state;
	struct row r;
	row_init(&r);
	put(&r, 2, "a", "1");
	put(&r, 5, "b", "2");
	put(&r, 9, "a", "3");
	struct rpc_entry e;
	size_t at = row_after(&r, 2);
	assert_true(row_next(&r, &at, &e));
	assert_int_equal(e.version, 5);
	at = row_after(&r, 0); /* 2 was overwritten */
	assert_true(row_next(&r, &at, &e));
	assert_int_equal(e.version, 5);
	at = row_after(&r, 9);
	assert_false(row_next(&r, &at, &e));
	row_fini(&r);
}

static void test_tombstones(void **state)
{
	(void)state;
	struct row r;
	row_init(&r);
	put(&r, 1, "a", "1");
	put(&r, 2, "b", NULL);
	put(&r, 3, "c", NULL);
	put(&r, 4, "d", NULL);
	assert_int_equal(row_nth_tombstone(&r, 1), 2);
	assert_int_equal(row_nth_tombstone(&r, 2), 3);
	assert_int_equal(row_nth_tombstone(&r, 9), 4);
	row_collect(&r, 3, NULL, NULL);
	assert_int_equal(r.tombstones, 1);
	assert_int_equal(r.floor, 3);
	row_collect(&r, 1, NULL, NULL); /* never falls */
	assert_int_equal(r.floor, 3);
	row_fini(&r);
}

static void test_merge(void **state)
{
	(void)state;
	struct row a, b;
	struct rpc_entry e;
	row_init(&a);
	row_init(&b);
	put(&a, 1, "both", "same");
	put(&a, 2, "older here", "1");
	put(&a, 6, "newer here", "2");
	put(&b, 1, "both", "same");
	put(&b, 3, "newer here", "1");
	put(&b, 4, "gone", NULL);
	put(&b, 5, "older here", "2");
	put(&b, 6, "clash", "of versions that no honest owner makes");
	a.floor = 4;
	row_merge(&a, &b);
	assert_true(row_get(&a, bytes_str("older here"), &e) && e.version == 5);
	assert_true(row_get(&a, bytes_str("newer here"), &e) && e.version == 6);
	assert_true(row_get(&a, bytes_str("both"), &e));
	assert_false(row_get(&a, bytes_str("gone"), &e)); /* below the floor here */
	assert_false(row_get(&a, bytes_str("clash"), &e));
	assert_int_equal(a.live, 3);
	assert_int_equal(print_of(&a), a.fingerprint);
	row_fini(&a);
	row_fini(&b);
}

/* What most rows of a big cluster look like: they stay small through overwrites, and get their index once. */
static void test_few_entries(void **state)
{
	(void)state;
	struct row r;
	struct rpc_entry e;
	row_init(&r);
	for (uint64_t version = 1; version <= 100; version++)
		row_put(&r, version, BYTES_LIT("k"), BYTES_LIT("v"), false);
	assert_true(r.slots_cap <= 2 && r.index == NULL && r.live == 1);
	assert_true(row_get(&r, BYTES_LIT("k"), &e) && e.version == 100);
	char text[16];
	for (size_t i = 0; i < ROW_SCAN_MAX; i++)
		row_put(&r, 101 + i, key_of(i, text), BYTES_LIT("v"), false);
	assert_non_null(r.index);
	for (size_t i = 0; i < ROW_SCAN_MAX; i++)
		assert_true(row_get(&r, key_of(i, text), &e) && e.version == 101 + i);
	assert_true(row_get(&r, BYTES_LIT("k"), &e) && e.version == 100);
	assert_false(row_get(&r, BYTES_LIT("l"), &e));
	row_fini(&r);
}

static void test_history(void **state)
{
	(void)state;
	struct row r;
	struct rpc_ancestor got[RPC_ANCESTORS_MAX], some[] = { { { 2, 7 }, 9 }, { { 1, 6 }, 5 } };
	row_init(&r);
	assert_int_equal(row_ancestors(&r, got), 0);
	row_set_history(&r, (struct incarnation){ 3, 8 }, some, 2);
	row_set_history(&r, (struct incarnation){ 3, 8 }, r.ancestors, r.ancestors_n); /* its own */
	assert_int_equal(row_ancestors(&r, got), 2);
	assert_memory_equal(got, some, sizeof(some));
	row_clear(&r);
	assert_int_equal(row_ancestors(&r, got), 2);
	row_set_history(&r, (struct incarnation){ 4, 9 }, NULL, 0);
	assert_null(r.ancestors);
	assert_int_equal(r.incarnation.count, 4);
	row_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_few_entries),
		cmocka_unit_test(test_history),
		cmocka_unit_test(test_after),
		cmocka_unit_test(test_tombstones),
		cmocka_unit_test(test_merge),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
