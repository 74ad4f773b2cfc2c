#include "kvs/mirror.h"

#include "base/check.h"
#include "kvs/out.h"

#include <stdlib.h>
#include <string.h>

void mirror_touch(struct kvs *k, struct replica *r)
{
	if (r->stream == RPC_LOAD)
		return;
	r->disk.dirty = true;
	if (r->disk.queued)
		return;
	k->dirty = kvs_grow(k->dirty, &k->dirty_cap, k->dirty_n + 1, sizeof(struct replica *));
	k->dirty[k->dirty_n++] = r;
	r->disk.queued = true;
}

bool mirror_may_store(const struct kvs *k)
{
	return !k->mute && k->emitted_seq - k->stored_seq < KVS_BATCHES_MAX;
}

static size_t drops_n(const struct replica *r)
{
	return r->disk.drops == NULL ? 0 : r->disk.drops->n;
}

/* The ops point to the keys, so they live until the next step. */
static void emit_drops(struct kvs *k, struct replica *r)
{
	size_t n = drops_n(r);
	k->grave = kvs_grow(k->grave, &k->grave_cap, k->grave_n + n, sizeof(*k->grave));
	for (size_t i = 0; i < n; i++) {
		struct row_entry *e = r->disk.drops->tombstones[i];
		size_t op = out_op(k, KVS_OP_DROP_ENTRY, r);
		k->out->ops[op].entry = (struct rpc_entry){ .key = bytes_of(e->data, e->key_n), .deleted = true };
		k->grave[k->grave_n++] = e;
	}
	free(r->disk.drops);
	r->disk.drops = NULL;
}

/* True when all of the row is stored now. */
static bool flush_row(struct kvs *k, struct replica *r)
{
	if (!out_ops_room(k, drops_n(r) + 3))
		return false;
	if (r->disk.fresh) {
		out_op(k, KVS_OP_DROP_ROW, r);
		r->disk.have = 0;
		r->disk.fresh = false;
	}
	size_t meta_op = out_op(k, KVS_OP_ROW, r);
	/* Drops, floor and base go into one batch: without its tombstones a row is only legal at their floor. */
	emit_drops(k, r);
	struct rpc_entry e;
	size_t at = row_after(&r->live, r->disk.have);
	bool whole = true;
	while (row_next(&r->live, &at, &e)) {
		whole = out_op_entry(k, r, &e);
		if (!whole)
			break;
		r->disk.have = e.version;
	}
	if (whole)
		r->disk.have = r->live.have;
	struct kvs_row_meta m;
	replica_meta(r, &m);
	m.have = r->disk.have;
	if (m.horizon < r->live.have)
		m.horizon = r->live.have;
	if (m.have < m.floor)
		m.base = m.floor;
	out_op_row(k, meta_op, &m);
	return whole;
}

void mirror_flush(struct kvs *k)
{
	if (!mirror_may_store(k))
		return;
	size_t done = 0;
	while (done < k->dirty_n && flush_row(k, k->dirty[done])) {
		k->dirty[done]->disk.dirty = k->dirty[done]->disk.queued = false;
		done++;
	}
	if (done > 0)
		memmove(k->dirty, k->dirty + done, (k->dirty_n - done) * sizeof(struct replica *));
	k->dirty_n -= done;
	if (k->dirty_n > 0)
		out_later(k);
}
