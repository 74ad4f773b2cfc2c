/* What operators order: who records it, in which order it stands, and what an expel does. */
#include "pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { WALL_MS = 1000 * 1000 };

static void start(struct pair *p, size_t n)
{
	pair_init(p);
	p->features = RPC_FEATURE_BROADCAST | RPC_FEATURE_RANGES;
	for (size_t i = 0; i < n; i++) {
		struct kvs_config c = pair_config(i);
		c.wall_ms = WALL_MS;
		pair_start(p, i, &c);
	}
}

static void link_all(struct pair *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t j = i + 1; j < n; j++)
			pair_link(p, i, j);
	pair_run(p, p->now_ms + 2000);
}

static uint64_t wall(const struct pair *p)
{
	return WALL_MS + p->now_ms - 1000;
}

static struct rpc_command_id order_at(
    struct pair *p, size_t i, enum rpc_command_kind kind, struct bytes subject, uint64_t wall_ms)
{
	static uint8_t next;
	struct kvs_input in = { .kind = KVS_IN_COMMAND };
	in.command.id.b[0] = ++next;
	in.command.kind = kind;
	in.command.subject = subject;
	in.command.wall_ms = wall_ms;
	assert_int_equal(kvs_command_check(p->nodes[i].k, kind, subject), OK);
	pair_step(p, i, &in);
	return in.command.id;
}

static struct rpc_command_id purge(struct pair *p, size_t i)
{
	return order_at(p, i, RPC_COMMAND_PURGE, BYTES_LIT("lv1"), wall(p));
}

static void expel(struct pair *p, size_t i, size_t whom, uint64_t wall_ms)
{
	(void)order_at(
	    p, i, RPC_COMMAND_EXPEL, bytes_of(p->nodes[whom].id.b, sizeof(p->nodes[whom].id.b)), wall_ms);
}

/* In how many rows it stands, as node `at` sees them. */
static size_t copies(const struct pair *p, size_t at, const struct rpc_command_id *id)
{
	uint8_t key[RPC_COMMAND_KEY_BYTES];
	size_t n = 0;
	struct rpc_entry e;
	rpc_command_key(id, key);
	for (size_t i = 0; i < PAIR_NODES; i++)
		n += kvs_entry_of(p->nodes[at].k, &p->nodes[i].id, RPC_CONTROL, bytes_of(key, sizeof(key)), &e) &&
		     !e.deleted;
	return n;
}

static bool expelled(const struct pair *p, size_t at, size_t whom)
{
	for (size_t i = 0; i < kvs_members_n(p->nodes[at].k); i++) {
		struct kvs_member m;
		kvs_member_at(p->nodes[at].k, i, &m);
		if (node_id_eq(&m.id, &p->nodes[whom].id))
			return m.expelled;
	}
	return false;
}

static void exactly_one_other_records_it(void **state)
{
	(void)state;
	struct pair p;
	start(&p, 4);
	link_all(&p, 4);
	for (size_t round = 0; round < 8; round++) {
		struct rpc_command_id id = purge(&p, 0);
		struct node_id by;
		pair_run(&p, p.now_ms + 500);
		assert_true(kvs_command_recorded(p.nodes[0].k, &id, &by));
		assert_false(node_id_eq(&by, &p.nodes[0].id));
		pair_run(&p, p.now_ms + 20000); /* nor does another one later */
		for (size_t i = 0; i < 4; i++)
			assert_int_equal(copies(&p, i, &id), 2);
	}
	pair_fini(&p);
}

static void alone_it_stands_as_not_recorded_until_somebody_comes(void **state)
{
	(void)state;
	struct pair p;
	struct node_id by;
	start(&p, 1);
	assert_false(kvs_has_company(p.nodes[0].k));
	struct rpc_command_id id = purge(&p, 0);
	assert_true(kvs_command_recorded(p.nodes[0].k, &id, &by));
	assert_true(node_id_eq(&by, &p.nodes[0].id));
	struct kvs_config c = pair_config(1);
	c.wall_ms = wall(&p);
	pair_start(&p, 1, &c);
	pair_link(&p, 0, 1);
	pair_run(&p, p.now_ms + 3000);
	assert_true(kvs_has_company(p.nodes[0].k));
	assert_true(kvs_command_recorded(p.nodes[0].k, &id, &by));
	assert_true(node_id_eq(&by, &p.nodes[1].id));
	pair_fini(&p);
}

static void it_is_not_told_before_it_is_stored(void **state)
{
	(void)state;
	struct pair p;
	struct node_id by;
	start(&p, 2);
	link_all(&p, 2);
	p.nodes[0].hold_store = true;
	struct rpc_command_id id = purge(&p, 0);
	pair_run(&p, p.now_ms + 500);
	assert_false(kvs_command_recorded(p.nodes[0].k, &id, &by));
	assert_int_equal(copies(&p, 1, &id), 0);
	p.nodes[0].hold_store = false;
	pair_store(&p, 0);
	pair_run(&p, p.now_ms + 500);
	assert_true(kvs_command_recorded(p.nodes[0].k, &id, &by));
	assert_true(node_id_eq(&by, &p.nodes[1].id));
	pair_fini(&p);
}

/* Whoever comes first in the order has a disk that hangs: the next one does it. */
static void a_further_one_records_it_when_the_first_does_not(void **state)
{
	(void)state;
	struct pair p;
	struct node_id by;
	bool late = false;
	start(&p, 4);
	link_all(&p, 4);
	for (size_t round = 0; round < 6; round++) {
		p.nodes[1].hold_store = true;
		struct rpc_command_id id = purge(&p, 0);
		pair_run(&p, p.now_ms + 500);
		assert_true(kvs_command_recorded(p.nodes[0].k, &id, &by));
		late |= node_id_eq(&by, &p.nodes[0].id);
		pair_run(&p, p.now_ms + 3000);
		assert_true(kvs_command_recorded(p.nodes[0].k, &id, &by));
		assert_false(node_id_eq(&by, &p.nodes[0].id));
		p.nodes[1].hold_store = false;
		pair_store(&p, 1);
		pair_run(&p, p.now_ms + 100);
	}
	assert_true(late); /* else it proves nothing */
	pair_fini(&p);
}

static void one_of_a_clock_far_ahead_waits(void **state)
{
	(void)state;
	struct pair p;
	struct node_id by;
	start(&p, 3);
	link_all(&p, 3);
	struct rpc_command_id id =
	    order_at(&p, 0, RPC_COMMAND_PURGE, BYTES_LIT("lv1"), wall(&p) + KVS_COMMAND_AHEAD_MS + 30000);
	pair_run(&p, p.now_ms + 20000);
	assert_int_equal(copies(&p, 1, &id), 1);
	assert_int_equal(pair_events(&p, 1, KVS_EVENT_COMMAND_AHEAD), 1);
	expel(&p, 0, 2, wall(&p) + KVS_COMMAND_AHEAD_MS + 30000);
	pair_run(&p, p.now_ms + 5000);
	assert_true(expelled(&p, 0, 2)); /* by its own clock it is time */
	assert_false(expelled(&p, 1, 2));
	pair_run(&p, p.now_ms + 40000);
	assert_int_equal(copies(&p, 1, &id), 2);
	assert_true(expelled(&p, 1, 2));
	assert_true(kvs_command_recorded(p.nodes[0].k, &id, &by));
	pair_fini(&p);
}

static void an_order_comes_after_all_that_its_node_had_seen(void **state)
{
	(void)state;
	struct pair p;
	start(&p, 2);
	link_all(&p, 2);
	/* Node 1's clock is behind: node 0 expels nobody, but its purge moves the clock of node 1. */
	(void)order_at(&p, 0, RPC_COMMAND_PURGE, BYTES_LIT("a"), wall(&p) + 30000);
	pair_run(&p, p.now_ms + 500);
	struct rpc_command_id id = order_at(&p, 1, RPC_COMMAND_PURGE, BYTES_LIT("b"), wall(&p));
	pair_run(&p, p.now_ms + 500);
	uint8_t key[RPC_COMMAND_KEY_BYTES];
	struct rpc_entry e;
	struct rpc_command c;
	struct arena a;
	arena_init(&a, RPC_ARENA_MAX);
	rpc_command_key(&id, key);
	assert_true(kvs_entry_of(p.nodes[1].k, &p.nodes[1].id, RPC_CONTROL, bytes_of(key, sizeof(key)), &e));
	assert_int_equal(rpc_decode_command(e.value, &a, &c), OK);
	assert_int_equal(c.at.wall_ms, wall(&p) - 1000 + 30000);
	assert_int_equal(c.at.counter, 1);
	arena_fini(&a);
	pair_fini(&p);
}

static void an_expelled_node_is_out_everywhere_and_falls_silent(void **state)
{
	(void)state;
	struct pair p;
	start(&p, 4);
	link_all(&p, 4);
	expel(&p, 0, 3, wall(&p));
	pair_run(&p, p.now_ms + 3000);
	for (size_t i = 0; i < 3; i++) {
		assert_true(expelled(&p, i, 3));
		assert_false(kvs_expelled(p.nodes[i].k));
		assert_int_equal(pair_events(&p, i, KVS_EVENT_NODE_EXPELLED), 1);
		assert_int_equal(pair_events(&p, i, KVS_EVENT_NODE_DOWN), 0); /* no alarm */
	}
	assert_true(kvs_expelled(p.nodes[3].k));
	assert_true(p.nodes[0].closes + p.nodes[1].closes + p.nodes[2].closes >= 3);
	uint64_t own = p.nodes[3].own_ops;
	pair_put(&p, 3, "okey", "value");
	pair_run(&p, p.now_ms + 1000);
	assert_int_equal(p.nodes[3].own_ops, own);
	struct kvs_input load = { .kind = KVS_IN_PUT };
	struct bytes value;
	load.put.stream = RPC_LOAD;
	load.put.key = RPC_KEY_LOAD;
	load.put.value = BYTES_LIT("x");
	pair_step(&p, 3, &load);
	assert_false(kvs_own_get(p.nodes[3].k, RPC_LOAD, RPC_KEY_LOAD, &value));
	assert_int_equal(kvs_command_check(p.nodes[3].k, RPC_COMMAND_PURGE, BYTES_LIT("a")), ERR_CLOSED);
	pair_fini(&p);
}

/* It was away when it happened, and has forgotten nothing. */
static void an_expelled_node_that_comes_back_is_closed_on(void **state)
{
	(void)state;
	struct pair p;
	start(&p, 3);
	pair_link(&p, 0, 1);
	pair_run(&p, p.now_ms + 1000);
	expel(&p, 0, 2, wall(&p));
	pair_run(&p, p.now_ms + 1000);
	uint64_t before = p.nodes[1].closes;
	assert_false(kvs_expelled(p.nodes[2].k));
	pair_link(&p, 1, 2);
	pair_run(&p, p.now_ms + 1000);
	assert_int_equal(p.nodes[1].closes, before + 1);
	assert_true(kvs_expelled(p.nodes[2].k));
	assert_int_equal(pair_events(&p, 2, KVS_EVENT_NODE_EXPELLED), 1);
	pair_fini(&p);
}

/* Cut off from each other, two nodes expel each other; the third one hears the later order first. */
static void of_two_that_expel_each_other_the_first_stays(void **state)
{
	(void)state;
	struct pair p;
	start(&p, 3);
	expel(&p, 0, 1, wall(&p) + 5);
	expel(&p, 1, 0, wall(&p) + 6);
	pair_link(&p, 1, 2);
	pair_run(&p, p.now_ms + 1000);
	pair_link(&p, 0, 2);
	pair_run(&p, p.now_ms + 3000);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(kvs_expelled(p.nodes[i].k), i == 1);
		assert_false(i != 1 && expelled(&p, i, 0));
		assert_true(i == 1 || expelled(&p, i, 1));
	}
	assert_true(p.nodes[2].closes > 0);
	pair_fini(&p);
}

static void old_purges_are_deleted_and_that_is_said_before(void **state)
{
	(void)state;
	struct pair p;
	struct kvs_input clock = { .kind = KVS_IN_CLOCK };
	start(&p, 2);
	link_all(&p, 2);
	struct rpc_command_id id = purge(&p, 0);
	pair_run(&p, p.now_ms + 500);
	assert_int_equal(copies(&p, 1, &id), 2);
	assert_int_equal(kvs_forgotten(p.nodes[1].k, &p.nodes[0].id), 0);
	uint8_t key[RPC_COMMAND_KEY_BYTES];
	struct rpc_entry e;
	rpc_command_key(&id, key);
	assert_true(kvs_entry_of(p.nodes[1].k, &p.nodes[0].id, RPC_CONTROL, bytes_of(key, sizeof(key)), &e));
	uint64_t version = e.version;
	pair_run(&p, p.now_ms + 3600 * 1000);
	clock.wall_ms = wall(&p) + KVS_PURGE_KEPT_MS + 1;
	pair_step(&p, 0, &clock);
	pair_run(&p, p.now_ms + 500);
	assert_int_equal(copies(&p, 1, &id), 1); /* node 1's own clock says otherwise */
	assert_int_equal(kvs_forgotten(p.nodes[1].k, &p.nodes[0].id), version);
	pair_fini(&p);
}

static void count(void *arg, const struct kvs_command *c)
{
	size_t *n = arg;
	(*n)++;
	assert_int_equal(c->what.kind, RPC_COMMAND_PURGE);
}

static void purges_have_a_bound(void **state)
{
	(void)state;
	static struct pair p;
	size_t n = 0;
	start(&p, 1);
	for (unsigned i = 0; i < KVS_PURGES_MAX; i++) {
		struct kvs_input in = { .kind = KVS_IN_COMMAND };
		memcpy(in.command.id.b, &i, sizeof(i));
		in.command.kind = RPC_COMMAND_PURGE;
		in.command.subject = BYTES_LIT("lv1");
		in.command.wall_ms = wall(&p);
		pair_step(&p, 0, &in);
	}
	assert_int_equal(kvs_command_check(p.nodes[0].k, RPC_COMMAND_PURGE, BYTES_LIT("lv1")), ERR_FULL);
	kvs_each_command(p.nodes[0].k, &p.nodes[0].id, 0, count, &n);
	assert_int_equal(n, KVS_PURGES_MAX);
	pair_fini(&p);
}

static void what_cannot_be_ordered(void **state)
{
	(void)state;
	struct pair p;
	start(&p, 1);
	const struct kvs *k = p.nodes[0].k;
	struct bytes self = bytes_of(p.nodes[0].id.b, NODE_ID_BYTES);
	static uint8_t big[RPC_SUBJECT_MAX + 1];
	assert_int_equal(kvs_command_check(k, RPC_COMMAND_EXPEL, self), ERR_INVALID);
	assert_int_equal(kvs_command_check(k, RPC_COMMAND_EXPEL, BYTES_LIT("n1")), ERR_INVALID);
	assert_int_equal(kvs_command_check(k, RPC_COMMAND_PURGE, BYTES_NONE), ERR_INVALID);
	assert_int_equal(kvs_command_check(k, RPC_COMMAND_PURGE, bytes_of(big, sizeof(big))), ERR_INVALID);
	pair_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exactly_one_other_records_it),
		cmocka_unit_test(alone_it_stands_as_not_recorded_until_somebody_comes),
		cmocka_unit_test(it_is_not_told_before_it_is_stored),
		cmocka_unit_test(a_further_one_records_it_when_the_first_does_not),
		cmocka_unit_test(one_of_a_clock_far_ahead_waits),
		cmocka_unit_test(an_order_comes_after_all_that_its_node_had_seen),
		cmocka_unit_test(an_expelled_node_is_out_everywhere_and_falls_silent),
		cmocka_unit_test(an_expelled_node_that_comes_back_is_closed_on),
		cmocka_unit_test(of_two_that_expel_each_other_the_first_stays),
		cmocka_unit_test(old_purges_are_deleted_and_that_is_said_before),
		cmocka_unit_test(purges_have_a_bound),
		cmocka_unit_test(what_cannot_be_ordered),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
