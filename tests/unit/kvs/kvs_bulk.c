/* A node that comes asks each part of what it lacks of another peer, and has all of it in the end. */
#include "pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { NEW = 3, ENTRIES = 400 };

struct served {
	size_t entries[PAIR_NODES]; /* sent to the new one */
};

static bool count(void *arg, size_t from, size_t to, const struct rpc_msg *m)
{
	struct served *served = arg;
	if (to == NEW && m->kind == RPC_ROW_FRAME && m->row_frame.repair)
		served->entries[from] += m->row_frame.entries_n;
	return true;
}

static struct kvs_config config(size_t i, enum node_state state)
{
	struct kvs_config c = pair_config(i);
	c.frame_bytes = 1000;
	c.exchange_bytes = 2000; /* a part */
	c.reg.state = state;
	return c;
}

/* Three that have the same, and say that they are in that state. */
static void start(struct pair *p, struct served *served, enum node_state state)
{
	*served = (struct served){ 0 };
	pair_init(p);
	p->features = RPC_FEATURE_BROADCAST | RPC_FEATURE_RANGES;
	p->filter = count;
	p->filter_arg = served;
	for (size_t i = 0; i < NEW; i++) {
		struct kvs_config c = config(i, state);
		pair_start(p, i, &c);
	}
	for (size_t i = 0; i < NEW; i++)
		pair_link(p, i, (i + 1) % NEW);
	char key[16];
	for (int i = 0; i < ENTRIES; i++) {
		snprintf(key, sizeof(key), "key-%04d", i);
		pair_put(p, (size_t)i % NEW, key, "a value of some length, as that of a location");
	}
	pair_run(p, p->now_ms + 3000);
}

static void join(struct pair *p)
{
	struct kvs_config c = config(NEW, NODE_JOINING);
	pair_start(p, NEW, &c);
	for (size_t i = 0; i < NEW; i++)
		pair_link(p, NEW, i);
	pair_run(p, p->now_ms + 3000);
}

static void every_ready_peer_serves_a_part(void **state)
{
	(void)state;
	struct pair p;
	struct served served;
	start(&p, &served, NODE_READY);
	join(&p);
	assert_int_equal(kvs_fingerprint(p.nodes[NEW].k), kvs_fingerprint(p.nodes[0].k));
	assert_true(kvs_caught_up(p.nodes[NEW].k));
	size_t all = 0;
	for (size_t i = 0; i < NEW; i++) {
		all += served.entries[i];
		assert_true(served.entries[i] >= ENTRIES / 10);
	}
	assert_in_range(all, ENTRIES, ENTRIES * 5 / 4); /* and not much of it twice */
	pair_fini(&p);
}

static void peers_that_are_not_ready_are_not_asked_for_parts(void **state)
{
	(void)state;
	struct pair p;
	struct served served;
	start(&p, &served, NODE_JOINING);
	join(&p);
	assert_int_equal(kvs_fingerprint(p.nodes[NEW].k), kvs_fingerprint(p.nodes[0].k));
	assert_true(kvs_caught_up(p.nodes[NEW].k));
	size_t one = 0;
	for (size_t i = 0; i < NEW; i++)
		one += served.entries[i] >= ENTRIES * 9 / 10;
	assert_int_equal(one, 1);
	pair_fini(&p);
}

/* Who served a part is lost amidst the bulk: the others make up for it. */
static void a_peer_that_goes_is_made_up_for(void **state)
{
	(void)state;
	struct pair p;
	struct served served;
	start(&p, &served, NODE_READY);
	struct kvs_config c = config(NEW, NODE_JOINING);
	pair_start(&p, NEW, &c);
	for (size_t i = 0; i < NEW; i++)
		pair_link(&p, NEW, i);
	pair_unlink(&p, NEW, 0, false);
	pair_run(&p, p.now_ms + 5000);
	assert_int_equal(kvs_fingerprint(p.nodes[NEW].k), kvs_fingerprint(p.nodes[1].k));
	assert_true(kvs_caught_up(p.nodes[NEW].k));
	pair_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_ready_peer_serves_a_part),
		cmocka_unit_test(peers_that_are_not_ready_are_not_asked_for_parts),
		cmocka_unit_test(a_peer_that_goes_is_made_up_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
