/* A cluster that has been there for long: nobody joins, nobody is behind.
 *
 * Each of n nodes holding n registers is n * n rows, which to fetch takes far more steps than all that is to
 * be measured. So one replica loads them, as from its store, and each node begins as a copy of it
 * (scale_memory.c) that is given its own identity. That is the one thing here which knows the core from
 * inside. */
#include "base/check.h"
#include "kvs/dials.h"
#include "kvs/members.h"
#include "kvs/prints.h"
#include "kvs/registers.h"
#include "kvs/rows.h"
#include "kvs/wiring.h"
#include "scale.h"

#include <stdlib.h>
#include <string.h>

enum {
	FIRST_STEPS_US = 1000 * 1000, /* each node takes its first step within it */
	SEED_VISIT_MS = 60 * 1000,
	CAUGHT_UP = 2,
};

/* Of contents; updates are numbered from 0. */
static const size_t FIRST_CONTENT = (size_t)1 << 40;

/* -- what all know -- */

static void load_row(struct kvs *k, const struct scale_node *n, struct incarnation incarnation,
    enum rpc_stream stream, uint64_t have)
{
	struct kvs_row_meta m = { .owner = n->id, .stream = stream, .incarnation = incarnation };
	m.have = m.horizon = have;
	CHECK(kvs_load_row(k, &m) == OK);
}

static void load_register(struct kvs *k, const struct scale_node *n, const struct rpc_register *reg)
{
	struct buf value;
	buf_init(&value, RPC_VALUE_MAX);
	CHECK(rpc_encode_register(reg, &value) == OK);
	struct rpc_entry e = { .version = 1, .key = RPC_KEY_REGISTER, .value = buf_bytes(&value) };
	CHECK(kvs_load_entry(k, &n->id, RPC_CONTROL, &e) == OK);
	buf_fini(&value);
}

/* The contents are spread over the nodes in turn. */
static void load_contents(struct kvs *k, const struct scale *s, size_t node)
{
	uint64_t version = 0;
	for (size_t i = node; i < SCALE_CONTENTS; i += s->o.nodes) {
		uint8_t key[SCALE_KEY_BYTES], value[SCALE_VALUE_BYTES];
		scale_key(FIRST_CONTENT + i, key);
		scale_value(FIRST_CONTENT + i, value);
		struct rpc_entry e = {
			.version = ++version, .key = bytes_of(key, sizeof(key)), .value = bytes_of(value, sizeof(value))
		};
		CHECK(kvs_load_entry(k, &s->nodes[node].id, RPC_LOCATIONS, &e) == OK);
	}
}

static uint64_t contents_of(const struct scale *s, size_t node)
{
	return node >= SCALE_CONTENTS ? 0 : (SCALE_CONTENTS - 1 - node) / s->o.nodes + 1;
}

static void load(struct scale *s, struct kvs *k, size_t node, struct incarnation incarnation)
{
	const struct scale_node *n = &s->nodes[node];
	struct scale_texts texts;
	struct kvs_config c;
	scale_config(s, node, &texts, &c);
	c.reg.state = NODE_READY;
	load_row(k, n, incarnation, RPC_CONTROL, 1);
	load_register(k, n, &c.reg);
	load_row(k, n, incarnation, RPC_LOCATIONS, contents_of(s, node));
	load_contents(k, s, node);
	/* For when the node's copy becomes its own. */
	CHECK(rows_ensure(k, &n->id, RPC_LOAD) != NULL);
}

/* -- the first replica -- */

static void step(struct scale *s, struct kvs *k, const struct kvs_input *in)
{
	arena_reset(&s->step_arena);
	kvs_step(k, s->now_us / 1000, in, s->out);
}

/* Until it has nothing left to do at once. */
static void settle(struct scale *s, struct kvs *k)
{
	step(s, k, &(struct kvs_input){ .kind = KVS_IN_TICK });
	while (s->out->ops_n > 0 || kvs_wake_at(k) <= s->now_us / 1000) {
		struct kvs_input in = { .kind = KVS_IN_TICK };
		if (s->out->ops_n > 0)
			in = (struct kvs_input){ .kind = KVS_IN_STORED, .stored_seq = s->out->ops_seq };
		step(s, k, &in);
	}
}

/* It never spoke of load, and has been at the seeds long ago. */
static void be_settled(struct kvs *k)
{
	struct replica *loads = k->own.rows[RPC_LOAD];
	loads->live.incarnation = (struct incarnation){ 0 };
	prints_note(k, loads);
	for (size_t i = 0; i < k->seeds_n; i++) {
		if (k->seeds[i].wanted)
			dials_unwant(k, k->seeds[i].address);
		k->seeds[i].wanted = false;
	}
	k->seeding = false;
	/* Nobody has been told yet. */
	for (size_t i = 0; i < k->dials_n; i++)
		k->dials[i].said = false;
	k->dials_pending = true;
	k->compared_n = CAUGHT_UP;
}

static struct kvs *first_replica(struct scale *s)
{
	struct scale_texts texts;
	struct kvs_config c;
	scale_config(s, 0, &texts, &c);
	c.reg.state = NODE_READY;
	c.inherits = (struct incarnation){ c.incarnation.count - 1, c.incarnation.nonce };
	struct kvs *k = kvs_new(&c);
	load(s, k, 0, c.inherits);
	for (size_t i = 1; i < s->o.nodes; i++)
		load(s, k, i, s->nodes[i].incarnation);
	kvs_start(k, s->now_us / 1000);
	settle(s, k);
	be_settled(k);
	CHECK(kvs_members_n(k) == s->o.nodes);
	return k;
}

/* -- the others -- */

static void rearm(struct kvs *k, struct kvs_timer *t, uint64_t within_ms)
{
	timers_arm(&k->timers, &t->t, k->now_ms + 1 + prng_below(&k->prng, within_ms));
}

/* The copy becomes this node's: whom it watches and is linked with follows in its first step. */
static void become(struct scale *s, struct kvs *k, size_t node, uint64_t seed)
{
	const struct scale_node *n = &s->nodes[node];
	k->cfg.self = n->id;
	k->cfg.incarnation = k->incarnation = k->own.incarnation = n->incarnation;
	prng_init(&k->prng, seed);
	for (unsigned stream = 0; stream < RPC_STREAMS; stream++)
		k->own.rows[stream] = rows_ensure(k, &n->id, stream);
	k->self = members_find(k, &n->id);
	free(k->reg);
	k->reg = register_copy(k->self->reg);
	wiring_changed(k);
	rearm(k, &k->digest, k->cfg.repair_interval_ms);
	rearm(k, &k->seeds_timer, SEED_VISIT_MS);
	rearm(k, &k->guest_timer, SEED_VISIT_MS);
}

void scale_settled(struct scale *s)
{
	s->now_us = FIRST_STEPS_US;
	for (size_t i = 0; i < s->o.nodes; i++)
		scale_make_id(s, i, 2);
	scale_memory_begin(s);
	struct kvs *k = first_replica(s);
	scale_memory_end(s);
	for (size_t i = 0; i < s->o.nodes; i++) {
		struct scale_texts texts;
		struct kvs_config c;
		scale_config(s, i, &texts, &c);
		scale_memory_adopt(s, i);
		scale_live(s, i, k, &texts);
		scale_enter(s, i);
		become(s, k, i, c.seed);
		s->nodes[i].due_ms = 0;
		scale_leave(s);
		uint64_t first_us = scale_between(s, 0, FIRST_STEPS_US);
		s->nodes[i].wake_us = s->now_us + first_us;
		scale_push(s, first_us, SCALE_WAKE, i);
	}
	scale_run_until(s, s->now_us + FIRST_STEPS_US);
}
