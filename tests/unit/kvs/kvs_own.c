/* Own rows: stored before they are shown (R5), incarnations (R2), and what only the owner may write (R1). */
#include "pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void start(struct pair *p, size_t n)
{
	pair_init(p);
	for (size_t i = 0; i < n; i++) {
		struct kvs_config c = pair_config(i);
		pair_start(p, i, &c);
	}
}

static bool no_unstored(void *arg, size_t from, size_t to, const struct rpc_msg *m)
{
	(void)to;
	struct pair *p = arg;
	if (from != 0)
		return true;
	if (m->kind == RPC_ROW_FRAME && m->row_frame.stream == RPC_LOCATIONS)
		assert_true(m->row_frame.horizon <= 1);
	if (m->kind == RPC_DIGEST)
		for (size_t i = 0; i < m->digest.rows_n; i++)
			if (node_id_eq(&m->digest.rows[i].owner, &p->nodes[0].id) &&
			    m->digest.rows[i].stream == RPC_LOCATIONS)
				assert_true(m->digest.rows[i].horizon <= 1);
	return true;
}

static void test_stored_before_sent(void **state)
{
	(void)state;
	struct pair p;
	start(&p, 2);
	pair_put(&p, 0, "a", "1");
	pair_link(&p, 0, 1);
	pair_run(&p, p.now_ms + 10);
	p.nodes[0].hold_store = true;
	p.filter = no_unstored;
	p.filter_arg = &p;
	pair_put(&p, 0, "a", "2");
	pair_put(&p, 0, "b", "3");
	pair_run(&p, p.now_ms + 5000);
	assert_string_equal(pair_get(&p, 1, 0, "a"), "1");
	struct bytes value;
	assert_true(kvs_own_get(p.nodes[0].k, RPC_LOCATIONS, BYTES_LIT("b"), &value)); /* the owner knows */
	assert_true(bytes_eq(value, BYTES_LIT("3")));
	p.filter = NULL;
	p.nodes[0].hold_store = false;
	pair_store(&p, 0);
	pair_run(&p, p.now_ms + 3000);
	assert_string_equal(pair_get(&p, 1, 0, "a"), "2");
	assert_string_equal(pair_get(&p, 1, 0, "b"), "3");
	pair_fini(&p);
}

/* While one batch is with the store, what is written meanwhile becomes one further batch, one entry a key. */
static void test_coalesce(void **state)
{
	(void)state;
	struct pair p;
	start(&p, 1);
	p.nodes[0].hold_store = true;
	pair_put(&p, 0, "a", "0");
	uint64_t ops = p.nodes[0].ops, seq = p.nodes[0].last_seq;
	char value[16];
	for (int i = 1; i < 100; i++) {
		snprintf(value, sizeof(value), "%d", i);
		pair_put(&p, 0, "a", value);
	}
	assert_int_equal(p.nodes[0].ops, ops);
	pair_store(&p, 0);
	assert_int_equal(p.nodes[0].last_seq, seq + 1);
	assert_int_equal(p.nodes[0].ops, ops + 2); /* the row, the entry */
	pair_store(&p, 0);
	assert_string_equal(pair_get(&p, 0, 0, "a"), "99");
	pair_fini(&p);
}

static void test_no_write(void **state)
{
	(void)state;
	struct pair p;
	start(&p, 1);
	pair_put(&p, 0, "a", "1");
	uint64_t ops = p.nodes[0].ops;
	pair_put(&p, 0, "a", "1");
	pair_delete(&p, 0, "never there");
	assert_int_equal(p.nodes[0].ops, ops);
	pair_delete(&p, 0, "a");
	assert_true(p.nodes[0].ops > ops);
	ops = p.nodes[0].ops;
	pair_delete(&p, 0, "a");
	assert_int_equal(p.nodes[0].ops, ops);
	struct bytes value;
	assert_false(kvs_own_get(p.nodes[0].k, RPC_LOCATIONS, BYTES_LIT("a"), &value));
	pair_fini(&p);
}

/* A full disk: nothing more is given to the store, nothing is lost, and one event says so. */
static void test_mute(void **state)
{
	(void)state;
	struct pair p;
	start(&p, 2);
	pair_link(&p, 0, 1);
	pair_run(&p, p.now_ms + 10);
	p.nodes[0].hold_store = true;
	pair_put(&p, 0, "a", "1");
	uint64_t seq = p.nodes[0].last_seq;
	pair_step(&p, 0, &(struct kvs_input){ .kind = KVS_IN_STORE_FAILED });
	pair_step(&p, 0, &(struct kvs_input){ .kind = KVS_IN_STORE_FAILED });
	assert_int_equal(pair_events(&p, 0, KVS_EVENT_MUTE), 1);
	pair_put(&p, 0, "b", "2");
	pair_put(&p, 1, "c", "3");
	pair_run(&p, p.now_ms + 3000);
	assert_int_equal(p.nodes[0].last_seq, seq);
	assert_string_equal(pair_get(&p, 0, 1, "c"), "3"); /* it still hears */
	struct kvs_member m;
	kvs_member_at(p.nodes[1].k, 0, &m);
	assert_int_equal(m.liveness, KVS_ALIVE); /* and is heard */
	p.nodes[0].hold_store = false;
	pair_store(&p, 0);
	pair_run(&p, p.now_ms + 3000);
	assert_string_equal(pair_get(&p, 1, 0, "a"), "1");
	assert_string_equal(pair_get(&p, 1, 0, "b"), "2");
	assert_int_equal(kvs_fingerprint(p.nodes[0].k), kvs_fingerprint(p.nodes[1].k));
	pair_fini(&p);
}

/* A store that never answers: a bounded number of batches waits there, the rest here. */
static void test_batches_bounded(void **state)
{
	(void)state;
	struct pair p;
	start(&p, 2);
	pair_link(&p, 0, 1);
	pair_run(&p, p.now_ms + 10);
	p.nodes[0].hold_store = true;
	uint64_t seq = p.nodes[0].last_seq;
	char key[16];
	for (int i = 0; i < 3 * KVS_BATCHES_MAX; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		pair_put(&p, 1, key, "x");
		pair_run(&p, p.now_ms + 1500);
	}
	assert_true(p.nodes[0].last_seq - seq <= KVS_BATCHES_MAX);
	assert_string_equal(pair_get(&p, 0, 1, key), "x");
	pair_fini(&p);
}

static void deliver(struct pair *p, size_t to, const struct rpc_msg *m)
{
	struct kvs_input in = { .kind = KVS_IN_MESSAGE };
	in.message.link = 101; /* of 0 and 1 */
	in.message.m = m;
	in.message.room = KVS_LINK_WINDOW;
	pair_step(p, to, &in);
}

static struct rpc_msg frame_about(
    const struct pair *p, size_t owner, uint64_t count, const struct rpc_entry *e)
{
	struct rpc_msg m = { .kind = RPC_ROW_FRAME };
	m.row_frame = (struct rpc_row_frame){ .owner = p->nodes[owner].id,
		.stream = RPC_LOCATIONS,
		.incarnation = { count, 99 },
		.to = e->version,
		.horizon = e->version,
		.entries = e,
		.entries_n = 1 };
	return m;
}

/* R1: what others say about own rows is never applied; a later own incarnation is jumped above. */
static void test_jump_and_duplicate(void **state)
{
	(void)state;
	struct pair p;
	start(&p, 2);
	pair_put(&p, 0, "a", "1");
	pair_link(&p, 0, 1);
	pair_run(&p, p.now_ms + 10);
	const struct rpc_entry foreign = { .version = 50, .key = BYTES_LIT("a"), .value = BYTES_LIT("evil") };
	struct rpc_msg m = frame_about(&p, 0, 7, &foreign);
	deliver(&p, 0, &m);
	assert_string_equal(pair_get(&p, 0, 0, "a"), "1");
	assert_int_equal(pair_events(&p, 0, KVS_EVENT_OWN_JUMPED), 1);
	assert_true(kvs_incarnation(p.nodes[0].k).count > 7);
	/* The history goes on under the new name: who has it keeps it. */
	assert_int_equal(p.nodes[0].control.ancestors_n, 1);
	assert_int_equal(p.nodes[0].control.ancestors[0].incarnation.count, 1);
	pair_run(&p, p.now_ms + 3000);
	assert_string_equal(pair_get(&p, 1, 0, "a"), "1");
	assert_int_equal(kvs_fingerprint(p.nodes[0].k), kvs_fingerprint(p.nodes[1].k));
	/* A lower one is history, and no news. */
	m = frame_about(&p, 0, 8, &foreign);
	deliver(&p, 0, &m);
	assert_int_equal(pair_events(&p, 0, KVS_EVENT_OWN_JUMPED), 1);
	/* Another process that jumps above each time. */
	for (int i = 0; i < 3; i++) {
		m = frame_about(&p, 0, kvs_incarnation(p.nodes[0].k).count + 1, &foreign);
		deliver(&p, 0, &m);
	}
	assert_int_equal(pair_events(&p, 0, KVS_EVENT_DUPLICATE_ID), 1);
	uint64_t ops = p.nodes[0].ops;
	pair_put(&p, 0, "b", "2");
	assert_int_equal(p.nodes[0].ops, ops);
	pair_fini(&p);
}

/* A jump is shown only when the store holds it, and what is seen meanwhile is no second one. */
static void test_jump_is_stored_first(void **state)
{
	(void)state;
	struct pair p;
	start(&p, 2);
	pair_link(&p, 0, 1);
	pair_run(&p, p.now_ms + 10);
	p.nodes[0].hold_store = true;
	const struct rpc_entry e = { .version = 1, .key = BYTES_LIT("a"), .value = BYTES_LIT("x") };
	for (uint64_t count = 5; count < 5000; count += 1500) {
		struct rpc_msg m = frame_about(&p, 0, count, &e);
		deliver(&p, 0, &m);
		assert_int_equal(kvs_incarnation(p.nodes[0].k).count, 1);
		assert_false(p.nodes[0].out.incarnation_changed);
	}
	p.nodes[0].hold_store = false;
	pair_store(&p, 0);
	pair_store(&p, 0);
	assert_true(kvs_incarnation(p.nodes[0].k).count > 4505);
	assert_int_equal(pair_events(&p, 0, KVS_EVENT_DUPLICATE_ID), 0);
	pair_fini(&p);
}

/* A restart that kept its rows costs its peers a rename; the load row begins anew. */
static void test_inherit(void **state)
{
	(void)state;
	struct pair p;
	start(&p, 2);
	pair_put(&p, 0, "a", "1");
	pair_put(&p, 0, "b", "2");
	pair_link(&p, 0, 1);
	pair_run(&p, p.now_ms + 2000);
	pair_unlink(&p, 0, 1, false);

	struct pair_node *n = &p.nodes[0];
	kvs_free(n->k);
	struct kvs_config c = pair_config(0);
	c.inherits = c.incarnation;
	c.incarnation = (struct incarnation){ 2, 5 };
	n->k = kvs_new(&c);
	const struct kvs_row_meta meta = {
		.owner = n->id, .stream = RPC_LOCATIONS, .incarnation = c.inherits, .have = 2, .horizon = 2
	};
	const struct rpc_entry a = { .version = 1, .key = BYTES_LIT("a"), .value = BYTES_LIT("1") };
	const struct rpc_entry b = { .version = 2, .key = BYTES_LIT("b"), .value = BYTES_LIT("2") };
	assert_int_equal(kvs_load_row(n->k, &meta), OK);
	assert_int_equal(kvs_load_entry(n->k, &n->id, RPC_LOCATIONS, &a), OK);
	assert_int_equal(kvs_load_entry(n->k, &n->id, RPC_LOCATIONS, &b), OK);
	pair_start(&p, 0, &c);
	struct kvs_counters before, after;
	kvs_count(p.nodes[1].k, &before);
	pair_link(&p, 0, 1);
	pair_run(&p, p.now_ms + 10);
	kvs_count(p.nodes[1].k, &after);
	assert_string_equal(pair_get(&p, 1, 0, "b"), "2");
	assert_int_equal(kvs_fingerprint(p.nodes[0].k), kvs_fingerprint(p.nodes[1].k));
	/* The register alone: its row was not loaded. */
	assert_int_equal(after.entries_applied - before.entries_applied, 1);
	pair_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stored_before_sent),
		cmocka_unit_test(test_coalesce),
		cmocka_unit_test(test_no_write),
		cmocka_unit_test(test_mute),
		cmocka_unit_test(test_batches_bounded),
		cmocka_unit_test(test_jump_and_duplicate),
		cmocka_unit_test(test_jump_is_stored_first),
		cmocka_unit_test(test_inherit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
