/* Any message a peer may send, sense or nonsense: the core refuses, and lives. */
#include "base/prng.h"
#include "pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { OWNERS = 6, ENTRIES = 8, ROWS = 12, MESSAGES = 60000 };

struct maker {
	struct prng p;
	struct rpc_entry entries[ENTRIES];
	struct rpc_row_position rows[ROWS];
	uint8_t first[RPC_ROW_ID_BYTES], last[RPC_ROW_ID_BYTES];
};

static uint64_t below(struct maker *m, uint64_t n)
{
	return prng_below(&m->p, n);
}

/* Mostly small, so that things meet; at times the largest there is. */
static uint64_t number(struct maker *m)
{
	return prng_chance(&m->p, 20) ? UINT64_MAX - below(m, 3) : below(m, 14);
}

static struct node_id owner(struct maker *m)
{
	struct node_id id;
	memset(id.b, (int)below(m, OWNERS) + 1, sizeof(id.b));
	return id;
}

static struct incarnation incarnation(struct maker *m)
{
	return (struct incarnation){ prng_chance(&m->p, 10) ? UINT64_MAX : below(m, 4), below(m, 2) };
}

static void make_frame(struct maker *m, struct rpc_row_frame *f)
{
	static const char *const keys[] = { "a", "b", "c", "r", "l", "" };
	*f = (struct rpc_row_frame){ .owner = owner(m),
		.stream = (enum rpc_stream)below(m, RPC_STREAMS + (prng_chance(&m->p, 20) ? 2 : 0)),
		.incarnation = incarnation(m),
		.from = number(m),
		.reset = prng_chance(&m->p, 500),
		.ancestors_n = below(m, 3),
		.entries = m->entries,
		.entries_n = below(m, ENTRIES) };
	f->to = prng_chance(&m->p, 900) ? f->from + below(m, 8) : number(m);
	f->horizon = prng_chance(&m->p, 900) ? f->to + below(m, 3) : number(m);
	f->floor = prng_chance(&m->p, 800) ? 0 : number(m);
	for (size_t i = 0; i < f->ancestors_n; i++)
		f->ancestors[i] = (struct rpc_ancestor){ incarnation(m), number(m) };
	uint64_t version = f->from;
	for (size_t i = 0; i < f->entries_n; i++) {
		version += prng_chance(&m->p, 950);
		m->entries[i] = (struct rpc_entry){ .version = version,
			.key = bytes_str(keys[below(m, prng_chance(&m->p, 20) ? 6 : 5)]),
			.deleted = prng_chance(&m->p, 300) };
		if (!m->entries[i].deleted || prng_chance(&m->p, 10))
			m->entries[i].value = BYTES_LIT("what is no register");
	}
}

static struct bytes maybe_id(struct maker *m, uint8_t *room)
{
	if (prng_chance(&m->p, 500))
		return BYTES_NONE;
	struct node_id id = owner(m);
	memcpy(room, id.b, sizeof(id.b));
	room[NODE_ID_BYTES] = (uint8_t)below(m, prng_chance(&m->p, 50) ? 256 : RPC_STREAMS);
	return bytes_of(room, prng_chance(&m->p, 20) ? 5 : RPC_ROW_ID_BYTES);
}

static void make_digest(struct maker *m, struct rpc_digest *d)
{
	*d = (struct rpc_digest){ .answer = prng_chance(&m->p, 500),
		.first = maybe_id(m, m->first),
		.last = maybe_id(m, m->last),
		.rows = m->rows,
		.rows_n = below(m, ROWS) };
	for (size_t i = 0; i < d->rows_n; i++) {
		/* Mostly in order, as it must be. */
		size_t slot = prng_chance(&m->p, 980) ? i : below(m, 18);
		m->rows[i] = (struct rpc_row_position){ .stream = (enum rpc_stream)(slot % RPC_STREAMS),
			.incarnation = incarnation(m),
			.have = number(m),
			.horizon = number(m),
			.floor = number(m),
			.base = number(m),
			.fingerprint = below(m, 3) };
		memset(m->rows[i].owner.b, (int)(slot / RPC_STREAMS) + 1, NODE_ID_BYTES);
	}
}

static void run(uint64_t seed)
{
	struct pair p;
	pair_init(&p);
	struct kvs_config c0 = pair_config(0), c1 = pair_config(1);
	c0.tombstones_min = 2;
	c0.exchange_bytes = 300;
	c0.frame_bytes = 100;
	pair_start(&p, 0, &c0);
	pair_start(&p, 1, &c1);
	pair_link(&p, 0, 1);
	pair_run(&p, p.now_ms + 100);
	struct maker m;
	prng_init(&m.p, seed);
	pair_put(&p, 0, "a", "mine");
	for (int i = 0; i < MESSAGES; i++) {
		struct rpc_msg msg = { .kind = prng_chance(&m.p, 600) ? RPC_ROW_FRAME : RPC_DIGEST };
		if (msg.kind == RPC_ROW_FRAME)
			make_frame(&m, &msg.row_frame);
		else
			make_digest(&m, &msg.digest);
		struct kvs_input in = { .kind = KVS_IN_MESSAGE };
		in.message.link = 101;
		in.message.m = &msg;
		in.message.room = KVS_LINK_WINDOW;
		struct pair_node *n = &p.nodes[0];
		arena_reset(&n->arena);
		p.now_ms += below(&m, 20);
		kvs_step(n->k, p.now_ms, &in, &n->out);
		if (n->out.ops_n > 0)
			kvs_step(n->k, p.now_ms,
			    &(struct kvs_input){ .kind = KVS_IN_STORED, .stored_seq = n->out.ops_seq }, &n->out);
	}
	/* R1: own rows are as this node wrote them. */
	assert_string_equal(pair_get(&p, 0, 0, "a"), "mine");
	struct kvs_counters c;
	kvs_count(p.nodes[0].k, &c);
	assert_true(c.rows <= (OWNERS + 1) * RPC_STREAMS);
	assert_true(c.frames_applied > 100 && c.frames_refused > 100);
	pair_fini(&p);
}

static void test_nonsense(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 4; seed++)
		run(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_nonsense) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
