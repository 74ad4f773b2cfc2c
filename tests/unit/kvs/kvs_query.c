/* What is read of a replica: rows as they are shown, and single entries. */
#include "pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const struct node_id OTHER = { { 200 } };

static void test_rows(void **state)
{
	(void)state;
	struct pair p;
	pair_init(&p);
	for (size_t i = 0; i < 2; i++) {
		struct kvs_config c = pair_config(i);
		pair_start(&p, i, &c);
	}
	pair_put(&p, 1, "a", "1");
	pair_put(&p, 1, "b", "2");
	pair_delete(&p, 1, "a");
	struct kvs_row mine, theirs;
	assert_false(kvs_row_of(p.nodes[0].k, &p.nodes[1].id, RPC_LOCATIONS, &theirs));
	pair_link(&p, 0, 1);
	pair_run(&p, p.now_ms + 3000);

	assert_true(kvs_row_of(p.nodes[0].k, &p.nodes[1].id, RPC_LOCATIONS, &theirs));
	assert_true(kvs_row_of(p.nodes[1].k, &p.nodes[1].id, RPC_LOCATIONS, &mine));
	assert_int_equal(theirs.meta.have, 3);
	assert_int_equal(theirs.meta.incarnation.nonce, 1);
	assert_int_equal(theirs.entries, 1);
	assert_int_equal(theirs.tombstones, 1);
	assert_true(theirs.exact);
	assert_true(mine.fingerprint == theirs.fingerprint && theirs.fingerprint != 0);

	/* In order of owner and stream, and each what kvs_row_of says. */
	struct kvs_row r, last = { 0 };
	size_t shown = 0;
	for (size_t i = 0; i < kvs_rows_n(p.nodes[0].k); i++) {
		if (!kvs_row_at(p.nodes[0].k, i, &r))
			continue;
		int order = node_id_cmp(&last.meta.owner, &r.meta.owner);
		assert_true(shown == 0 || order < 0 || (order == 0 && last.meta.stream < r.meta.stream));
		assert_true(kvs_row_of(p.nodes[0].k, &r.meta.owner, r.meta.stream, &last));
		assert_true(last.fingerprint == r.fingerprint && last.meta.have == r.meta.have);
		shown++;
	}
	assert_true(shown >= 3);

	/* One write more: the prints part, and meet again. */
	pair_put(&p, 1, "c", "3");
	assert_true(kvs_row_of(p.nodes[1].k, &p.nodes[1].id, RPC_LOCATIONS, &mine));
	assert_true(mine.fingerprint != theirs.fingerprint && mine.entries == 2);
	pair_run(&p, p.now_ms + 3000);
	assert_true(kvs_row_of(p.nodes[0].k, &p.nodes[1].id, RPC_LOCATIONS, &theirs));
	assert_true(mine.fingerprint == theirs.fingerprint);
	pair_fini(&p);
}

static void test_entries(void **state)
{
	(void)state;
	struct pair p;
	struct rpc_entry e;
	pair_init(&p);
	struct kvs_config c = pair_config(0);
	pair_start(&p, 0, &c);
	pair_put(&p, 0, "a", "1");
	pair_put(&p, 0, "a", "2");
	pair_put(&p, 0, "b", "3");
	pair_delete(&p, 0, "b");
	assert_true(kvs_entry_of(p.nodes[0].k, &c.self, RPC_LOCATIONS, BYTES_LIT("a"), &e));
	assert_true(e.version == 2 && !e.deleted && bytes_eq(e.value, BYTES_LIT("2")));
	assert_true(kvs_entry_of(p.nodes[0].k, &c.self, RPC_LOCATIONS, BYTES_LIT("b"), &e));
	assert_true(e.version == 4 && e.deleted);
	assert_false(kvs_entry_of(p.nodes[0].k, &c.self, RPC_LOCATIONS, BYTES_LIT("c"), &e));
	assert_false(kvs_entry_of(p.nodes[0].k, &c.self, RPC_CONTROL, BYTES_LIT("a"), &e));
	assert_false(kvs_entry_of(p.nodes[0].k, &OTHER, RPC_LOCATIONS, BYTES_LIT("a"), &e));
	pair_fini(&p);
}

/* As the disk kept it: newer writes stand in for older ones, so it is not exact; one that was being built, or
 * did not fit together, is not shown. */
static void test_inexact_and_void(void **state)
{
	(void)state;
	struct kvs_config c = pair_config(0);
	struct kvs *k = kvs_new(&c);
	struct kvs_row_meta m = {
		.owner = OTHER, .stream = RPC_LOCATIONS, .incarnation = { 4, 5 }, .have = 3, .horizon = 8, .floor = 2
	};
	struct kvs_row r;
	assert_int_equal(kvs_load_row(k, &m), OK);
	assert_true(kvs_row_of(k, &OTHER, RPC_LOCATIONS, &r));
	assert_true(!r.exact && r.meta.horizon == 8 && r.meta.floor == 2 && r.entries == 0);
	m.stream = RPC_CONTROL;
	m.floor = 9;
	assert_int_equal(kvs_load_row(k, &m), ERR_CORRUPT);
	assert_false(kvs_row_of(k, &OTHER, RPC_CONTROL, &r));
	size_t shown = 0;
	for (size_t i = 0; i < kvs_rows_n(k); i++)
		shown += kvs_row_at(k, i, &r);
	assert_int_equal(shown, 1);
	kvs_free(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_entries),
		cmocka_unit_test(test_inexact_and_void),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
