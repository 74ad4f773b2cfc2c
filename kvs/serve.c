#include "kvs/serve.h"

#include "base/check.h"
#include "kvs/out.h"
#include "kvs/rules.h"
#include "kvs/told.h"
#include "rpc/codec.h"

/* What a frame costs before its entries: owner, incarnation, ancestors, numbers. */
enum { FRAME_OVERHEAD_BYTES = 64 };

/* How many entries after `from` fit into one frame, at least one where there is one. */
static size_t fit(const struct kvs *k, const struct row *row, uint64_t from, size_t *bytes)
{
	struct rpc_entry e;
	size_t n = 0;
	*bytes = FRAME_OVERHEAD_BYTES;
	for (size_t at = row_after(row, from); row_next(row, &at, &e) && n < RPC_FRAME_ENTRIES_MAX; n++) {
		size_t size = rpc_entry_size_bound(&e);
		if (n > 0 && *bytes + size > k->cfg.frame_bytes)
			break;
		*bytes += size;
	}
	return n;
}

/* Fills a frame with the n entries after `from`; it ends at the last of them, or where the row does. */
static void fill(struct kvs *k, const struct replica *r, uint64_t from, size_t n, struct rpc_row_frame *f)
{
	const struct row *row = &r->live;
	struct rpc_entry *entries = arena_array(k->out->arena, n, sizeof(*entries));
	CHECK(entries != NULL);
	size_t at = row_after(row, from);
	for (size_t i = 0; i < n; i++)
		CHECK(row_next(row, &at, &entries[i]));
	struct rpc_entry further;
	bool whole = !row_next(row, &at, &further);
	*f = (struct rpc_row_frame){
		.owner = r->owner,
		.stream = r->stream,
		.incarnation = row->incarnation,
		.from = from,
		.to = whole ? row->have : entries[n - 1].version,
		.horizon = row->horizon > row->have ? row->horizon : row->have,
		.floor = row->floor,
		.entries = entries,
		.entries_n = n,
	};
	f->ancestors_n = row_ancestors(row, f->ancestors);
}

/* What was sent, the peer is taken to have. */
static void note_sent(struct kvs_link *link, const struct replica *r, uint64_t to, size_t bytes)
{
	link->room -= bytes < link->room ? bytes : link->room;
	if (link->near)
		told_raise(&link->told, r, to);
}

bool serve_push(struct kvs *k, struct kvs_link *link, const struct replica *r, uint64_t from)
{
	do {
		size_t bytes, n = fit(k, &r->live, from, &bytes);
		if (!kvs_rule_fits(link->room, bytes))
			return false;
		struct rpc_msg *m = out_send(k, link, RPC_ROW_FRAME, false);
		if (m == NULL)
			return false;
		fill(k, r, from, n, &m->row_frame);
		m->row_frame.reset = from == 0;
		from = m->row_frame.to;
		note_sent(link, r, from, bytes);
		k->counters.frames_pushed++;
	} while (from < r->live.have);
	return true;
}

bool serve_row(
    struct kvs *k, struct kvs_link *link, const struct replica *r, const struct rpc_row_position *p)
{
	struct replica_plan plan = replica_plan_for(r, p);
	if (!plan.send)
		return true;
	uint64_t from = plan.from;
	do {
		size_t bytes, n = fit(k, &r->live, from, &bytes);
		if ((k->sent_bytes > 0 && k->sent_bytes + bytes > k->cfg.exchange_bytes) ||
		    !kvs_rule_fits(link->room, bytes))
			return false;
		struct rpc_msg *m = out_send(k, link, RPC_ROW_FRAME, false);
		if (m == NULL)
			return false;
		k->sent_bytes += bytes;
		fill(k, r, from, n, &m->row_frame);
		m->row_frame.reset = plan.reset;
		m->row_frame.repair = true; /* it descends from a question */
		from = m->row_frame.to;
		note_sent(link, r, from, bytes);
	} while (from < r->live.have);
	return true;
}
