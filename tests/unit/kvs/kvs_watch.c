/* Who is taken for down, by whom and when (R8): claims, their withdrawal, and self-doubt. */
#include "pair.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void start(struct pair *p, size_t n)
{
	pair_init(p);
	p->features = UINT64_MAX;
	for (size_t i = 0; i < n; i++) {
		struct kvs_config c = pair_config(i);
		pair_start(p, i, &c);
	}
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < i; j++)
			pair_link(p, j, i);
	pair_run(p, p->now_ms + 3000);
}

static struct kvs_member member(const struct pair *p, size_t at, size_t who)
{
	struct kvs_member m = { 0 };
	kvs_member_at(p->nodes[at].k, who, &m);
	return m;
}

/* The messages that are lost: a bit for each pair of from and to. */
struct cuts {
	bool lost[PAIR_NODES][PAIR_NODES];
};

static bool passes(void *arg, size_t from, size_t to, const struct rpc_msg *m)
{
	const struct cuts *c = arg;
	(void)m;
	return !c->lost[from][to];
}

static void silence(struct cuts *c, size_t who, bool lost)
{
	for (size_t i = 0; i < PAIR_NODES; i++)
		c->lost[i][who] = c->lost[who][i] = lost;
}

static void test_silent(void **state)
{
	(void)state;
	struct pair p;
	struct cuts cuts = { 0 };
	start(&p, 3);
	p.filter = passes;
	p.filter_arg = &cuts;
	silence(&cuts, 2, true);
	pair_run(&p, p.now_ms + 1200);
	assert_int_equal(member(&p, 0, 2).liveness, KVS_ALIVE);
	assert_int_equal(pair_events(&p, 0, KVS_EVENT_CLAIM), 0);
	pair_run(&p, p.now_ms + 800);
	for (size_t at = 0; at < 2; at++) {
		assert_int_equal(pair_events(&p, at, KVS_EVENT_CLAIM), 1);
		assert_int_equal(member(&p, at, 2).liveness, KVS_DOWN);
		struct node_id by[KVS_CLAIMERS_MAX];
		assert_int_equal(kvs_claimers(p.nodes[at].k, &p.nodes[2].id, by), 2);
		assert_true(node_id_eq(&by[0], &p.nodes[0].id) && node_id_eq(&by[1], &p.nodes[1].id));
	}
	assert_true(!member(&p, 0, 2).disputed);
	silence(&cuts, 2, false);
	pair_run(&p, p.now_ms + 1000);
	for (size_t at = 0; at < 2; at++) {
		assert_int_equal(member(&p, at, 2).liveness, KVS_ALIVE);
		assert_int_equal(member(&p, at, 2).claims, 0);
		assert_int_equal(pair_events(&p, at, KVS_EVENT_CLAIM_WITHDRAWN), 1);
	}
	pair_fini(&p);
}

/* Who does not hear one another live both: the third one hears them. */
static void test_one_cut(void **state)
{
	(void)state;
	struct pair p;
	struct cuts cuts = { .lost = { [0][2] = true, [2][0] = true } };
	start(&p, 3);
	p.filter = passes;
	p.filter_arg = &cuts;
	pair_run(&p, p.now_ms + 5000);
	assert_int_equal(pair_events(&p, 0, KVS_EVENT_CLAIM), 1);
	assert_int_equal(pair_events(&p, 2, KVS_EVENT_CLAIM), 1);
	for (size_t at = 0; at < 3; at++)
		assert_int_equal(pair_events(&p, at, KVS_EVENT_NODE_DOWN), 0);
	assert_int_equal(member(&p, 0, 2).liveness, KVS_SUSPECT);
	assert_int_equal(member(&p, 1, 2).liveness, KVS_SUSPECT);
	pair_fini(&p);
}

static struct kvs_input link_down(uint64_t link, bool bye)
{
	struct kvs_input in = { .kind = KVS_IN_LINK_DOWN };
	in.link_down.link = link;
	in.link_down.bye = bye;
	return in;
}

static struct kvs_input refused(const char *address)
{
	struct kvs_input in = { .kind = KVS_IN_DIAL_FAILED };
	in.dial_failed.address = address;
	return in;
}

/* A host that says that nobody listens is as good as a death; a link that breaks is none yet. */
static void test_refused(void **state)
{
	(void)state;
	struct pair p;
	start(&p, 2);
	struct kvs_input in = refused("n1:1");
	pair_step(&p, 0, &in); /* while a link leads there it says nothing */
	assert_int_equal(pair_events(&p, 0, KVS_EVENT_CLAIM), 0);
	in = link_down(101, false);
	pair_step(&p, 0, &in);
	assert_int_equal(member(&p, 0, 1).liveness, KVS_SUSPECT);
	in = refused("n2:1");
	pair_step(&p, 0, &in);
	assert_int_equal(pair_events(&p, 0, KVS_EVENT_CLAIM), 0);
	in = refused("n1:1");
	pair_step(&p, 0, &in);
	assert_int_equal(pair_events(&p, 0, KVS_EVENT_CLAIM), 1);
	assert_int_equal(member(&p, 0, 1).liveness, KVS_DOWN);
	pair_step(&p, 0, &in);
	assert_int_equal(pair_events(&p, 0, KVS_EVENT_CLAIM), 1);
	pair_fini(&p);
}

/* A link that broke is dialled at once; what does not come back within a heartbeat is claimed. */
static void test_broke(void **state)
{
	(void)state;
	struct pair p;
	start(&p, 2);
	struct kvs_input in = link_down(101, false);
	pair_step(&p, 0, &in);
	pair_run(&p, p.now_ms + 240);
	assert_int_equal(pair_events(&p, 0, KVS_EVENT_CLAIM), 0);
	pair_run(&p, p.now_ms + 20);
	assert_int_equal(pair_events(&p, 0, KVS_EVENT_CLAIM), 1);
	pair_fini(&p);
	start(&p, 2);
	in = link_down(101, true); /* with BYE it has as long as any silence */
	pair_step(&p, 0, &in);
	pair_run(&p, p.now_ms + 1000);
	assert_int_equal(pair_events(&p, 0, KVS_EVENT_CLAIM), 0);
	pair_run(&p, p.now_ms + 700);
	assert_int_equal(pair_events(&p, 0, KVS_EVENT_CLAIM), 1);
	pair_fini(&p);
}

/* A process that did not run for long has heard nobody, and that is nobody's fault. */
static void test_late(void **state)
{
	(void)state;
	struct pair p;
	start(&p, 2);
	p.now_ms += 10 * 1000;
	pair_step(&p, 0, &(struct kvs_input){ .kind = KVS_IN_TICK });
	pair_step(&p, 1, &(struct kvs_input){ .kind = KVS_IN_TICK });
	pair_run(&p, p.now_ms + 3000);
	assert_int_equal(pair_events(&p, 0, KVS_EVENT_CLAIM), 0);
	assert_int_equal(pair_events(&p, 0, KVS_EVENT_NODE_SUSPECT), 0);
	pair_fini(&p);
}

/* Two claimed node 1 and died: what they said does not hold it down. */
static void test_life(void **state)
{
	(void)state;
	struct pair p;
	struct cuts cuts = { .lost = { [1][2] = true, [2][1] = true, [1][3] = true, [3][1] = true } };
	start(&p, 4);
	p.filter = passes;
	p.filter_arg = &cuts;
	pair_run(&p, p.now_ms + 1800);
	assert_int_equal(member(&p, 0, 1).claims, 2);
	silence(&cuts, 2, true);
	silence(&cuts, 3, true);
	/* Node 0 lost two of three at once and may doubt itself for five seconds first. */
	pair_run(&p, p.now_ms + 1500 + 5000);
	assert_int_equal(member(&p, 0, 2).liveness, KVS_DOWN);
	assert_int_equal(member(&p, 0, 3).liveness, KVS_DOWN);
	assert_int_equal(member(&p, 0, 1).liveness, KVS_ALIVE);
	assert_int_equal(member(&p, 0, 1).reg->life, 1);
	assert_int_equal(pair_events(&p, 1, KVS_EVENT_LIFE_RAISED), 1);
	pair_fini(&p);
}

static void test_left(void **state)
{
	(void)state;
	struct pair p;
	start(&p, 3);
	pair_step(&p, 2, &(struct kvs_input){ .kind = KVS_IN_STATE, .state = NODE_LEFT });
	pair_run(&p, p.now_ms + 200);
	assert_int_equal(member(&p, 0, 2).liveness, KVS_DOWN);
	assert_int_equal(pair_events(&p, 0, KVS_EVENT_NODE_DOWN), 1);
	pair_unlink(&p, 0, 2, true);
	pair_unlink(&p, 1, 2, true);
	pair_run(&p, p.now_ms + 4000);
	assert_int_equal(pair_events(&p, 0, KVS_EVENT_CLAIM), 0); /* nobody watches who has left */
	pair_link(&p, 0, 2);
	pair_step(&p, 2, &(struct kvs_input){ .kind = KVS_IN_STATE, .state = NODE_READY });
	pair_run(&p, p.now_ms + 1500);
	assert_int_equal(member(&p, 0, 2).liveness, KVS_ALIVE);
	pair_fini(&p);
}

/* Who loses most of those whom it watches at once has reason to doubt itself. */
static void test_doubt(void **state)
{
	(void)state;
	enum { OTHERS = 8 };
	struct kvs_config c = pair_config(0);
	struct kvs *k = kvs_new(&c);
	struct buf b;
	buf_init(&b, RPC_VALUE_MAX);
	assert_int_equal(rpc_encode_register(&c.reg, &b), OK);
	struct rpc_entry e = { .version = 1, .key = RPC_KEY_REGISTER, .value = buf_bytes(&b) };
	struct kvs_row_meta m = { .stream = RPC_CONTROL, .incarnation = { 1, 1 }, .have = 1, .horizon = 1 };
	for (uint8_t i = 0; i < OTHERS; i++) {
		m.owner = (struct node_id){ { 100, i } };
		assert_int_equal(kvs_load_row(k, &m), OK);
		assert_int_equal(kvs_load_entry(k, &m.owner, m.stream, &e), OK);
	}
	struct arena a;
	arena_init(&a, (size_t)KVS_ARENA_BYTES * 2);
	static struct kvs_outputs out;
	out.arena = &a;
	size_t claims = 0;
	uint64_t first_ms = 0, now_ms = 1000;
	kvs_start(k, now_ms);
	for (uint64_t end_ms = now_ms + 20 * 1000; kvs_wake_at(k) < end_ms;) {
		now_ms = kvs_wake_at(k) > now_ms ? kvs_wake_at(k) : now_ms;
		arena_reset(&a);
		kvs_step(k, now_ms, &(struct kvs_input){ .kind = KVS_IN_TICK }, &out);
		for (size_t i = 0; i < out.events_n; i++)
			claims += out.events[i].kind == KVS_EVENT_CLAIM;
		if (claims > 0 && first_ms == 0)
			first_ms = now_ms;
	}
	assert_int_equal(claims, OTHERS);
	assert_in_range(first_ms, 1000 + 3000 + 5000 - 1, 1000 + 3000 + 5000 + 1500);
	kvs_free(k);
	arena_fini(&a);
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_silent),
		cmocka_unit_test(test_one_cut),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_broke),
		cmocka_unit_test(test_late),
		cmocka_unit_test(test_life),
		cmocka_unit_test(test_left),
		cmocka_unit_test(test_doubt),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
