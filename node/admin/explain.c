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

/* -- one node -- */

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
	field_u64(out, "capacity", known->capacity);
	field_u64(out, "load", known->load);
	field_u64(out, "headroom", known->capacity > known->load ? known->capacity - known->load : 0);
	put_places(e, n, out);
	field_u64_if(out, "age_ms", n->reported, known->age_ms);
	field_u64(out, "order", order_of[c->node]);
	buf_put_u8(out, '}');
}

/* -- all of them -- */

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
