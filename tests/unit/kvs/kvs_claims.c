/* Many claims at once: whom all watchers claim is down, and a verdict on many is not given again with each
 * claim. */
#include "kvs/ring.h"
#include "pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { MEMBERS = 80, LINK = 7, ENTRIES_MAX = 1 + RING_NEIGHBOURS_MAX };

struct cluster {
	struct kvs *k;
	struct arena arena;
	struct kvs_outputs out;
	uint64_t now_ms;
	struct node_id ids[MEMBERS];
	uint64_t have[MEMBERS]; /* versions said */
	struct ring ring;       /* of those, and of k's own node */
};

static void step(struct cluster *c, const struct kvs_input *in)
{
	arena_reset(&c->arena);
	kvs_step(c->k, c->now_ms, in, &c->out);
	for (int i = 0; c->out.ops_n > 0 && i < 10; i++) {
		struct kvs_input stored = { .kind = KVS_IN_STORED, .stored_seq = c->out.ops_seq };
		arena_reset(&c->arena);
		kvs_step(c->k, c->now_ms, &stored, &c->out);
	}
}

static void tell(struct cluster *c, size_t who, struct rpc_entry *e, size_t n)
{
	struct rpc_msg m = { .kind = RPC_ROW_FRAME };
	m.row_frame = (struct rpc_row_frame){ .owner = c->ids[who],
		.stream = RPC_CONTROL,
		.incarnation = { 1, 1 },
		.from = e[0].version - 1,
		.to = e[n - 1].version,
		.horizon = e[n - 1].version,
		.entries = e,
		.entries_n = n };
	struct kvs_input in = { .kind = KVS_IN_MESSAGE };
	in.message.link = LINK;
	in.message.m = &m;
	in.message.room = KVS_LINK_WINDOW;
	step(c, &in);
	c->have[who] += n;
}

static void tell_register(struct cluster *c, size_t who)
{
	char name[16], address[16];
	snprintf(name, sizeof(name), "m%zu", who);
	snprintf(address, sizeof(address), "m%zu:1", who);
	struct rpc_register reg = pair_config(1).reg;
	reg.name = bytes_str(name);
	reg.rpc_address = bytes_str(address);
	struct buf b;
	buf_init(&b, RPC_VALUE_MAX);
	assert_int_equal(rpc_encode_register(&reg, &b), OK);
	struct rpc_entry e = { .version = 1, .key = RPC_KEY_REGISTER, .value = buf_bytes(&b) };
	tell(c, who, &e, 1);
	buf_fini(&b);
}

static void start(struct cluster *c)
{
	*c = (struct cluster){ .now_ms = 1000 };
	arena_init(&c->arena, (size_t)KVS_ARENA_BYTES * 2);
	c->out.arena = &c->arena;
	struct kvs_config config = pair_config(0);
	c->k = kvs_new(&config);
	kvs_start(c->k, c->now_ms);
	ring_init(&c->ring);
	ring_add(&c->ring, &config.self, c);
	for (size_t i = 0; i < MEMBERS; i++) {
		memset(c->ids[i].b, (int)(i + 100), sizeof(c->ids[i].b));
		ring_add(&c->ring, &c->ids[i], &c->ids[i]);
	}
	struct kvs_input in = { .kind = KVS_IN_LINK_UP };
	in.link_up.link = LINK;
	in.link_up.node = c->ids[0];
	in.link_up.incarnation = (struct incarnation){ 1, 1 };
	step(c, &in);
	for (size_t i = 0; i < MEMBERS; i++)
		tell_register(c, i);
}

static void stop(struct cluster *c)
{
	ring_fini(&c->ring);
	kvs_free(c->k);
	arena_fini(&c->arena);
}

/* The member says that it reaches none, or again all, of those whom it watches. */
static void claim_all(struct cluster *c, size_t who, bool again)
{
	void *watched[RING_NEIGHBOURS_MAX];
	size_t n = ring_neighbours(&c->ring, &c->ids[who], NULL, NULL, watched), entries_n = 0;
	struct rpc_entry e[ENTRIES_MAX];
	uint8_t keys[ENTRIES_MAX][RPC_CLAIM_KEY_BYTES];
	struct buf value;
	buf_init(&value, RPC_VALUE_MAX);
	assert_int_equal(rpc_encode_claim(&(struct rpc_claim){ .incarnation = { 1, 1 } }, &value), OK);
	for (size_t i = 0; i < n; i++) {
		if (watched[i] == (void *)c)
			continue;
		rpc_claim_key(watched[i], keys[i]);
		entries_n++;
		e[entries_n - 1] = (struct rpc_entry){ .version = c->have[who] + entries_n,
			.key = bytes_of(keys[i], sizeof(keys[i])),
			.value = again ? BYTES_NONE : buf_bytes(&value),
			.deleted = again };
	}
	tell(c, who, e, entries_n);
	buf_fini(&value);
}

static size_t down(const struct cluster *c)
{
	size_t n = 0;
	for (size_t i = 0; i < kvs_members_n(c->k); i++) {
		struct kvs_member m;
		kvs_member_at(c->k, i, &m);
		n += m.liveness == KVS_DOWN;
	}
	return n;
}

static uint64_t standing(const struct cluster *c)
{
	struct kvs_counters counters;
	kvs_count(c->k, &counters);
	return counters.claims_standing;
}

/* Runs to the end of what is due within a time. */
static void run(struct cluster *c, uint64_t ms)
{
	uint64_t end_ms = c->now_ms + ms;
	while (kvs_wake_at(c->k) <= end_ms) {
		c->now_ms = kvs_wake_at(c->k) > c->now_ms ? kvs_wake_at(c->k) : c->now_ms;
		step(c, &(struct kvs_input){ .kind = KVS_IN_TICK });
	}
	c->now_ms = end_ms;
}

static void a_verdict_on_many_waits_but_comes(void **state)
{
	(void)state;
	struct cluster c;
	start(&c);
	assert_int_equal(down(&c), 0);
	for (size_t i = 0; i < MEMBERS; i++)
		claim_all(&c, i, false);
	run(&c, 50);
	uint64_t all = standing(&c);
	assert_true(all > MEMBERS * 5);
	assert_true(down(&c) > 0);
	/* Two changes at one time: the second waits, though not for long. */
	claim_all(&c, 1, true);
	uint64_t one_less = standing(&c);
	claim_all(&c, 2, true);
	assert_true(one_less < all);
	assert_int_equal(standing(&c), one_less);
	run(&c, MEMBERS);
	assert_true(standing(&c) < one_less);
	for (size_t i = 0; i < MEMBERS; i++)
		if (i != 1 && i != 2)
			claim_all(&c, i, true);
	run(&c, 2 * MEMBERS);
	assert_int_equal(standing(&c), 0);
	assert_int_equal(down(&c), 0);
	stop(&c);
}

/* Of few each claim counts at once. */
static void a_verdict_on_few_does_not_wait(void **state)
{
	(void)state;
	struct cluster c;
	start(&c);
	claim_all(&c, 1, false);
	uint64_t one = standing(&c);
	assert_in_range(one, 1, RING_NEIGHBOURS_MAX);
	claim_all(&c, 2, false);
	assert_true(standing(&c) > one);
	claim_all(&c, 1, true);
	claim_all(&c, 2, true);
	assert_int_equal(standing(&c), 0);
	stop(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_verdict_on_many_waits_but_comes),
		cmocka_unit_test(a_verdict_on_few_does_not_wait),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
