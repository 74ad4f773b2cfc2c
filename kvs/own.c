#include "kvs/own.h"

#include "base/check.h"
#include "kvs/changes.h"
#include "kvs/commands.h"
#include "kvs/members.h"
#include "kvs/mirror.h"
#include "kvs/out.h"
#include "kvs/rows.h"
#include "kvs/rules.h"

#include <string.h>

enum {
	TOMBSTONES_PART = 4,  /* the floor is raised when tombstones exceed that part of the live entries */
	COLLECT_MAX = 512,    /* at once */
	OPS_RESERVE = 4,      /* for the row that comes after */
	JUMPS_MS = 60 * 1000, /* jumps within it are counted */
	/* A restored disk may be many runs old, and each peer may know another of them: one jump passes most. */
	JUMP_BY = 1024,
};

static const enum rpc_stream STORED_STREAMS[] = { RPC_CONTROL, RPC_LOCATIONS };

void own_init(struct kvs *k)
{
	for (unsigned s = 0; s < RPC_STREAMS; s++) {
		row_init(&k->own.staged[s]);
		row_init(&k->own.flying[s]);
		k->own.rows[s] = rows_ensure(k, &k->cfg.self, s);
		k->own.fresh[s] = true;
	}
}

void own_fini(struct kvs *k)
{
	for (unsigned s = 0; s < RPC_STREAMS; s++) {
		row_fini(&k->own.staged[s]);
		row_fini(&k->own.flying[s]);
	}
}

void own_start(struct kvs *k)
{
	for (unsigned i = 0; i < 2; i++) {
		/* What was loaded goes on; what was not is void on disk too. */
		struct replica *r = k->own.rows[STORED_STREAMS[i]];
		replica_drop_shadow(r);
		k->own.fresh[r->stream] = r->live.incarnation.count == 0;
	}
	k->own.rows[RPC_LOAD]->live.incarnation = k->cfg.incarnation;
	k->own.incarnation = k->cfg.incarnation;
	k->own.rename = true;
}

/* -- writes -- */

/* The latest word on a key; false: none. */
static bool latest(const struct kvs *k, enum rpc_stream stream, struct bytes key, struct rpc_entry *e)
{
	const struct own *o = &k->own;
	if (row_get(&o->staged[stream], key, e) && e->version > o->taken[stream])
		return true;
	return row_get(&o->flying[stream], key, e) || row_get(&o->rows[stream]->live, key, e);
}

bool own_get(const struct kvs *k, enum rpc_stream stream, struct bytes key, struct bytes *value)
{
	struct rpc_entry e;
	if (!latest(k, stream, key, &e) || e.deleted)
		return false;
	*value = e.value;
	return true;
}

static void write(struct kvs *k, enum rpc_stream stream, struct bytes key, struct bytes value, bool deleted)
{
	CHECK((unsigned)stream < RPC_STREAMS);
	CHECK(key.n > 0 && key.n <= RPC_KEY_MAX && value.n <= RPC_VALUE_MAX);
	if (k->commands.self_expelled)
		return;
	if (k->own.duplicate)
		return; /* another process writes under this id: what it says must not be mixed with ours */
	struct rpc_entry e;
	bool there = latest(k, stream, key, &e) && !e.deleted;
	if (deleted ? !there : there && bytes_eq(e.value, value))
		return;
	if (stream == RPC_LOAD) {
		struct row *row = &k->own.rows[RPC_LOAD]->live;
		struct row_mark before = changes_mark(k->own.rows[RPC_LOAD]);
		row_put(row, row->have + 1, key, value, deleted);
		row->horizon = ++row->have;
		changes_note(k, k->own.rows[RPC_LOAD], &before);
		members_on_row(k, k->own.rows[RPC_LOAD]);
		return;
	}
	row_put(&k->own.staged[stream], ++k->own.staged_seq, key, value, deleted);
}

void own_put(struct kvs *k, enum rpc_stream stream, struct bytes key, struct bytes value)
{
	write(k, stream, key, value, false);
}

void own_delete(struct kvs *k, enum rpc_stream stream, struct bytes key)
{
	write(k, stream, key, BYTES_NONE, true);
}

void own_put_register(struct kvs *k)
{
	struct buf b;
	buf_init(&b, RPC_VALUE_MAX);
	CHECK(rpc_encode_register(k->reg, &b) == OK);
	own_put(k, RPC_CONTROL, RPC_KEY_REGISTER, buf_bytes(&b));
	buf_fini(&b);
}

/* -- batches -- */

/* R4: how far the floor goes with this batch; 0: no further. */
static uint64_t next_floor(const struct kvs *k, const struct row *row)
{
	uint32_t limit = row->live / TOMBSTONES_PART;
	if (limit < k->cfg.tombstones_min)
		limit = k->cfg.tombstones_min;
	return row->tombstones > limit ? row_nth_tombstone(row, COLLECT_MAX) : 0;
}

static void emit_drops(struct kvs *k, const struct replica *r, uint64_t floor)
{
	struct rpc_entry e;
	for (size_t at = 0; row_next(&r->live, &at, &e) && e.version <= floor;) {
		if (!e.deleted)
			continue;
		size_t op = out_op(k, KVS_OP_DROP_ENTRY, r);
		k->out->ops[op].entry = (struct rpc_entry){ .key = e.key, .deleted = true };
	}
}

/* The history of a row that goes on under another incarnation (R2). */
static void rename_meta(struct kvs_row_meta *m, struct incarnation to)
{
	if (m->incarnation.count != 0 && incarnation_cmp(m->incarnation, to) != 0) {
		size_t keep = m->ancestors_n < RPC_ANCESTORS_MAX ? m->ancestors_n : RPC_ANCESTORS_MAX - 1;
		memmove(m->ancestors + 1, m->ancestors, keep * sizeof(m->ancestors[0]));
		m->ancestors[0] = (struct rpc_ancestor){ m->incarnation, m->have };
		m->ancestors_n = keep + 1;
	}
	m->incarnation = to;
}

/* Moves staged writes into the batch, as far as they fit. */
static void fly(struct kvs *k, struct replica *r)
{
	struct own *o = &k->own;
	enum rpc_stream s = r->stream;
	struct rpc_entry e;
	size_t at = row_after(&o->staged[s], o->taken[s]);
	while (row_next(&o->staged[s], &at, &e)) {
		if (!out_ops_room(k, OPS_RESERVE))
			return;
		o->taken[s] = e.version;
		row_put(&o->flying[s], ++o->flying_have[s], e.key, e.value, e.deleted);
		CHECK(row_get(&o->flying[s], e.key, &e));
		out_op_entry(k, r, &e);
	}
	row_clear(&o->staged[s]);
}

static void emit_row(struct kvs *k, struct replica *r)
{
	struct own *o = &k->own;
	enum rpc_stream s = r->stream;
	row_clear(&o->flying[s]); /* landed long ago; a batch's slices pointed into it */
	if (o->fresh[s])
		out_op(k, KVS_OP_DROP_ROW, r);
	o->fresh[s] = false;
	size_t meta_op = out_op(k, KVS_OP_ROW, r);
	uint64_t floor = next_floor(k, &r->live);
	if (floor > 0 && out_ops_room(k, COLLECT_MAX + 1)) {
		o->flying_floor[s] = floor;
		emit_drops(k, r, floor);
	}
	fly(k, r);
	/* The new floor is a write of its own, numbered after the batch's entries. */
	if (o->flying_floor[s] > 0)
		o->flying_have[s]++;
	struct kvs_row_meta m;
	replica_meta(r, &m);
	rename_meta(&m, o->incarnation);
	m.have = m.horizon = o->flying_have[s];
	if (o->flying_floor[s] > 0)
		m.floor = o->flying_floor[s];
	out_op_row(k, meta_op, &m);
}

static bool wants_batch(const struct kvs *k, const struct replica *r)
{
	const struct row *staged = &k->own.staged[r->stream];
	return k->own.rename || row_after(staged, k->own.taken[r->stream]) < staged->slots_n ||
	       next_floor(k, &r->live) > 0;
}

bool own_flush(struct kvs *k)
{
	struct own *o = &k->own;
	if (o->in_flight || o->duplicate || k->commands.self_expelled || !mirror_may_store(k))
		return false;
	for (unsigned i = 0; i < 2; i++) {
		struct replica *r = o->rows[STORED_STREAMS[i]];
		o->flying_have[r->stream] = r->live.have;
		o->flying_floor[r->stream] = 0;
		if (!wants_batch(k, r))
			continue;
		emit_row(k, r);
		o->in_flight = true;
	}
	if (!o->in_flight)
		return false;
	o->flying_incarnation = o->incarnation;
	o->flying_rename = o->rename;
	o->flying_jump = o->jump;
	o->rename = o->jump = false;
	k->out->ops_own = true;
	return true;
}

void own_sent(struct kvs *k, uint64_t seq)
{
	k->own.seq = seq;
	if (kvs_rule_may_tell(false))
		own_stored(k, seq);
}

/* -- stored -- */

/* Each incarnation's load row starts empty; what was said last is said again. */
static void restart_load(struct kvs *k)
{
	struct row_mark before = changes_mark(k->own.rows[RPC_LOAD]);
	struct row *row = &k->own.rows[RPC_LOAD]->live;
	struct row old = *row;
	row_init(row);
	row->incarnation = k->incarnation;
	struct rpc_entry e;
	for (size_t at = 0; row_next(&old, &at, &e);) {
		if (e.deleted)
			continue;
		row_put(row, row->have + 1, e.key, e.value, false);
		row->horizon = ++row->have;
	}
	row_fini(&old);
	changes_note(k, k->own.rows[RPC_LOAD], &before);
}

static void land(struct kvs *k, struct replica *r)
{
	struct own *o = &k->own;
	enum rpc_stream s = r->stream;
	struct row *row = &r->live;
	struct row_mark before = changes_mark(r);
	if (o->flying_rename) {
		struct kvs_row_meta m;
		replica_meta(r, &m);
		rename_meta(&m, k->incarnation);
		row_set_history(row, m.incarnation, m.ancestors, m.ancestors_n);
	}
	struct rpc_entry e;
	for (size_t at = row_after(&o->flying[s], row->have); row_next(&o->flying[s], &at, &e);)
		row_put(row, e.version, e.key, e.value, e.deleted);
	row->have = row->horizon = o->flying_have[s];
	row_collect(row, o->flying_floor[s], NULL, NULL);
	changes_note(k, r, &before);
	members_on_row(k, r);
	if (r->stream == RPC_CONTROL)
		commands_on_row(k, r, before.have);
}

void own_stored(struct kvs *k, uint64_t seq)
{
	struct own *o = &k->own;
	if (!o->in_flight || seq < o->seq)
		return;
	o->in_flight = false;
	if (o->flying_rename)
		k->incarnation = o->flying_incarnation;
	for (unsigned i = 0; i < 2; i++)
		land(k, o->rows[STORED_STREAMS[i]]);
	if (o->flying_jump) {
		restart_load(k);
		k->out->incarnation_changed = true;
	}
}

/* -- incarnation -- */

/* Until the jump is shown to others, what they say cannot be an answer to it: it only goes higher. */
static bool jump_is_pending(const struct own *o)
{
	return o->jump || (o->in_flight && o->flying_jump);
}

static bool too_many_jumps(struct kvs *k)
{
	struct own *o = &k->own;
	if (jump_is_pending(o))
		return false;
	if (o->jumps == 0 || k->now_ms - o->jumped_ms >= JUMPS_MS) {
		o->jumped_ms = k->now_ms;
		o->jumps = 0;
	}
	return kvs_rule_duplicate_id(++o->jumps);
}

void own_sighted(struct kvs *k, struct incarnation seen)
{
	struct own *o = &k->own;
	if (o->duplicate || kvs_rule_order(seen, o->incarnation) <= 0 || seen.count > UINT64_MAX - JUMP_BY)
		return;
	if (too_many_jumps(k)) {
		o->duplicate = true;
		out_event(k, KVS_EVENT_DUPLICATE_ID, &k->cfg.self, "own id seen above every jump", seen.count);
		return;
	}
	if (!jump_is_pending(o))
		out_event(k, KVS_EVENT_OWN_JUMPED, &k->cfg.self, "own id seen under a later incarnation", seen.count);
	o->incarnation = (struct incarnation){ seen.count + JUMP_BY, prng_next(&k->prng) };
	o->rename = o->jump = true;
}
