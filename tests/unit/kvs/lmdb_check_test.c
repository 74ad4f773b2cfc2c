/* The check of data files: whatever LMDB itself writes must pass. A false alarm would cost a node its
 * identity. */
#include "store_fixture.h"

#include "base/prng.h"
#include "kvs/lmdb_check.h"

#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void assert_sound(struct fixture *f)
{
	static const char *const files[] = { "self/data.mdb", "view/data.mdb" };
	for (unsigned i = 0; i < 2; i++) {
		const char *why = "";
		enum err e = lmdb_check_file(path_in(f, files[i]), &why);
		if (e != OK)
			print_error("%s: %s\n", files[i], why);
		assert_int_equal(e, OK);
	}
}

static void test_no_file(void **state)
{
	struct fixture *f = *state;
	const char *why = NULL;
	assert_int_equal(lmdb_check_file(path_in(f, "none"), &why), ERR_NOT_FOUND);
	assert_null(why);
}

static void test_a_new_store(void **state)
{
	struct fixture *f = *state;
	reopen(f);
	assert_sound(f);
	close_store(f);
	assert_sound(f);
}

/* So many holders of one content that they take many bundles, and are swept out again. */
static void test_many_holders_of_one_content(void **state)
{
	struct fixture *f = *state;
	reopen(f);
	for (unsigned i = 0; i < 3000; i++) {
		if (i % 100 == 0) {
			if (i > 0)
				assert_int_equal(kvs_store_commit(f->store), OK);
			assert_sound(f);
			assert_int_equal(kvs_store_begin(f->store), OK);
		}
		struct kvs_op op = op_location(f, node(i * 7919 % 3000), 1, "hot");
		assert_int_equal(kvs_store_apply(f->store, &op, 1), OK);
	}
	assert_int_equal(kvs_store_commit(f->store), OK);
	assert_sound(f);
	for (unsigned i = 0; i < 3000; i += 50) {
		assert_int_equal(kvs_store_begin(f->store), OK);
		for (unsigned j = i; j < i + 50; j++) {
			struct kvs_op op = op_drop_row(node(j), RPC_LOCATIONS);
			assert_int_equal(kvs_store_apply(f->store, &op, 1), OK);
		}
		assert_int_equal(kvs_store_commit(f->store), OK);
		assert_sound(f);
	}
}

/* The first layout of the view had a table of duplicates: it is to be known as old, not as damaged. */
static void test_a_table_of_duplicates(void **state)
{
	struct fixture *f = *state;
	reopen(f);
	close_store(f);
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi table;
	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_set_maxdbs(env, 8), 0);
	assert_int_equal(mdb_env_open(env, path_in(f, "view"), 0, 0600), 0);
	for (uint32_t i = 0; i < 5000; i++) {
		uint32_t key = i % 3, value = i * 7919;
		MDB_val k = { sizeof(key), &key }, v = { sizeof(value), &value };
		if (i % 100 == 0)
			assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
		assert_int_equal(mdb_dbi_open(txn, "holders", MDB_CREATE | MDB_DUPSORT | MDB_DUPFIXED, &table), 0);
		assert_int_equal(mdb_put(txn, table, &k, &v, 0), 0);
		if (i % 100 == 99) {
			assert_int_equal(mdb_txn_commit(txn), 0);
			assert_sound(f);
		}
	}
	mdb_env_close(env);
}

/* One random write: values of all sizes, so that they move onto pages of their own and back. */
static struct kvs_op random_op(struct fixture *f, struct prng *p, uint64_t version)
{
	static char large[RPC_VALUE_MAX + 1];
	memset(large, 'x', RPC_VALUE_MAX);
	struct node_id owner = prng_chance(p, 300) ? f->id.self : node((unsigned)prng_below(p, 12));
	char *text = arena_printf(&f->arena, "lv%llu", (unsigned long long)prng_below(p, 300));
	assert_non_null(text);
	switch (prng_below(p, 20)) {
	case 0: return op_drop_row(owner, prng_chance(p, 500) ? RPC_LOCATIONS : RPC_CONTROL);
	case 1:
	case 2: return op_no_location(f, owner, version, text);
	case 3: return op_drop_entry(owner, RPC_CONTROL, text);
	case 4:
	case 5: return op_delete(owner, RPC_CONTROL, version, text);
	case 6:
	case 7:
	case 8: return op_row(f, owner, RPC_CONTROL, f->id.incarnation, version);
	case 9:
	case 10:
	case 11:
	case 12:
	case 13:
		return op_put(owner, RPC_CONTROL, version, text,
		    large + RPC_VALUE_MAX - prng_below(p, prng_chance(p, 200) ? RPC_VALUE_MAX : 200));
	default: return op_location(f, owner, version, text);
	}
}

static void test_random_writes(void **state)
{
	struct fixture *f = *state;
	struct prng p;
	uint64_t version = 1;
	prng_init(&p, 11);
	reopen(f);
	for (unsigned group = 0; group < 400; group++) {
		uint64_t ops = 1 + prng_below(&p, prng_chance(&p, 50) ? 3000 : 30);
		assert_int_equal(kvs_store_begin(f->store), OK);
		for (uint64_t i = 0; i < ops; i++) {
			struct kvs_op op = random_op(f, &p, ++version);
			assert_int_equal(kvs_store_apply(f->store, &op, 1), OK);
			if (f->arena.used > (8 << 20))
				arena_reset(&f->arena);
		}
		if (prng_chance(&p, 100))
			kvs_store_abort(f->store);
		else
			assert_int_equal(kvs_store_commit(f->store), OK);
		assert_sound(f);
		if (prng_chance(&p, 20)) {
			reopen(f);
			assert_false(f->report.self_set_aside || f->report.view_set_aside);
		}
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_no_file),
		TEST(test_a_new_store),
		TEST(test_many_holders_of_one_content),
		TEST(test_a_table_of_duplicates),
		TEST(test_random_writes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
