/* One node's process: its core, the clock that wakes it and the store that takes its time. */
#include "base/check.h"
#include "base/timers.h"
#include "base/version.h"
#include "rpc/codec.h"
#include "scale.h"

#include <stdio.h>
#include <string.h>

enum { PHASE_US = 7919 }; /* no two nodes near by number wake together */

bool scale_runs(const struct scale *s, size_t node)
{
	return s->nodes[node].k != NULL && !s->nodes[node].stopped;
}

void scale_address(size_t node, char out[24])
{
	snprintf(out, 24, "%zu", node);
}

/* Random, but for its end, which says the number. */
void scale_make_id(struct scale *s, size_t node, uint64_t count)
{
	struct node_id *id = &s->nodes[node].id;
	for (size_t i = 0; i < NODE_ID_BYTES - 4; i++)
		id->b[i] = (uint8_t)prng_next(&s->prng);
	if (s->o.settled && node < SCALE_WRITERS)
		id->b[0] %= SCALE_TREES;
	for (size_t i = 0; i < 4; i++)
		id->b[NODE_ID_BYTES - 1 - i] = (uint8_t)(node >> (8 * i));
	s->nodes[node].incarnation = (struct incarnation){ count, prng_next(&s->prng) };
}

/* What it costs to meet: each side's hello, as without a cluster key. */
static size_t hello_bytes(struct scale *s, const struct scale_node *n, const char *name, const char *address)
{
	struct rpc_msg m = { .kind = RPC_HELLO };
	m.hello = (struct rpc_hello){ .cluster = BYTES_LIT("scale"),
		.node = n->id,
		.name = bytes_str(name),
		.incarnation = n->incarnation,
		.version_min = RPC_VERSION_MIN,
		.version_max = RPC_VERSION_MAX,
		.build = bytes_str(warmcast_version),
		.rpc_address = bytes_str(address) };
	arena_reset(&s->encode_arena);
	buf_clear(&s->frame);
	CHECK(rpc_encode(&m, &s->encode_arena, &s->frame) == OK);
	return s->frame.n;
}

void scale_config(struct scale *s, size_t node, struct scale_texts *texts, struct kvs_config *c)
{
	struct scale_node *n = &s->nodes[node];
	snprintf(texts->name, sizeof(texts->name), "node-%zu", node);
	scale_address(node, texts->address);
	for (size_t i = 0; i < SCALE_SEEDS; i++) {
		scale_address(i, texts->seeds[i]);
		texts->seed_list[i] = texts->seeds[i];
	}
	*c = (struct kvs_config){
		.self = n->id, .incarnation = n->incarnation, .seeds = texts->seed_list, .seeds_n = SCALE_SEEDS
	};
	c->seed = prng_next(&s->prng);
	c->reg = (struct rpc_register){ .name = bytes_str(texts->name),
		.zone = BYTES_LIT("z"),
		.roles = RPC_ROLE_DELIVERY,
		.state = NODE_JOINING,
		.rpc_address = bytes_str(texts->address),
		.version_min = RPC_VERSION_MIN,
		.version_max = RPC_VERSION_MAX };
}

void scale_live(struct scale *s, size_t node, struct kvs *k, const struct scale_texts *texts)
{
	struct scale_node *n = &s->nodes[node];
	n->k = k;
	n->wake_us = TIMER_NEVER;
	n->hello_bytes = hello_bytes(s, n, texts->name, texts->address);
	s->living_n++;
}

void scale_boot(struct scale *s, size_t node)
{
	struct scale_texts texts;
	struct kvs_config c;
	scale_make_id(s, node, 1);
	scale_config(s, node, &texts, &c);
	scale_live(s, node, kvs_new(&c), &texts);
	kvs_start(s->nodes[node].k, s->now_us / 1000);
	scale_step(s, node, &(struct kvs_input){ .kind = KVS_IN_TICK });
}

static void plan_wake(struct scale *s, struct scale_node *n)
{
	if (n->due_ms == TIMER_NEVER)
		return;
	uint64_t at_us = n->due_ms * 1000 > s->now_us ? n->due_ms * 1000 : s->now_us;
	if (s->slack_us > 0)
		at_us += s->slack_us - 1 - (at_us + PHASE_US * (uint64_t)(n - s->nodes)) % s->slack_us;
	if (at_us >= n->wake_us)
		return;
	n->wake_us = at_us;
	scale_push(s, at_us - s->now_us, SCALE_WAKE, (size_t)(n - s->nodes));
}

void scale_wake(struct scale *s, const struct scale_event *e)
{
	struct scale_node *n = &s->nodes[e->node];
	if (n->wake_us != e->at_us)
		return; /* another one is due before */
	n->wake_us = TIMER_NEVER;
	if (n->due_ms * 1000 <= s->now_us)
		scale_step(s, e->node, &(struct kvs_input){ .kind = KVS_IN_TICK });
	else
		plan_wake(s, n);
}

static void take_batch(struct scale *s, struct scale_node *n)
{
	if (s->out->ops_n == 0)
		return;
	scale_push(s, SCALE_STORE_US, SCALE_STORED, (size_t)(n - s->nodes))->number = s->out->ops_seq;
}

static void step_at(struct scale *s, size_t node, uint64_t at_ms, const struct kvs_input *in)
{
	struct scale_node *n = &s->nodes[node];
	arena_reset(&s->step_arena);
	scale_enter(s, node);
	kvs_step(n->k, at_ms, in, s->out);
	n->due_ms = kvs_wake_at(n->k);
	scale_leave(s);
	s->steps++;
	for (size_t i = 0; i < s->out->sends_n; i++)
		scale_send(s, node, s->out->sends[i].link, s->out->sends[i].m);
	take_batch(s, n);
	for (size_t i = 0; i < s->out->dials_n; i++)
		scale_want(s, node, &s->out->dials[i]);
	for (size_t i = 0; i < s->out->closes_n; i++)
		scale_close(s, node, s->out->closes[i]);
	scale_count_events(s, node);
}

static struct kvs_input message(uint64_t link, const struct rpc_msg *m)
{
	struct kvs_input in = { .kind = KVS_IN_MESSAGE };
	in.message.link = link;
	in.message.m = m;
	in.message.room = KVS_LINK_WINDOW;
	return in;
}

void scale_step(struct scale *s, size_t node, const struct kvs_input *in)
{
	static const struct rpc_msg HEARTBEAT = { .kind = RPC_HEARTBEAT };
	struct scale_node *n = &s->nodes[node];
	for (size_t i = 0; i < n->heard_n; i++) {
		struct kvs_input heard = message(n->heard[i].link, &HEARTBEAT);
		step_at(s, node, n->heard[i].at_ms, &heard);
	}
	n->heard_n = 0;
	step_at(s, node, s->now_us / 1000, in);
	plan_wake(s, n);
}

void scale_hear(struct scale *s, size_t node, uint64_t link)
{
	struct scale_node *n = &s->nodes[node];
	n->heard = scale_grow(n->heard, &n->heard_cap, n->heard_n + 1, sizeof(*n->heard));
	n->heard[n->heard_n++] = (struct scale_heard){ .at_ms = s->now_us / 1000, .link = link };
}

void scale_message(struct scale *s, size_t node, uint64_t link, const struct rpc_msg *m)
{
	struct kvs_input in = message(link, m);
	scale_step(s, node, &in);
}

void scale_write(struct scale *s, const struct scale_event *e)
{
	struct scale_node *n = &s->nodes[e->node];
	uint8_t key[SCALE_KEY_BYTES], value[SCALE_VALUE_BYTES];
	scale_key(e->number, key);
	scale_value(e->number, value);
	n->updates = scale_grow(n->updates, &n->updates_cap, n->updates_n + 1, sizeof(*n->updates));
	n->updates[n->updates_n++] = e->number;
	s->updates[e->number].at_us = s->now_us;
	struct kvs_input in = { .kind = KVS_IN_PUT };
	in.put.stream = RPC_LOCATIONS;
	in.put.key = bytes_of(key, sizeof(key));
	in.put.value = bytes_of(value, sizeof(value));
	scale_step(s, e->node, &in);
}
