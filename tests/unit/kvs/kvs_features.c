/* A replica among others of an older version: what the link's other side cannot do is not done on that link,
 * on the others it is, and all replicas come to the same (V2). */
#include "pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { OLD = 2, NODES = 3 };

/* Messages by kind, on links to or from the old node, and on the other. */
struct counts {
	uint64_t with_old[RPC_KINDS], among_new[RPC_KINDS];
};

static bool count(void *arg, size_t from, size_t to, const struct rpc_msg *m)
{
	struct counts *c = arg;
	(from == OLD || to == OLD ? c->with_old : c->among_new)[m->kind]++;
	return true;
}

static void assert_all_have(struct pair *p, size_t owner, const char *key, const char *value)
{
	for (size_t i = 0; i < NODES; i++)
		assert_string_equal(pair_get(p, i, owner, key), value);
}

static void mixed(uint64_t features, const enum rpc_kind *theirs, size_t theirs_n)
{
	struct pair p;
	struct counts c = { 0 };
	pair_init(&p);
	p.filter = count;
	p.filter_arg = &c;
	for (size_t i = 0; i < NODES; i++) {
		struct kvs_config config = pair_config(i);
		config.repair_interval_ms = 500;
		pair_start(&p, i, &config);
	}
	p.features = features;
	pair_link(&p, 0, 1);
	p.features = 0;
	pair_link(&p, 0, OLD);
	pair_link(&p, 1, OLD);
	for (unsigned i = 0; i < 40; i++) {
		char value[16];
		(void)snprintf(value, sizeof(value), "%u", i);
		for (size_t owner = 0; owner < NODES; owner++)
			pair_put(&p, owner, "a", value);
		pair_run(&p, p.now_ms + 200);
	}
	pair_run(&p, p.now_ms + 5000);
	for (size_t owner = 0; owner < NODES; owner++)
		assert_all_have(&p, owner, "a", "39");
	for (size_t i = 1; i < NODES; i++)
		assert_int_equal(kvs_fingerprint(p.nodes[0].k), kvs_fingerprint(p.nodes[i].k));
	uint64_t among_new = 0;
	for (size_t i = 0; i < theirs_n; i++) {
		among_new += c.among_new[theirs[i]];
		assert_int_equal(c.with_old[theirs[i]], 0);
	}
	assert_true(among_new > 0);
	assert_true(c.with_old[RPC_DIGEST] > 0 && c.with_old[RPC_ROW_FRAME] > 0);
	pair_fini(&p);
}

static void broadcast_where_both_can(void **state)
{
	(void)state;
	mixed(RPC_FEATURE_BROADCAST, (const enum rpc_kind[]){ RPC_ANNOUNCE, RPC_PULL, RPC_TREE }, 3);
}

static void ranges_where_both_can(void **state)
{
	(void)state;
	mixed(RPC_FEATURE_BROADCAST | RPC_FEATURE_RANGES, (const enum rpc_kind[]){ RPC_RANGES }, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(broadcast_where_both_can),
		cmocka_unit_test(ranges_where_both_can),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
