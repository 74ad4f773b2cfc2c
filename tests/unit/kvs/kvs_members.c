/* Whom to dial, who is who: addresses and names. */
#include "pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static bool dialled(const struct kvs_outputs *out, const char *address, bool wanted)
{
	for (size_t i = 0; i < out->dials_n; i++)
		if (strcmp(out->dials[i].address, address) == 0)
			return out->dials[i].wanted == wanted;
	return false;
}

/* A core on its own, fed by hand. */
struct alone {
	struct kvs *k;
	struct arena arena;
	struct kvs_outputs out;
	uint64_t now_ms;
};

static void alone_start(struct alone *a, const struct kvs_config *c)
{
	*a = (struct alone){ .now_ms = 1000 };
	arena_init(&a->arena, (size_t)KVS_ARENA_BYTES * 2);
	a->out.arena = &a->arena;
	a->k = kvs_new(c);
	kvs_start(a->k, a->now_ms);
}

static void alone_step(struct alone *a, const struct kvs_input *in)
{
	arena_reset(&a->arena);
	kvs_step(a->k, a->now_ms, in, &a->out);
}

static void alone_fini(struct alone *a)
{
	kvs_free(a->k);
	arena_fini(&a->arena);
}

static void link_up(struct alone *a, uint64_t link, const struct node_id *node)
{
	struct kvs_input in = { .kind = KVS_IN_LINK_UP };
	in.link_up.link = link;
	in.link_up.node = *node;
	in.link_up.incarnation = (struct incarnation){ 1, 1 };
	alone_step(a, &in);
}

static void tell_register(
    struct alone *a, uint64_t link, const struct node_id *node, uint64_t version, struct rpc_register reg)
{
	struct buf b;
	buf_init(&b, RPC_VALUE_MAX);
	assert_int_equal(rpc_encode_register(&reg, &b), OK);
	struct rpc_entry e = { .version = version, .key = RPC_KEY_REGISTER, .value = buf_bytes(&b) };
	struct rpc_msg m = { .kind = RPC_ROW_FRAME };
	m.row_frame = (struct rpc_row_frame){ .owner = *node,
		.stream = RPC_CONTROL,
		.incarnation = { 1, 1 },
		.from = version - 1,
		.to = version,
		.horizon = version,
		.entries = &e,
		.entries_n = 1 };
	struct kvs_input in = { .kind = KVS_IN_MESSAGE };
	in.message.link = link;
	in.message.m = &m;
	in.message.room = KVS_LINK_WINDOW;
	alone_step(a, &in);
	buf_fini(&b);
}

static const struct node_id PEER = { { 50 } }, OTHER = { { 60 } };

static struct rpc_register reg_at(const char *name, const char *address, enum node_state state)
{
	struct rpc_register r = pair_config(1).reg;
	r.name = bytes_str(name);
	r.rpc_address = bytes_str(address);
	r.state = state;
	return r;
}

static void test_dials(void **state)
{
	(void)state;
	struct alone a;
	struct kvs_config c = pair_config(0);
	const char *const seeds[] = { "seed:1", "n0:1", "seed:1" };
	c.seeds = seeds;
	c.seeds_n = 3;
	alone_start(&a, &c);
	alone_step(&a, &(struct kvs_input){ .kind = KVS_IN_TICK });
	assert_int_equal(a.out.dials_n, 1); /* once, and not itself */
	assert_true(dialled(&a.out, "seed:1", true));
	link_up(&a, 1, &PEER);
	assert_int_equal(a.out.dials_n, 0);
	tell_register(&a, 1, &PEER, 1, reg_at("p", "peer:1", NODE_READY));
	assert_true(dialled(&a.out, "peer:1", true));
	/* It moves. */
	tell_register(&a, 1, &PEER, 2, reg_at("p", "peer:2", NODE_READY));
	assert_true(dialled(&a.out, "peer:1", false) && dialled(&a.out, "peer:2", true));
	/* Two members at one address: wanted as long as one of them is there. */
	tell_register(&a, 1, &OTHER, 1, reg_at("o", "peer:2", NODE_READY));
	assert_int_equal(a.out.dials_n, 0);
	tell_register(&a, 1, &PEER, 3, reg_at("p", "peer:2", NODE_LEFT));
	assert_int_equal(a.out.dials_n, 0);
	tell_register(&a, 1, &OTHER, 2, reg_at("o", "seed:1", NODE_READY));
	assert_true(dialled(&a.out, "peer:2", false));
	tell_register(&a, 1, &OTHER, 3, reg_at("o", "", NODE_READY));
	assert_int_equal(a.out.dials_n, 0); /* a seed stays wanted */
	tell_register(&a, 1, &OTHER, 4, reg_at("o", "n0:1", NODE_READY));
	assert_int_equal(a.out.dials_n, 0); /* own address */
	alone_fini(&a);
}

static size_t events(const struct alone *a, enum kvs_event_kind kind)
{
	size_t n = 0;
	for (size_t i = 0; i < a->out.events_n; i++)
		n += a->out.events[i].kind == kind;
	return n;
}

static void test_duplicate_name(void **state)
{
	(void)state;
	struct alone a;
	struct kvs_config c = pair_config(0);
	alone_start(&a, &c);
	link_up(&a, 1, &PEER);
	tell_register(&a, 1, &PEER, 1, reg_at("twin", "a:1", NODE_READY));
	assert_int_equal(events(&a, KVS_EVENT_DUPLICATE_NAME), 0);
	/* Known by name only: it may be the former id of the same host. */
	tell_register(&a, 1, &OTHER, 1, reg_at("twin", "b:1", NODE_READY));
	assert_int_equal(events(&a, KVS_EVENT_DUPLICATE_NAME), 0);
	link_up(&a, 2, &OTHER);
	assert_int_equal(events(&a, KVS_EVENT_DUPLICATE_NAME), 1);
	tell_register(&a, 2, &OTHER, 2, reg_at("twin", "b:1", NODE_DRAINING));
	assert_int_equal(events(&a, KVS_EVENT_DUPLICATE_NAME), 0); /* said once */
	assert_int_equal(events(&a, KVS_EVENT_NODE_STATE), 1);
	alone_fini(&a);
}

/* Many are known at once: events come in bounded steps, and none is lost. */
static void test_many_known(void **state)
{
	(void)state;
	enum { MANY = 300 };
	struct alone a = { .now_ms = 1000 };
	struct kvs_config c = pair_config(0);
	arena_init(&a.arena, (size_t)KVS_ARENA_BYTES * 2);
	a.out.arena = &a.arena;
	a.k = kvs_new(&c);
	struct buf b;
	buf_init(&b, RPC_VALUE_MAX);
	struct rpc_register reg = reg_at("p", "peer:1", NODE_READY);
	assert_int_equal(rpc_encode_register(&reg, &b), OK);
	for (uint64_t i = 0; i < MANY; i++) {
		struct kvs_row_meta m = { .owner = { { 100, (uint8_t)i, (uint8_t)(i >> 8) } },
			.stream = RPC_CONTROL,
			.incarnation = { 1, 1 },
			.have = 1,
			.horizon = 1 };
		struct rpc_entry e = { .version = 1, .key = RPC_KEY_REGISTER, .value = buf_bytes(&b) };
		assert_int_equal(kvs_load_row(a.k, &m), OK);
		assert_int_equal(kvs_load_entry(a.k, &m.owner, m.stream, &e), OK);
	}
	buf_fini(&b);
	kvs_start(a.k, a.now_ms);
	size_t alive = 0, steps = 0;
	while (kvs_wake_at(a.k) <= a.now_ms && steps++ < 100) {
		alone_step(&a, &(struct kvs_input){ .kind = KVS_IN_TICK });
		alive += events(&a, KVS_EVENT_NODE_ALIVE);
		assert_true(a.out.events_n <= KVS_EVENTS_MAX);
	}
	assert_int_equal(alive, MANY);
	alone_fini(&a);
}

/* Heartbeats to more links than one step may send to. */
static void test_many_links(void **state)
{
	(void)state;
	enum { MANY = 600 };
	struct alone a;
	struct kvs_config c = pair_config(0);
	alone_start(&a, &c);
	alone_step(&a, &(struct kvs_input){ .kind = KVS_IN_TICK });
	static unsigned char heard[MANY + 1];
	memset(heard, 0, sizeof(heard));
	for (uint64_t i = 0; i < MANY; i++) {
		struct node_id id = { { 100, (uint8_t)i, (uint8_t)(i >> 8) } };
		link_up(&a, i + 1, &id);
	}
	a.now_ms += 500;
	size_t steps = 0;
	while (kvs_wake_at(a.k) <= a.now_ms && steps++ < 100) {
		alone_step(&a, &(struct kvs_input){ .kind = KVS_IN_TICK });
		for (size_t i = 0; i < a.out.sends_n; i++)
			heard[a.out.sends[i].link] = 1;
	}
	assert_true(steps < 100);
	for (size_t i = 1; i <= MANY; i++)
		assert_int_equal(heard[i], 1);
	alone_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dials),
		cmocka_unit_test(test_duplicate_name),
		cmocka_unit_test(test_many_known),
		cmocka_unit_test(test_many_links),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
