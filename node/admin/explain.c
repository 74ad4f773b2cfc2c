#include "node/admin/explain.h"

#include "node/admin/fields.h"
#include "node/json_text.h"
#include "node/rfc3339.h"

static const char *state_str(enum assign_state s)
{
	switch (s) {
	case ASSIGN_READY: return "ready";
	case ASSIGN_JOINING: return "joining";
	case ASSIGN_DRAINING: return "draining";
	case ASSIGN_SUSPECT: return "suspect";
	case ASSIGN_DOWN: return "down";
	case ASSIGN_LEFT: return "left";
	}
	return "unknown";
}

static void field_null(struct buf *out, const char *key)
{
	json_put_key(out, key);
	buf_put_str(out, "null");
}

static void field_u64_if(struct buf *out, const char *key, bool known, uint64_t value)
{
	if (known)
		field_u64(out, key, value);
	else
		field_null(out, key);
}

static void field_time(struct buf *out, const char *key, uint64_t wall_ms)
{
	char text[RFC3339_MICROS_LEN + 1];
	rfc3339_micros(text, wall_ms * 1000);
	field_str(out, key, bytes_str(text));
}

/* -- of a content: one node -- */

static void put_held(const struct explain_now *e, const struct place_node *n, struct buf *out)
{
	struct rpc_location held = { 0 };
	for (size_t i = 0; i < e->holders_n; i++)
		if (node_id_eq(&e->holders[i].node, &n->id))
			held = e->holders[i].location;
	field_bool(out, "holder", n->holder);
	field_u64(out, "objects", held.objects);
	field_u64(out, "bytes", held.bytes);
	field_u64(out, "share_permille", held.share_permille);
}

static void put_places(const struct explain_now *e, const struct place_node *n, struct buf *out)
{
	uint64_t places = 0;
	bool known = e->leased != NULL && e->leased(e->leased_ctx, &n->id, &places);
	field_u64_if(out, "places", known, places);
}

static void put_load(uint64_t capacity, uint64_t load, struct buf *out)
{
	field_u64(out, "capacity", capacity);
	field_u64(out, "load", load);
	field_u64(out, "headroom", capacity > load ? capacity - load : 0);
}

static void put_candidate(const struct explain_now *e, size_t i, const size_t *order_of, struct buf *out)
{
	const struct assign_result *d = &e->place->decision;
	const struct assign_candidate *c = &d->candidates[i];
	const struct place_node *n = &e->place->nodes[c->node];
	const struct assign_node *known = &e->place->known[c->node];
	json_put_next(out);
	buf_put_u8(out, '{');
	field_u64_if(out, "rank", i < d->usable_n, i + 1);
	field_str(out, "node", n->name);
	field_id(out, "id", &n->id);
	field_str(out, "reason", bytes_str(assign_reason_str(c->reason)));
	field_str(out, "state", bytes_str(state_str(known->state)));
	field_str(out, "zone", known->zone);
	put_held(e, n, out);
	put_load(known->capacity, known->load, out);
	put_places(e, n, out);
	field_u64_if(out, "age_ms", n->reported, known->age_ms);
	field_u64(out, "order", order_of[c->node]);
	buf_put_u8(out, '}');
}

/* -- of a content, now -- */

/* Of each node its place in the content's own order, from 1; NULL: the arena is exhausted. */
static size_t *own_order(const struct explain_now *e, struct arena *a)
{
	size_t n = e->place->nodes_n;
	uint32_t *order = arena_array(a, n, sizeof(*order));
	size_t *order_of = arena_array(a, n, sizeof(*order_of));
	if (order == NULL || order_of == NULL ||
	    assign_rank(bytes_str(e->origin->name), e->content, e->place->known, n, a, order) != OK)
		return NULL;
	for (size_t i = 0; i < n; i++)
		order_of[order[i]] = i + 1;
	return order_of;
}

enum err explain_put_now(const struct explain_now *e, struct arena *a, struct buf *out)
{
	const struct assign_result *d = &e->place->decision;
	const size_t *order_of = own_order(e, a);
	if (order_of == NULL)
		return ERR_NO_MEMORY;
	bool refused = d->outcome == ASSIGN_REFUSED;
	buf_put_u8(out, '{');
	field_str(out, "content", e->content);
	field_str(out, "origin", bytes_str(e->origin->name));
	field_str(out, "zone", e->zone);
	field_str(out, "asked", e->node);
	field_time(out, "at", e->now_wall_ms);
	field_str(out, "outcome", bytes_str(assign_outcome_str(d->outcome)));
	if (refused)
		field_null(out, "node");
	else
		field_str(out, "node", e->place->nodes[d->node].name);
	field_u64(out, "holders", e->holders_n);
	json_put_key(out, "candidates");
	buf_put_u8(out, '[');
	for (size_t i = 0; i < d->candidates_n; i++)
		put_candidate(e, i, order_of, out);
	buf_put_str(out, "]}\n");
	return OK;
}

/* -- of a session, then -- */

static const struct view_node *node_in_slot(const struct cluster_view *view, uint32_t slot)
{
	for (size_t i = 0; i < view->nodes_n; i++)
		if (slot != TALLY_NO_SLOT && view->nodes[i].slot == slot)
			return &view->nodes[i];
	return NULL;
}

static void put_node_name(const struct explain_then *e, const struct node_id *id, struct buf *out)
{
	const struct view_node *n = cluster_view_find(e->view, id);
	field_str(out, "node", n != NULL ? bytes_str(n->name) : BYTES_NONE);
	field_id(out, "node_id", id);
}

static void put_reasons(const struct recalled *r, struct buf *out)
{
	json_put_key(out, "reasons");
	buf_put_u8(out, '{');
	for (size_t i = 0; i < RECALL_REASONS; i++)
		if (r->by_reason[i] > 0)
			field_u64(out, assign_reason_str((enum assign_reason)i), r->by_reason[i]);
	buf_put_u8(out, '}');
}

static void put_recalled(const struct explain_then *e, size_t i, struct buf *out)
{
	const struct recalled_node *one = &e->recalled->best[i];
	const struct view_node *n = node_in_slot(e->view, one->slot);
	json_put_next(out);
	buf_put_u8(out, '{');
	field_u64_if(out, "rank", i < e->recalled->ordered_n, i + 1);
	field_str(out, "node", n != NULL ? bytes_str(n->name) : BYTES_NONE);
	field_str(out, "reason", bytes_str(assign_reason_str(one->reason)));
	field_str(out, "state", bytes_str(state_str(one->state)));
	field_bool(out, "holder", one->holder);
	put_load(one->capacity, one->load, out);
	field_u64(out, "places", one->places);
	field_u64_if(out, "age_ms", one->reported, one->age_ms);
	buf_put_u8(out, '}');
}

void explain_put_then(const struct explain_then *e, struct buf *out)
{
	const struct recalled *r = e->recalled;
	buf_put_u8(out, '{');
	field_hex(out, "session_id", bytes_of(e->t->session, sizeof(e->t->session)));
	field_str(out, "content", e->t->content);
	field_str(out, "origin", e->t->origin);
	field_str(out, "created_by", e->node);
	field_time(out, "created_at", e->t->issued_at_s * 1000);
	field_time(out, "not_after", e->t->not_after_s * 1000);
	field_str(out, "outcome", bytes_str(assign_outcome_str(r->outcome)));
	put_node_name(e, &e->t->node, out);
	if (e->now != NULL)
		field_str(out, "node_now", e->now->name);
	else
		field_null(out, "node_now");
	field_u64(out, "nodes", r->nodes_n);
	field_u64(out, "usable", r->usable_n);
	put_reasons(r, out);
	json_put_key(out, "candidates");
	buf_put_u8(out, '[');
	for (size_t i = 0; i < r->best_n; i++)
		put_recalled(e, i, out);
	buf_put_str(out, "]}\n");
}
