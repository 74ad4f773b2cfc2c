#include "kvs/replica.h"

#include "base/check.h"
#include "kvs/rules.h"

#include <stdlib.h>
#include <string.h>

struct replica *replica_new(const struct node_id *owner, enum rpc_stream stream)
{
	struct replica *r = calloc(1, sizeof(*r));
	CHECK(r != NULL);
	r->owner = *owner;
	r->stream = stream;
	r->id = row_id_of(owner, stream);
	r->inexact_ms = UINT64_MAX;
	row_init(&r->live);
	return r;
}

static void forget_drops(struct replica *r)
{
	for (size_t i = 0; r->disk.drops != NULL && i < r->disk.drops->n; i++)
		free(r->disk.drops->tombstones[i]);
	free(r->disk.drops);
	r->disk.drops = NULL;
}

void replica_drop_shadow(struct replica *r)
{
	if (r->shadow == NULL)
		return;
	row_fini(&r->shadow->row);
	free(r->shadow);
	r->shadow = NULL;
}

static struct row *shadow_new(struct replica *r, bool refetch, uint64_t now_ms)
{
	replica_drop_shadow(r);
	r->shadow = calloc(1, sizeof(*r->shadow));
	CHECK(r->shadow != NULL);
	row_init(&r->shadow->row);
	r->shadow->refetch = refetch;
	r->shadow->grown_ms = now_ms;
	return &r->shadow->row;
}

void replica_free(struct replica *r)
{
	if (r == NULL)
		return;
	replica_drop_shadow(r);
	forget_drops(r);
	row_fini(&r->live);
	free(r);
}

struct row_id row_id_of(const struct node_id *owner, enum rpc_stream stream)
{
	struct row_id id;
	memcpy(id.b, owner->b, NODE_ID_BYTES);
	id.b[NODE_ID_BYTES] = (uint8_t)stream;
	return id;
}

int row_id_cmp(const struct row_id *a, const struct row_id *b)
{
	return memcmp(a->b, b->b, RPC_ROW_ID_BYTES);
}

void replica_position(const struct replica *r, struct rpc_row_position *p)
{
	const struct row *row = r->shadow != NULL ? &r->shadow->row : &r->live;
	*p = (struct rpc_row_position){
		.owner = r->owner,
		.stream = r->stream,
		.incarnation = row->incarnation,
		.have = row->have,
		.horizon = row->horizon > row->have ? row->horizon : row->have,
		.floor = row->floor,
		.base = row->base,
	};
	if (r->shadow == NULL && r->stream != RPC_LOAD)
		p->fingerprint = row->fingerprint == 0 ? 1 : row->fingerprint;
}

void replica_meta(const struct replica *r, struct kvs_row_meta *m)
{
	*m = (struct kvs_row_meta){
		.owner = r->owner,
		.stream = r->stream,
		.incarnation = r->live.incarnation,
		.have = r->live.have,
		.horizon = r->live.horizon,
		.floor = r->live.floor,
		.base = r->live.base,
	};
	m->ancestors_n = row_ancestors(&r->live, m->ancestors);
}

void replica_gone(void *replica, struct row_entry *e)
{
	struct replica *r = replica;
	if (r->stream == RPC_LOAD || r->disk.fresh) {
		free(e);
		return;
	}
	if (r->disk.drops == NULL) {
		r->disk.drops = calloc(1, sizeof(*r->disk.drops));
		CHECK(r->disk.drops != NULL);
	}
	if (r->disk.drops->n == REPLICA_DROPS_MAX) {
		forget_drops(r);
		free(e);
		r->disk.fresh = true;
		return;
	}
	r->disk.drops->tombstones[r->disk.drops->n++] = e;
}

/* -- frames in -- */

/* The law of frames, as far as it needs no state. NULL: it holds. */
static const char *broken(const struct rpc_row_frame *f)
{
	if (f->incarnation.count == 0)
		return "frame without incarnation";
	if (f->from > f->to || f->to > f->horizon || f->floor > f->horizon)
		return "frame with an impossible interval";
	if (f->ancestors_n > RPC_ANCESTORS_MAX)
		return "frame with too many ancestors";
	uint64_t last = f->from;
	for (size_t i = 0; i < f->entries_n; i++) {
		const struct rpc_entry *e = &f->entries[i];
		if (e->version <= last || e->version > f->to)
			return "frame with entries out of order";
		if (e->key.n == 0 || e->key.n > RPC_KEY_MAX || e->value.n > RPC_VALUE_MAX)
			return "frame with an entry over its limits";
		if (e->deleted && e->value.n > 0)
			return "frame with a tombstone that has a value";
		last = e->version;
	}
	return NULL;
}

/* The part of an accepted interval that is new. The floor is taken over only with it: it is a
 * versioned write of the owner, and a row's bytes at one version must not depend on the route. */
static void take(
    struct row *row, const struct rpc_row_frame *f, void (*gone)(void *, struct row_entry *), void *arg)
{
	for (size_t i = 0; i < f->entries_n; i++) {
		const struct rpc_entry *e = &f->entries[i];
		if (e->version > row->have)
			row_put(row, e->version, e->key, e->value, e->deleted);
	}
	row->have = f->to;
	if (row->horizon < f->horizon)
		row->horizon = f->horizon;
	if (row->have >= f->floor)
		row_collect(row, f->floor, gone, arg);
}

static void note_exactness(struct replica *r, uint64_t now_ms)
{
	if (kvs_rule_exact(r->live.have, r->live.horizon))
		r->inexact_ms = UINT64_MAX;
	else if (r->inexact_ms == UINT64_MAX)
		r->inexact_ms = now_ms;
}

static bool has_history(const struct replica *r)
{
	return r->live.incarnation.count != 0;
}

static void swap_in(struct replica *r, struct replica_news *news)
{
	const struct row *s = &r->shadow->row;
	news->reset = has_history(r) && kvs_rule_order(s->incarnation, r->live.incarnation) != 0;
	news->reset_entries = r->live.live;
	news->rebuilt = true;
	row_fini(&r->live);
	r->live = *s;
	free(r->shadow);
	r->shadow = NULL;
	forget_drops(r);
	r->disk.fresh = true;
	r->disk.have = 0;
	news->changed = true;
}

/* The live row was fetched anew up to where it stands. An inexact copy is worth nothing to an exact
 * row. Of two inexact ones each may have what the other lacks, and nobody who knows better may be
 * left: the union converges, and names no entry that was not written. */
static void swap_refetched(struct replica *r, struct replica_news *news)
{
	struct row *s = &r->shadow->row;
	if (s->have == r->live.have && !kvs_rule_exact(s->have, s->horizon)) {
		if (kvs_rule_exact(r->live.have, r->live.horizon)) {
			replica_drop_shadow(r);
			return;
		}
		row_collect(s, r->live.floor, NULL, NULL);
		row_merge(s, &r->live);
		if (s->horizon < r->live.horizon)
			s->horizon = r->live.horizon;
	}
	swap_in(r, news);
}

/* Shows the shadow when it is whole enough, or drops it when the live row needs it no more. */
static void settle(struct replica *r, uint64_t now_ms, struct replica_news *news)
{
	if (r->shadow != NULL) {
		const struct row *s = &r->shadow->row;
		int order = kvs_rule_order(s->incarnation, r->live.incarnation);
		if (order < 0 || (order == 0 && !r->shadow->refetch && r->live.have >= s->base))
			replica_drop_shadow(r);
		else if (!kvs_rule_built(s->have, s->base))
			;
		else if (order > 0)
			swap_in(r, news);
		else if (s->have >= r->live.have)
			swap_refetched(r, news);
	}
	note_exactness(r, now_ms);
}

/* A frame from 0 that begins a row anew: the first, of a later incarnation, or above a higher floor. */
static bool begins_shadow(const struct replica *r, const struct rpc_row_frame *f)
{
	if (f->from != 0)
		return false;
	if (r->shadow == NULL)
		return true;
	int order = kvs_rule_order(f->incarnation, r->shadow->row.incarnation);
	return order > 0 || (order == 0 && f->floor > r->shadow->row.base);
}

static enum replica_outcome apply_shadow(struct replica *r, const struct rpc_row_frame *f, uint64_t now_ms)
{
	if (begins_shadow(r, f)) {
		bool refetch = r->shadow != NULL && r->shadow->refetch &&
		               kvs_rule_order(f->incarnation, r->live.incarnation) == 0;
		struct row *s = shadow_new(r, refetch, now_ms);
		row_set_history(s, f->incarnation, f->ancestors, f->ancestors_n);
		s->base = s->floor = f->floor;
		take(s, f, NULL, NULL);
		return REPLICA_APPLIED;
	}
	if (r->shadow == NULL)
		return REPLICA_GAP;
	struct row *s = &r->shadow->row;
	int order = kvs_rule_order(f->incarnation, s->incarnation);
	if (order != 0)
		return order < 0 ? REPLICA_BEHIND : REPLICA_GAP;
	enum kvs_floor_verdict floor = kvs_rule_floor(s->have, s->base, f->floor);
	if (floor != KVS_FLOOR_FITS)
		return floor == KVS_FLOOR_RESET ? REPLICA_GAP : REPLICA_BEHIND;
	if (f->to <= s->have)
		return REPLICA_DUPLICATE;
	if (!kvs_rule_continues(f->from, f->to, s->have))
		return REPLICA_GAP;
	r->shadow->grown_ms = now_ms;
	take(s, f, NULL, NULL);
	return REPLICA_APPLIED;
}

/* A frame of the live row's own history. GAP also when the shadow may still want it. */
static enum replica_outcome apply_live(struct replica *r, const struct rpc_row_frame *f)
{
	struct row *row = &r->live;
	enum kvs_floor_verdict floor = kvs_rule_floor(row->have, row->base, f->floor);
	if (floor != KVS_FLOOR_FITS)
		return floor == KVS_FLOOR_RESET ? REPLICA_GAP : REPLICA_BEHIND;
	if (f->to <= row->have)
		return REPLICA_DUPLICATE;
	if (!kvs_rule_continues(f->from, f->to, row->have))
		return REPLICA_GAP;
	take(row, f, replica_gone, r);
	return REPLICA_APPLIED;
}

/* R2: an incarnation that inherits what a row holds renames it; true when it did. */
static bool rename_row(struct row *row, const struct rpc_row_frame *f)
{
	if (row->incarnation.count == 0 || kvs_rule_order(f->incarnation, row->incarnation) <= 0 ||
	    !kvs_rule_inherits(f->ancestors, f->ancestors_n, row->incarnation, row->have, row->horizon))
		return false;
	row_set_history(row, f->incarnation, f->ancestors, f->ancestors_n);
	return true;
}

enum replica_outcome replica_apply(
    struct replica *r, const struct rpc_row_frame *f, uint64_t now_ms, struct replica_news *news)
{
	*news = (struct replica_news){ .why = broken(f) };
	if (news->why != NULL)
		return REPLICA_MALFORMED;
	if (r->live.live + r->live.tombstones + f->entries_n > REPLICA_ENTRIES_MAX) {
		news->why = "row over its bound of entries";
		return REPLICA_MALFORMED;
	}
	if (has_history(r) && kvs_rule_order(f->incarnation, r->live.incarnation) < 0)
		return REPLICA_BEHIND;
	if (r->shadow != NULL)
		rename_row(&r->shadow->row, f);
	bool renamed = rename_row(&r->live, f);
	enum replica_outcome live = REPLICA_GAP, shadow = REPLICA_GAP;
	if (has_history(r) && kvs_rule_order(f->incarnation, r->live.incarnation) == 0)
		live = apply_live(r, f);
	/* A frame may do for both: where there is a shadow, that is what the sender was asked for. */
	if (r->shadow != NULL || live == REPLICA_GAP)
		shadow = apply_shadow(r, f, now_ms);
	news->changed = renamed || live == REPLICA_APPLIED;
	settle(r, now_ms, news);
	if (news->changed)
		r->disk.dirty = true;
	if (live == REPLICA_APPLIED || shadow == REPLICA_APPLIED || renamed)
		return REPLICA_APPLIED;
	return live != REPLICA_GAP ? live : shadow;
}

void replica_refetch(struct replica *r, uint64_t now_ms)
{
	if (r->shadow != NULL || !has_history(r))
		return;
	struct row *s = shadow_new(r, true, now_ms);
	row_set_history(s, r->live.incarnation, r->live.ancestors, r->live.ancestors_n);
}

void replica_expire(struct replica *r, uint64_t now_ms, uint64_t patience_ms)
{
	if (r->shadow != NULL && now_ms - r->shadow->grown_ms >= patience_ms)
		replica_drop_shadow(r);
}

void replica_loaded(struct replica *r, uint64_t now_ms)
{
	if (!kvs_rule_built(r->live.have, r->live.base)) {
		struct row *s = shadow_new(r, false, now_ms);
		*s = r->live;
		row_init(&r->live);
		r->disk.fresh = true;
		r->disk.have = 0;
	} else {
		r->disk.have = r->live.have;
	}
	note_exactness(r, now_ms);
}

/* -- what a peer wants, what it has -- */

struct replica_plan replica_plan_for(const struct replica *r, const struct rpc_row_position *p)
{
	const struct row *row = &r->live;
	const struct replica_plan nothing = { 0 }, anew = { .send = true, .reset = true };
	if (!has_history(r))
		return nothing;
	int order = kvs_rule_order(row->incarnation, p->incarnation);
	if (order < 0)
		return nothing;
	if (order > 0 &&
	    !kvs_rule_inherits(row->ancestors, row->ancestors_n, p->incarnation, p->have, p->horizon))
		return anew;
	/* With order > 0 even an interval without entries tells the peer to rename its row, which may have more
	 * of what is inherited than this one. */
	if (order == 0 && p->have >= row->have)
		return nothing;
	if (p->have > row->have)
		return (struct replica_plan){ .send = true, .from = row->have };
	switch (kvs_rule_floor(p->have, p->base, row->floor)) {
	case KVS_FLOOR_FITS:
		return (struct replica_plan){ .send = true, .reset = p->have < p->base, .from = p->have };
	case KVS_FLOOR_RESET: return anew;
	case KVS_FLOOR_REFUSE: return nothing;
	}
	UNREACHABLE();
}

bool replica_lacks(const struct replica *r, const struct rpc_row_position *p)
{
	struct rpc_row_position mine;
	replica_position(r, &mine);
	int order = kvs_rule_order(p->incarnation, mine.incarnation);
	if (order != 0)
		return order > 0;
	return p->have > mine.have && kvs_rule_floor(mine.have, mine.base, p->floor) != KVS_FLOOR_REFUSE;
}
