/* Changes travel by push, announcement and pull, with repair too rare to help. */
#include "pair.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void start(struct pair *p, size_t n, uint32_t mesh_max)
{
	pair_init(p);
	p->features = RPC_FEATURE_BROADCAST;
	for (size_t i = 0; i < n; i++) {
		struct kvs_config c = pair_config(i);
		c.repair_interval_ms = 1000 * 1000;
		c.mesh_max = mesh_max;
		pair_start(p, i, &c);
	}
}

static void link_all(struct pair *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t j = i + 1; j < n; j++)
			pair_link(p, i, j);
	pair_run(p, p->now_ms + 500);
}

static void a_mesh_hears_it_at_once_and_nobody_relays(void **state)
{
	(void)state;
	struct pair p;
	start(&p, 4, 0);
	link_all(&p, 4);
	uint64_t before = p.sent[RPC_ROW_FRAME];
	pair_put(&p, 0, "a", "1");
	pair_run(&p, p.now_ms + 1);
	for (size_t i = 1; i < 4; i++)
		assert_string_equal(pair_get(&p, i, 0, "a"), "1");
	pair_run(&p, p.now_ms + 1000);
	assert_int_equal(p.sent[RPC_ROW_FRAME] - before, 3);
	pair_fini(&p);
}

static void it_is_relayed_where_the_owner_does_not_reach(void **state)
{
	(void)state;
	struct pair p;
	start(&p, 3, 0);
	pair_link(&p, 0, 1);
	pair_link(&p, 1, 2);
	pair_run(&p, p.now_ms + 500);
	/* Announced, pulled, and grafted after the second. */
	for (unsigned i = 0; i < 2; i++) {
		pair_put(&p, 0, "a", i == 0 ? "1" : "2");
		pair_run(&p, p.now_ms + 300);
		assert_string_equal(pair_get(&p, 2, 0, "a"), i == 0 ? "1" : "2");
	}
	pair_put(&p, 0, "a", "3");
	pair_run(&p, p.now_ms + 1);
	assert_string_equal(pair_get(&p, 2, 0, "a"), "3");
	pair_delete(&p, 0, "a");
	pair_run(&p, p.now_ms + 1);
	assert_string_equal(pair_get(&p, 2, 0, "a"), "");
	pair_fini(&p);
}

/* In a tree every node gets an update once, after the first few. */
static void duplicates_prune(void **state)
{
	(void)state;
	struct pair p;
	start(&p, 4, 1);
	link_all(&p, 4);
	for (unsigned i = 0; i < 6; i++) {
		pair_put(&p, 0, "a", i % 2 == 0 ? "1" : "2");
		pair_run(&p, p.now_ms + 300);
	}
	assert_true(p.sent[RPC_TREE] > 0);
	uint64_t before = p.sent[RPC_ROW_FRAME];
	pair_put(&p, 0, "a", "last");
	pair_run(&p, p.now_ms + 500);
	assert_int_equal(p.sent[RPC_ROW_FRAME] - before, 3);
	for (size_t i = 1; i < 4; i++)
		assert_string_equal(pair_get(&p, i, 0, "a"), "last");
	pair_fini(&p);
}

static bool lose_pushes_to_2(void *arg, size_t from, size_t to, const struct rpc_msg *m)
{
	(void)arg;
	return !(m->kind == RPC_ROW_FRAME && !m->row_frame.repair && to == 2 && from == 0);
}

static void what_is_lost_is_pulled_elsewhere_and_grafted(void **state)
{
	(void)state;
	struct pair p;
	start(&p, 3, 0);
	link_all(&p, 3);
	p.filter = lose_pushes_to_2;
	pair_put(&p, 0, "a", "1");
	pair_run(&p, p.now_ms + 10);
	assert_string_equal(pair_get(&p, 2, 0, "a"), "");
	pair_run(&p, p.now_ms + 300); /* announced after 100 ms, pulled 30 ms later */
	assert_string_equal(pair_get(&p, 2, 0, "a"), "1");
	assert_true(p.sent[RPC_PULL] > 0);
	pair_put(&p, 0, "b", "2");
	pair_run(&p, p.now_ms + 300);
	assert_string_equal(pair_get(&p, 2, 0, "b"), "2");
	assert_true(p.sent[RPC_TREE] > 0);
	pair_fini(&p);
}

static bool lose_pushes(void *arg, size_t from, size_t to, const struct rpc_msg *m)
{
	(void)arg, (void)from, (void)to;
	return m->kind != RPC_ROW_FRAME || m->row_frame.repair;
}

/* Each entry by what brought it; a gap is no copy too many. */
static void assert_counted(const struct pair *p, const struct kvs_counters *before)
{
	struct kvs_counters c;
	kvs_count(p->nodes[1].k, &c);
	assert_int_equal(c.frames_gap - before->frames_gap, 1);
	assert_int_equal(c.frames_duplicate, before->frames_duplicate);
	assert_int_equal(c.pulls - before->pulls, 1);
	assert_int_equal(c.entries_pulled - before->entries_pulled, 2);
	assert_int_equal(c.entries_repaired, before->entries_repaired);
	assert_int_equal(c.entries_applied - before->entries_applied, 2);
}

/* The next push shows the gap; it is not applied over it (R3). */
static void a_gap_is_pulled(void **state)
{
	(void)state;
	struct pair p;
	start(&p, 2, 0);
	link_all(&p, 2);
	struct kvs_counters before;
	kvs_count(p.nodes[1].k, &before);
	assert_true(before.entries_repaired > 0); /* registers, which the first comparison found */
	p.filter = lose_pushes;
	pair_put(&p, 0, "a", "1");
	pair_run(&p, p.now_ms + 500);
	assert_string_equal(pair_get(&p, 1, 0, "a"), ""); /* who pushed does not announce too */
	p.filter = NULL;
	pair_put(&p, 0, "b", "2");
	pair_run(&p, p.now_ms + 1);
	assert_string_equal(pair_get(&p, 1, 0, "b"), "");
	pair_run(&p, p.now_ms + 100);
	assert_string_equal(pair_get(&p, 1, 0, "a"), "1");
	assert_string_equal(pair_get(&p, 1, 0, "b"), "2");
	assert_counted(&p, &before);
	pair_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mesh_hears_it_at_once_and_nobody_relays),
		cmocka_unit_test(it_is_relayed_where_the_owner_does_not_reach),
		cmocka_unit_test(duplicates_prune),
		cmocka_unit_test(what_is_lost_is_pulled_elsewhere_and_grafted),
		cmocka_unit_test(a_gap_is_pulled),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
