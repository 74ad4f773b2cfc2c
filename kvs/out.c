#include "kvs/out.h"

#include "base/check.h"
#include "kvs/wiring.h"
#include "rpc/codec.h"

#include <stdlib.h>
#include <string.h>

enum { OPS_FIRST = 16 };

void *kvs_grow(void *array, size_t *cap, size_t n, size_t size)
{
	if (n <= *cap)
		return array;
	size_t to = *cap == 0 ? 8 : *cap * 2;
	while (to < n)
		to *= 2;
	array = realloc(array, to * size);
	CHECK(array != NULL);
	*cap = to;
	return array;
}

/* The arena's bound is part of the contract (KVS_ARENA_BYTES), so running into it is a bug. */
static void *take(struct kvs *k, size_t count, size_t size)
{
	void *p = arena_array(k->out->arena, count, size);
	CHECK(p != NULL);
	return p;
}

void out_begin(struct kvs *k, struct kvs_outputs *out)
{
	CHECK(out->arena->max - out->arena->used >= KVS_ARENA_BYTES);
	struct arena *arena = out->arena;
	out->sends_n = 0;
	out->ops = NULL;
	out->ops_n = 0;
	out->ops_seq = 0;
	out->ops_own = false;
	out->dials = NULL;
	out->dials_n = 0;
	out->closes = NULL;
	out->closes_n = 0;
	out->events = NULL;
	out->events_n = 0;
	out->watched = NULL;
	out->watched_n = 0;
	out->members_changed = out->commands_changed = false;
	out->incarnation_changed = false;
	out->arena = arena;
	k->out = out;
	k->ops_cap = k->ops_bytes = k->sent_bytes = 0;
	k->more = false;
	for (size_t i = 0; i < k->grave_n; i++)
		free(k->grave[i]);
	k->grave_n = 0;
}

void out_later(struct kvs *k)
{
	k->more = true;
}

bool out_sends_full(const struct kvs *k)
{
	return k->out->sends_n + 1 >= KVS_SENDS_MAX;
}

struct rpc_msg *out_send(struct kvs *k, struct kvs_link *link, enum rpc_kind kind, bool last)
{
	if (k->out->sends_n + (last ? 0 : 1) >= KVS_SENDS_MAX)
		return NULL;
	struct rpc_msg *m = take(k, 1, sizeof(*m));
	m->kind = kind;
	k->out->sends[k->out->sends_n].link = link->id;
	k->out->sends[k->out->sends_n].m = m;
	k->out->sends_n++;
	/* Any message is a sign of life: the heartbeat can wait. */
	timers_arm(&k->timers, &link->beat.t, k->now_ms + wiring_beat_ms(k, link));
	return m;
}

bool out_ops_room(const struct kvs *k, size_t n)
{
	return k->out->ops_n + n <= KVS_OPS_MAX && k->ops_bytes < k->cfg.batch_bytes;
}

size_t out_op(struct kvs *k, enum kvs_op_kind kind, const struct replica *r)
{
	struct kvs_outputs *out = k->out;
	CHECK(out->ops_n < KVS_OPS_MAX);
	if (out->ops_n == k->ops_cap) {
		size_t cap = k->ops_cap == 0 ? OPS_FIRST : k->ops_cap * 2;
		struct kvs_op *ops = take(k, cap, sizeof(*ops));
		if (out->ops_n > 0)
			memcpy(ops, out->ops, out->ops_n * sizeof(*ops));
		out->ops = ops;
		k->ops_cap = cap;
	}
	out->ops[out->ops_n] = (struct kvs_op){ .kind = kind, .owner = r->owner, .stream = r->stream };
	return out->ops_n++;
}

void out_op_row(struct kvs *k, size_t op, const struct kvs_row_meta *m)
{
	struct kvs_row_meta *copy = take(k, 1, sizeof(*copy));
	*copy = *m;
	k->out->ops[op].row = copy;
}

bool out_op_entry(struct kvs *k, const struct replica *r, const struct rpc_entry *e)
{
	if (!out_ops_room(k, 1))
		return false;
	k->ops_bytes += rpc_entry_size_bound(e);
	size_t op = out_op(k, KVS_OP_ENTRY, r);
	k->out->ops[op].entry = *e;
	return true;
}

uint64_t out_batch(struct kvs *k)
{
	if (k->out->ops_n == 0)
		return 0;
	k->out->ops_seq = ++k->emitted_seq;
	return k->emitted_seq;
}

bool out_events_full(const struct kvs *k)
{
	/* A step that finds room may say several things of one node. */
	return k->out->events_n + 8 > KVS_EVENTS_MAX;
}

void out_event(
    struct kvs *k, enum kvs_event_kind kind, const struct node_id *node, const char *detail, uint64_t value)
{
	struct kvs_outputs *out = k->out;
	if (out->events == NULL)
		out->events = take(k, KVS_EVENTS_MAX, sizeof(*out->events));
	CHECK(out->events_n < KVS_EVENTS_MAX);
	out->events[out->events_n++] =
	    (struct kvs_event){ .kind = kind, .node = *node, .detail = detail, .value = value };
	trace_add(&k->trace, k->now_ms, "event", kind, node->b[0], value);
}

void out_watched(struct kvs *k, const struct node_id *owner, const struct rpc_entry *e)
{
	struct kvs_outputs *out = k->out;
	if (out->watched_n == KVS_WATCHED_MAX)
		return;
	if (out->watched == NULL)
		out->watched = take(k, KVS_WATCHED_MAX, sizeof(*out->watched));
	out->watched[out->watched_n++] = (struct kvs_watched){ .owner = *owner, .entry = *e };
}

bool out_close(struct kvs *k, const struct kvs_link *link)
{
	struct kvs_outputs *out = k->out;
	if (out->closes_n == KVS_CLOSES_MAX)
		return false;
	if (out->closes == NULL)
		out->closes = take(k, KVS_CLOSES_MAX, sizeof(*out->closes));
	out->closes[out->closes_n++] = link->id;
	return true;
}

bool out_dial(struct kvs *k, const char *address, bool wanted)
{
	struct kvs_outputs *out = k->out;
	if (out->dials_n == KVS_DIALS_MAX)
		return false;
	if (out->dials == NULL)
		out->dials = take(k, KVS_DIALS_MAX, sizeof(*out->dials));
	out->dials[out->dials_n++] = (struct kvs_dial){ .address = address, .wanted = wanted };
	return true;
}
