/* Two to four replicas without faults: they get each other's rows, forget what is deleted, and know
 * who is there. */
#include "pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void start(struct pair *p, size_t n, const struct kvs_config *like)
{
	pair_init(p);
	for (size_t i = 0; i < n; i++) {
		struct kvs_config c = pair_config(i);
		if (like != NULL) {
			c.frame_bytes = like->frame_bytes;
			c.exchange_bytes = like->exchange_bytes;
			c.digest_rows = like->digest_rows;
			c.batch_bytes = like->batch_bytes;
			c.tombstones_min = like->tombstones_min;
		}
		pair_start(p, i, &c);
	}
}

static void assert_equal(struct pair *p, size_t n)
{
	for (size_t i = 1; i < n; i++)
		assert_int_equal(kvs_fingerprint(p->nodes[i].k), kvs_fingerprint(p->nodes[0].k));
}

static void test_converge(void **state)
{
	(void)state;
	struct pair p;
	start(&p, 2, NULL);
	pair_put(&p, 0, "a", "1");
	pair_put(&p, 1, "b", "2");
	pair_link(&p, 0, 1);
	pair_run(&p, p.now_ms + 10);
	/* At once on link up, not at the next interval. */
	assert_string_equal(pair_get(&p, 1, 0, "a"), "1");
	assert_string_equal(pair_get(&p, 0, 1, "b"), "2");
	assert_equal(&p, 2);
	pair_put(&p, 0, "a", "3");
	pair_delete(&p, 1, "b");
	pair_run(&p, p.now_ms + 3000);
	assert_string_equal(pair_get(&p, 1, 0, "a"), "3");
	assert_string_equal(pair_get(&p, 0, 1, "b"), "");
	assert_equal(&p, 2);
	pair_fini(&p);
}

/* Many entries and rows, small budgets: pages, frames and continuations. */
static void test_small_budgets(void **state)
{
	(void)state;
	struct pair p;
	struct kvs_config like = {
		.frame_bytes = 200, .exchange_bytes = 1000, .digest_rows = 2, .batch_bytes = 300
	};
	start(&p, 3, &like);
	char key[32], value[64];
	for (int i = 0; i < 500; i++) {
		snprintf(key, sizeof(key), "key-%d", i);
		snprintf(value, sizeof(value), "value-%d", i);
		pair_put(&p, 0, key, value);
	}
	pair_run(&p, p.now_ms + 10);
	pair_link(&p, 0, 1);
	pair_run(&p, p.now_ms + 20);
	assert_equal(&p, 2);
	assert_string_equal(pair_get(&p, 1, 0, "key-499"), "value-499");
	/* And through a relay, from 0 to 2 by 1 alone. */
	pair_link(&p, 1, 2);
	pair_run(&p, p.now_ms + 3000);
	assert_string_equal(pair_get(&p, 2, 0, "key-0"), "value-0");
	/* 0 and 2 never meet, and say so: that has to get round, too. */
	pair_run(&p, p.now_ms + 5000);
	assert_equal(&p, 3);
	pair_fini(&p);
}

/* R4: tombstones go, and a replica that was away below the floor gets the row anew. */
static void test_floor(void **state)
{
	(void)state;
	struct pair p;
	struct kvs_config like = { .tombstones_min = 4, .frame_bytes = 200, .exchange_bytes = 400 };
	start(&p, 2, &like);
	char key[32];
	for (int i = 0; i < 30; i++) {
		snprintf(key, sizeof(key), "key-%d", i);
		pair_put(&p, 0, key, "x");
	}
	pair_link(&p, 0, 1);
	pair_run(&p, p.now_ms + 3000);
	assert_equal(&p, 2);
	pair_unlink(&p, 0, 1, false);
	for (int i = 0; i < 20; i++) {
		snprintf(key, sizeof(key), "key-%d", i);
		pair_delete(&p, 0, key);
	}
	struct kvs_counters c;
	kvs_count(p.nodes[0].k, &c);
	assert_true(c.tombstones < 10);
	assert_string_equal(pair_get(&p, 1, 0, "key-3"), "x");
	pair_link(&p, 0, 1);
	pair_run(&p, p.now_ms + 3000);
	assert_string_equal(pair_get(&p, 1, 0, "key-3"), "");
	assert_string_equal(pair_get(&p, 1, 0, "key-25"), "x");
	assert_equal(&p, 2);
	pair_fini(&p);
}

static void test_members(void **state)
{
	(void)state;
	struct pair p;
	start(&p, 3, NULL);
	pair_link(&p, 0, 1);
	pair_link(&p, 1, 2);
	pair_run(&p, p.now_ms + 4000);
	struct kvs_member m;
	assert_int_equal(kvs_members_n(p.nodes[0].k), 3);
	kvs_member_at(p.nodes[0].k, 1, &m);
	assert_true(m.linked && m.liveness == KVS_ALIVE && m.reg != NULL && m.reg->state == NODE_READY);
	/* Never linked, heard of through node 1. */
	kvs_member_at(p.nodes[0].k, 2, &m);
	assert_true(!m.linked && m.reg != NULL);
	assert_true(bytes_eq(m.reg->name, BYTES_LIT("n2")));

	pair_step(&p, 1, &(struct kvs_input){ .kind = KVS_IN_STATE, .state = NODE_DRAINING });
	pair_run(&p, p.now_ms + 3000);
	kvs_member_at(p.nodes[0].k, 1, &m);
	assert_int_equal(m.reg->state, NODE_DRAINING);
	assert_int_equal(pair_events(&p, 0, KVS_EVENT_NODE_STATE), 1);

	pair_unlink(&p, 0, 1, false);
	kvs_member_at(p.nodes[0].k, 1, &m);
	assert_int_equal(m.liveness, KVS_SUSPECT);
	pair_link(&p, 0, 1);
	kvs_member_at(p.nodes[0].k, 1, &m);
	assert_int_equal(m.liveness, KVS_ALIVE);
	pair_unlink(&p, 0, 1, true); /* nobody need suspect anything */
	kvs_member_at(p.nodes[0].k, 1, &m);
	assert_int_equal(m.liveness, KVS_ALIVE);
	pair_fini(&p);
}

/* 4 MB at 32 MB a second: whoever is asked, and the links, have room for the rest meanwhile. */
static void bulk_is_asked_for_at_a_rate(void **state)
{
	(void)state;
	enum { ENTRIES = 2000, BYTES = 2000 };
	struct pair p;
	char value[BYTES + 1], key[32];
	memset(value, 'v', BYTES);
	value[BYTES] = '\0';
	pair_init(&p);
	p.features = RPC_FEATURE_BROADCAST | RPC_FEATURE_RANGES;
	struct kvs_config c = pair_config(0);
	pair_start(&p, 0, &c);
	for (int i = 0; i < ENTRIES; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		pair_put(&p, 0, key, value);
	}
	c = pair_config(1);
	pair_start(&p, 1, &c);
	pair_link(&p, 0, 1);
	uint64_t began_ms = p.now_ms;
	snprintf(key, sizeof(key), "k%d", ENTRIES - 1);
	while (*pair_get(&p, 1, 0, key) == '\0') {
		assert_true(p.now_ms - began_ms < 10 * 1000);
		pair_run(&p, p.now_ms + 1);
	}
	assert_in_range(
	    p.now_ms - began_ms, (uint64_t)ENTRIES * BYTES * 1000 / KVS_BULK_BYTES_PER_S * 9 / 10, 1000);
	pair_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bulk_is_asked_for_at_a_rate),
		cmocka_unit_test(test_converge),
		cmocka_unit_test(test_small_budgets),
		cmocka_unit_test(test_floor),
		cmocka_unit_test(test_members),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
