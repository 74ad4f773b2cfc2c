/* Starting from what the store kept: what does not fit together is refused, and heals from peers. */
#include "pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const struct node_id OTHER = { { 200 } };

static struct kvs_row_meta meta(uint64_t have, uint64_t horizon, uint64_t floor, uint64_t base)
{
	return (struct kvs_row_meta){ .owner = OTHER,
		.stream = RPC_LOCATIONS,
		.incarnation = { 1, 1 },
		.have = have,
		.horizon = horizon,
		.floor = floor,
		.base = base };
}

static enum err load_entry(struct kvs *k, uint64_t version, const char *key, const char *value)
{
	struct rpc_entry e = {
		.version = version, .key = bytes_str(key), .value = bytes_str(value), .deleted = value == NULL
	};
	return kvs_load_entry(k, &OTHER, RPC_LOCATIONS, &e);
}

static struct kvs *new_core(void)
{
	struct kvs_config c = pair_config(0);
	return kvs_new(&c);
}

static void test_refused_rows(void **state)
{
	(void)state;
	struct kvs_row_meta bad[] = { meta(5, 4, 0, 0), meta(5, 5, 6, 0), meta(5, 5, 2, 3), meta(5, 5, 0, 0),
		meta(5, 5, 0, 0), meta(5, 5, 0, 0) };
	bad[3].incarnation.count = 0;
	bad[4].ancestors_n = RPC_ANCESTORS_MAX + 1;
	bad[5].stream = RPC_LOAD;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct kvs *k = new_core();
		assert_int_not_equal(kvs_load_row(k, &bad[i]), OK);
		assert_int_equal(load_entry(k, 1, "a", "x"), ERR_CORRUPT);
		kvs_free(k);
	}
	/* Own rows, when this run inherits nothing. */
	struct kvs *k = new_core();
	struct kvs_row_meta own = meta(1, 1, 0, 0);
	own.owner = pair_config(0).self;
	assert_int_equal(kvs_load_row(k, &own), ERR_INVALID);
	kvs_free(k);
}

static void test_refused_entries(void **state)
{
	(void)state;
	static const struct {
		uint64_t version;
		const char *key, *value;
	} bad[] = {
		{ 0, "b", "x" },                  /* before the first */
		{ 11, "b", "x" },                 /* past the row */
		{ 5, "b", "x" },                  /* not in order */
		{ 6, "a", "x" },                  /* a key twice */
		{ 6, "", "x" }, { 7, "b", NULL }, /* a tombstone below the floor */
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct kvs *k = new_core();
		struct kvs_row_meta m = meta(10, 10, 8, 0);
		assert_int_equal(kvs_load_row(k, &m), OK);
		assert_int_equal(load_entry(k, 5, "a", "x"), OK);
		assert_int_equal(load_entry(k, bad[i].version, bad[i].key, bad[i].value), ERR_CORRUPT);
		/* The row is empty now, and takes nothing more. */
		assert_int_equal(load_entry(k, 9, "c", "x"), ERR_CORRUPT);
		kvs_free(k);
	}
}

/* Node 0 with node 1's row as its disk has it: one entry "a" at version 1 of 1. */
static void start_with(struct pair *p, const char *value)
{
	pair_init(p);
	struct kvs_config c0 = pair_config(0), c1 = pair_config(1);
	pair_start(p, 1, &c1);
	pair_put(p, 1, "a", "right");
	p->nodes[0].k = kvs_new(&c0);
	arena_init(&p->nodes[0].arena, (size_t)KVS_ARENA_BYTES * 2);
	p->nodes[0].out.arena = &p->nodes[0].arena;
	struct kvs_row_meta m = meta(1, 1, 0, 0);
	m.owner = p->nodes[1].id;
	m.incarnation = c1.incarnation;
	struct rpc_entry e = { .version = 1, .key = BYTES_LIT("a"), .value = bytes_str(value) };
	assert_int_equal(kvs_load_row(p->nodes[0].k, &m), OK);
	assert_int_equal(kvs_load_entry(p->nodes[0].k, &m.owner, RPC_LOCATIONS, &e), OK);
	pair_start(p, 0, &c0);
}

static void test_loaded_is_known(void **state)
{
	(void)state;
	struct pair p;
	start_with(&p, "right");
	assert_string_equal(pair_get(&p, 0, 1, "a"), "right");
	pair_link(&p, 0, 1);
	pair_run(&p, p.now_ms + 3000);
	assert_int_equal(pair_events(&p, 0, KVS_EVENT_ROW_DIFFERS), 0);
	pair_fini(&p);
}

/* As a version to come may have written it: the node starts, and keeps it. */
static void test_a_register_that_cannot_be_read(void **state)
{
	(void)state;
	struct pair p;
	pair_init(&p);
	struct kvs_config c = pair_config(0);
	struct kvs *k = p.nodes[0].k = kvs_new(&c);
	arena_init(&p.nodes[0].arena, (size_t)KVS_ARENA_BYTES * 2);
	p.nodes[0].out.arena = &p.nodes[0].arena;
	struct kvs_row_meta m = meta(1, 1, 0, 0);
	m.stream = RPC_CONTROL;
	struct rpc_entry e = { .version = 1, .key = RPC_KEY_REGISTER, .value = BYTES_LIT("\377\377") }, kept;
	assert_int_equal(kvs_load_row(k, &m), OK);
	assert_int_equal(kvs_load_entry(k, &m.owner, RPC_CONTROL, &e), OK);
	pair_start(&p, 0, &c);
	pair_run(&p, p.now_ms + 1000);
	assert_true(kvs_entry_of(k, &m.owner, RPC_CONTROL, RPC_KEY_REGISTER, &kept));
	assert_true(bytes_eq(kept.value, e.value));
	assert_int_equal(kvs_members_n(k), 2);
	pair_fini(&p);
}

/* A disk that lied: the row is exact at the same version, with other bytes. */
static void test_differing_bytes(void **state)
{
	(void)state;
	struct pair p;
	start_with(&p, "wrong");
	assert_string_equal(pair_get(&p, 0, 1, "a"), "wrong");
	pair_link(&p, 0, 1);
	pair_run(&p, p.now_ms + 3000);
	assert_string_equal(pair_get(&p, 0, 1, "a"), "right");
	assert_int_equal(pair_events(&p, 0, KVS_EVENT_ROW_DIFFERS), 1);
	assert_int_equal(kvs_fingerprint(p.nodes[0].k), kvs_fingerprint(p.nodes[1].k));
	pair_fini(&p);
}

/* The same without the owner: the two that are left agree on one of the copies. */
static void test_differing_without_owner(void **state)
{
	(void)state;
	struct pair p;
	pair_init(&p);
	for (size_t i = 0; i < 2; i++) {
		struct kvs_config c = pair_config(i);
		struct kvs_row_meta m = meta(1, 1, 0, 0);
		struct rpc_entry e = {
			.version = 1, .key = BYTES_LIT("a"), .value = i == 0 ? BYTES_LIT("x") : BYTES_LIT("y")
		};
		p.nodes[i].k = kvs_new(&c);
		arena_init(&p.nodes[i].arena, (size_t)KVS_ARENA_BYTES * 2);
		p.nodes[i].out.arena = &p.nodes[i].arena;
		assert_int_equal(kvs_load_row(p.nodes[i].k, &m), OK);
		assert_int_equal(kvs_load_entry(p.nodes[i].k, &OTHER, RPC_LOCATIONS, &e), OK);
		pair_start(&p, i, &c);
	}
	pair_link(&p, 0, 1);
	pair_run(&p, p.now_ms + 5000);
	assert_int_equal(kvs_fingerprint(p.nodes[0].k), kvs_fingerprint(p.nodes[1].k));
	assert_true(pair_events(&p, 0, KVS_EVENT_ROW_DIFFERS) + pair_events(&p, 1, KVS_EVENT_ROW_DIFFERS) <= 2);
	pair_fini(&p);
}

/* Two copies of a row whose owner is gone, both known to lack something: they become one. */
static void test_inexact_settle(void **state)
{
	(void)state;
	struct pair p;
	pair_init(&p);
	for (size_t i = 0; i < 2; i++) {
		struct kvs_config c = pair_config(i);
		struct kvs_row_meta m = meta(8, 10, 0, 0);
		p.nodes[i].k = kvs_new(&c);
		arena_init(&p.nodes[i].arena, (size_t)KVS_ARENA_BYTES * 2);
		p.nodes[i].out.arena = &p.nodes[i].arena;
		assert_int_equal(kvs_load_row(p.nodes[i].k, &m), OK);
		assert_int_equal(load_entry(p.nodes[i].k, i == 0 ? 3 : 4, i == 0 ? "a" : "b", "older"), OK);
		assert_int_equal(load_entry(p.nodes[i].k, i == 0 ? 6 : 7, "c", i == 0 ? "6" : "7"), OK);
		pair_start(&p, i, &c);
	}
	p.nodes[2].id = OTHER; /* for pair_get */
	pair_link(&p, 0, 1);
	pair_run(&p, p.now_ms + 10000);
	assert_int_equal(kvs_fingerprint(p.nodes[0].k), kvs_fingerprint(p.nodes[1].k));
	for (size_t i = 0; i < 2; i++) {
		assert_string_equal(pair_get(&p, i, 2, "a"), "older");
		assert_string_equal(pair_get(&p, i, 2, "b"), "older");
		assert_string_equal(pair_get(&p, i, 2, "c"), "7");
	}
	assert_int_equal(pair_events(&p, 0, KVS_EVENT_ROW_DIFFERS), 0);
	pair_fini(&p);
}

/* Stored while it was being built: it goes on, and is not shown before it is whole. */
static void test_half_built(void **state)
{
	(void)state;
	struct kvs *k = new_core();
	struct kvs_row_meta m = meta(3, 12, 10, 10);
	assert_int_equal(kvs_load_row(k, &m), OK);
	assert_int_equal(load_entry(k, 3, "a", "x"), OK);
	kvs_start(k, 5);
	struct kvs_counters c;
	kvs_count(k, &c);
	assert_int_equal(c.entries, 0);
	assert_true(c.bytes > 0);
	kvs_free(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused_rows),
		cmocka_unit_test(test_refused_entries),
		cmocka_unit_test(test_loaded_is_known),
		cmocka_unit_test(test_a_register_that_cannot_be_read),
		cmocka_unit_test(test_differing_bytes),
		cmocka_unit_test(test_differing_without_owner),
		cmocka_unit_test(test_inexact_settle),
		cmocka_unit_test(test_half_built),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
