/* Which of an operator's orders to drain a node, and to take that back, counts. */
#include "pair.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { WALL_MS = 1000 * 1000, NODES = 3, HOUR_MS = 3600 * 1000 };

static void start(struct pair *p)
{
	pair_init(p);
	p->features = RPC_FEATURE_BROADCAST | RPC_FEATURE_RANGES;
	for (size_t i = 0; i < NODES; i++) {
		struct kvs_config c = pair_config(i);
		c.wall_ms = WALL_MS;
		pair_start(p, i, &c);
	}
	for (size_t i = 0; i < NODES; i++)
		for (size_t j = i + 1; j < NODES; j++)
			pair_link(p, i, j);
	pair_run(p, p->now_ms + 2000);
}

static struct rpc_command_id order_at(
    struct pair *p, size_t i, enum rpc_command_kind kind, size_t whom, uint64_t wall_ms)
{
	static uint8_t next;
	struct bytes subject = bytes_of(p->nodes[whom].id.b, NODE_ID_BYTES);
	struct kvs_input in = { .kind = KVS_IN_COMMAND };
	in.command.id.b[0] = ++next;
	in.command.kind = kind;
	in.command.subject = subject;
	in.command.wall_ms = wall_ms;
	assert_int_equal(kvs_command_check(p->nodes[i].k, kind, subject), OK);
	pair_step(p, i, &in);
	return in.command.id;
}

static uint64_t wall(const struct pair *p)
{
	return WALL_MS + p->now_ms - 1000;
}

static void assert_drained(const struct pair *p, size_t whom, bool drained)
{
	for (size_t i = 0; i < NODES; i++)
		assert_int_equal(kvs_drain_ordered(p->nodes[i].k, &p->nodes[whom].id), drained);
}

static void the_latest_order_counts_everywhere(void **state)
{
	(void)state;
	struct pair p;
	start(&p);
	assert_drained(&p, 2, false);
	(void)order_at(&p, 0, RPC_COMMAND_DRAIN, 2, wall(&p));
	pair_run(&p, p.now_ms + 1000);
	assert_drained(&p, 2, true);
	assert_drained(&p, 1, false);
	/* Said to another node, whose clock is behind: it comes later all the same (hybrid logical clock). */
	(void)order_at(&p, 1, RPC_COMMAND_UNDRAIN, 2, wall(&p) - 30000);
	pair_run(&p, p.now_ms + 1000);
	assert_drained(&p, 2, false);
	/* A node may be told to drain itself. */
	(void)order_at(&p, 2, RPC_COMMAND_DRAIN, 2, wall(&p));
	pair_run(&p, p.now_ms + 1000);
	assert_drained(&p, 2, true);
	pair_fini(&p);
}

/* Copies of an order in the rows, as node 0 sees them. */
static size_t copies(const struct pair *p, const struct rpc_command_id *id)
{
	uint8_t key[RPC_COMMAND_KEY_BYTES];
	struct rpc_entry e;
	size_t n = 0;
	rpc_command_key(id, key);
	for (size_t i = 0; i < NODES; i++)
		n += kvs_entry_of(p->nodes[0].k, &p->nodes[i].id, RPC_CONTROL, bytes_of(key, sizeof(key)), &e) &&
		     !e.deleted;
	return n;
}

static void tell_clock(struct pair *p)
{
	for (size_t i = 0; i < NODES; i++) {
		struct kvs_input in = { .kind = KVS_IN_CLOCK, .wall_ms = wall(p) };
		pair_step(p, i, &in);
	}
}

static void what_a_later_order_stands_against_is_deleted(void **state)
{
	(void)state;
	struct pair p;
	start(&p);
	struct rpc_command_id first = order_at(&p, 0, RPC_COMMAND_DRAIN, 2, wall(&p));
	pair_run(&p, p.now_ms + 1000);
	struct rpc_command_id second = order_at(&p, 1, RPC_COMMAND_UNDRAIN, 2, wall(&p));
	pair_run(&p, p.now_ms + 1000);
	assert_int_equal(copies(&p, &first), 2);
	pair_run(&p, p.now_ms + HOUR_MS + 1000);
	tell_clock(&p);
	pair_run(&p, p.now_ms + 5000);
	assert_int_equal(copies(&p, &first), 0);
	assert_int_equal(copies(&p, &second), 2);
	assert_drained(&p, 2, false);
	pair_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_latest_order_counts_everywhere),
		cmocka_unit_test(what_a_later_order_stands_against_is_deleted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
