#include "node/api/place.h"

#include "base/hash.h"
#include "node/api/session_request.h"

#include <string.h>

/* The same on every node, so that all of them move a session to the same place. */
static const struct hash_key keep_key = { "warmcast-keep-1" };

enum {
	LOAD_WINDOW_S = 30, /* whoever was assigned longer ago has come, or never will */
	/* And of a node that tells its load: it has heard of him then, and told it if that changes much
	 * (node/load_damping.h), however old its last word is. */
	TOLD_WITHIN_S = 3,
	UNSEEN_WINDOW_S = 10, /* what other api nodes assign is taken to be like this one's own in it */
};

static enum assign_state state_of(const struct view_node *n)
{
	if (n->liveness == KVS_DOWN)
		return ASSIGN_DOWN;
	/* Before suspicion: one that wants nobody gets nobody, not even as a last resort. */
	if (n->state == NODE_DRAINING)
		return ASSIGN_DRAINING;
	if (n->state == NODE_LEFT)
		return ASSIGN_LEFT;
	if (n->liveness == KVS_SUSPECT)
		return ASSIGN_SUSPECT;
	return n->state == NODE_READY ? ASSIGN_READY : ASSIGN_JOINING;
}

/* What a node last said, plus what was assigned to it here since (A1): a report is as old as its way. */
static uint32_t load_of(const struct api *api, const struct view_node *n, uint64_t age_ms, uint64_t now_s)
{
	uint64_t age_s = n->has_load ? age_ms / 1000 : LOAD_WINDOW_S;
	if (n->has_load && age_s > TOLD_WITHIN_S)
		age_s = TOLD_WITHIN_S;
	uint64_t since = tally_recent(api->c.tally, n->slot, now_s, (uint32_t)age_s + 1);
	uint64_t load = since + (n->has_load ? n->load : 0);
	return load < UINT32_MAX ? (uint32_t)load : UINT32_MAX;
}

/* What other api nodes may have assigned to it that it has not told. */
static uint32_t unseen_of(
    const struct api *api, const struct view_node *n, uint32_t others, uint64_t age_ms, uint64_t now_s)
{
	if (others == 0)
		return 0;
	if (age_ms > TOLD_WITHIN_S * 1000)
		age_ms = TOLD_WITHIN_S * 1000;
	uint32_t own = tally_recent(api->c.tally, n->slot, now_s, UNSEEN_WINDOW_S);
	return assign_unseen(own, others, age_ms, UNSEEN_WINDOW_S * 1000);
}

static const struct kvs_holder *holder_of(
    const struct kvs_holder *holders, size_t n, const struct node_id *id)
{
	for (size_t i = 0; i < n; i++)
		if (node_id_eq(&holders[i].node, id))
			return &holders[i];
	return NULL;
}

/* Another node's word. */
static uint16_t share_of(const struct kvs_holder *h)
{
	return h->location.share_permille < 1000 ? (uint16_t)h->location.share_permille : 1000;
}

/* What the decision weighs. */
static void know(const struct api *api, const struct view_node *v, const struct kvs_holder *held,
    uint32_t others, uint64_t now_ms, struct assign_node *out)
{
	uint64_t age_ms = v->has_load && now_ms > v->load_seen_ms ? now_ms - v->load_seen_ms : 0;
	out->state = state_of(v);
	out->capacity = v->capacity;
	out->load = load_of(api, v, age_ms, now_ms / 1000);
	out->unseen = unseen_of(api, v, others, age_ms, now_ms / 1000);
	out->places = api->c.slots == NULL ? 0 : lease_slots_left(api->c.slots, v->slot, now_ms);
	out->age_ms = age_ms;
	out->holder = held != NULL;
	out->share_permille = held == NULL ? 0 : share_of(held);
	out->miss_permille = (uint16_t)v->miss_permille;
	out->evict_age_s = v->evict_age_s;
}

static struct bytes move_text(uint8_t **to, struct bytes s)
{
	if (s.n > 0)
		memcpy(*to, s.p, s.n);
	*to += s.n;
	return bytes_of(*to - s.n, s.n);
}

/* The view goes, what is decided stays: its texts in one piece of memory. */
static enum err keep_texts(struct arena *a, struct assign_node *nodes, struct place *p)
{
	size_t n = 0;
	for (size_t i = 0; i < p->nodes_n; i++)
		n += p->nodes[i].name.n + p->nodes[i].url.n + nodes[i].zone.n;
	uint8_t *to = arena_alloc(a, n);
	if (to == NULL)
		return ERR_NO_MEMORY;
	for (size_t i = 0; i < p->nodes_n; i++) {
		p->nodes[i].name = move_text(&to, p->nodes[i].name);
		p->nodes[i].url = move_text(&to, p->nodes[i].url);
		nodes[i].zone = move_text(&to, nodes[i].zone);
	}
	return OK;
}

/* Copies the delivery nodes of the view into the two arrays that the decision works on. */
static enum err gather(const struct api *api, const struct cluster_view *view,
    const struct kvs_holder *holders, size_t holders_n, struct arena *a, struct assign_node **nodes,
    struct place *p)
{
	uint64_t now_ms = p->now_ms;
	*nodes = arena_array(a, view->nodes_n, sizeof(**nodes));
	p->nodes = arena_array(a, view->nodes_n, sizeof(*p->nodes));
	if (*nodes == NULL || p->nodes == NULL)
		return ERR_NO_MEMORY;
	for (size_t i = 0; i < view->nodes_n; i++) {
		const struct view_node *v = &view->nodes[i];
		if ((v->roles & RPC_ROLE_DELIVERY) == 0 || v->http_url_n == 0)
			continue;
		struct place_node *pn = &p->nodes[p->nodes_n];
		struct assign_node *an = &(*nodes)[p->nodes_n];
		*an = (struct assign_node){ .id = v->id };
		know(api, v, holder_of(holders, holders_n, &v->id), view->other_apis, now_ms, an);
		pn->id = v->id;
		pn->holder = an->holder;
		pn->slot = v->slot;
		pn->reported = v->has_load;
		pn->busy_permille = v->busy_permille;
		pn->copying = v->state == NODE_DRAINING && v->liveness == KVS_ALIVE && v->copies_left > 0;
		pn->incarnation = v->incarnation;
		pn->name = bytes_of(v->name, v->name_n);
		pn->url = bytes_of(v->http_url, v->http_url_n);
		an->zone = bytes_of(v->zone, v->zone_n);
		p->nodes_n++;
	}
	return keep_texts(a, *nodes, p);
}

enum err place_among(const struct api *api, const struct cluster_view *view, const struct kvs_holder *holders,
    size_t holders_n, const struct place_wish *wish, struct arena *a, struct place *out)
{
	struct place p = { .now_ms = api->c.now_mono_ms() };
	struct assign_node *nodes = NULL;
	for (size_t i = 0; i < holders_n; i++) {
		const struct rpc_location *held = &holders[i].location;
		if (p.entry.n == 0 && session_name_ok(held->entry)) /* another node's word */
			p.entry = held->entry;
		if (held->kbps > p.kbps)
			p.kbps = held->kbps;
	}
	enum err e = gather(api, view, holders, holders_n, a, &nodes, &p);
	if (e != OK)
		return e;
	for (size_t i = 0; wish->full != NULL && i < p.nodes_n; i++)
		if (node_id_eq(&nodes[i].id, wish->full))
			nodes[i].capacity = 0;
	struct assign_request r = { wish->origin, wish->content, wish->zone, nodes, p.nodes_n,
		.reserve_permille = wish->full != NULL ? ASSIGN_HOP_RESERVE_PERMILLE : 0, .explain = wish->explain };
	p.known = nodes;
	e = assign_decide(&r, a, &p.decision);
	if (e != OK)
		return e;
	*out = p;
	return OK;
}

enum err place_among_now(const struct api *api, unsigned view_reader, const struct kvs_holder *holders,
    size_t holders_n, const struct place_wish *wish, struct arena *a, struct place *out)
{
	const struct cluster_view *view = view_acquire(api->c.views, view_reader);
	enum err e = place_among(api, view, holders, holders_n, wish, a, out);
	view_release(api->c.views, view_reader);
	return e;
}

static uint64_t keep_score(const struct place_node *n, struct bytes session)
{
	uint8_t text[NODE_ID_BYTES + TOKEN_SESSION_BYTES] = { 0 };
	memcpy(text, n->id.b, NODE_ID_BYTES);
	memcpy(
	    text + NODE_ID_BYTES, session.p, session.n < TOKEN_SESSION_BYTES ? session.n : TOKEN_SESSION_BYTES);
	return hash64(&keep_key, bytes_of(text, sizeof(text)));
}

/* Whether the node still serves those whom it has: also when it is full. */
static bool still_serves(const struct assign_candidate *c)
{
	return c->reason != ASSIGN_NOT_READY && c->reason != ASSIGN_UNREACHABLE &&
	       c->reason != ASSIGN_IS_DRAINING && c->reason != ASSIGN_IS_SUSPECTED;
}

size_t place_keep(const struct place *p, const struct node_id *node, struct bytes session)
{
	const struct assign_result *d = &p->decision;
	size_t best = SIZE_MAX, home = SIZE_MAX;
	for (size_t i = 0; i < d->candidates_n; i++) {
		const struct assign_candidate *c = &d->candidates[i];
		if (!node_id_eq(&p->nodes[c->node].id, node))
			continue;
		if (still_serves(c))
			return c->node;
		if (c->reason == ASSIGN_NOT_READY || c->reason == ASSIGN_IS_DRAINING)
			home = c->node;
	}
	for (size_t i = 0; i < d->usable_n; i++) {
		/* Joining and suspected ones are a last resort (A6). */
		if (!still_serves(&d->candidates[i]))
			continue;
		size_t at = d->candidates[i].node;
		const struct place_node *n = &p->nodes[at];
		if (best == SIZE_MAX || (n->holder && !p->nodes[best].holder) ||
		    (n->holder == p->nodes[best].holder &&
		        keep_score(n, session) > keep_score(&p->nodes[best], session)))
			best = at;
	}
	bool copying = home != SIZE_MAX && p->nodes[home].copying;
	if (copying && (best == SIZE_MAX || !p->nodes[best].holder))
		return home;
	if (best != SIZE_MAX)
		return best;
	/* Nothing better is known: a last resort, or where it is, which plays on while it drains (A6). */
	return d->usable_n > 0 ? d->candidates[0].node : home;
}

/* -- away from a node that is over its bounds -- */

/* Whether the session is of the share that has to go for the others to be served well. Mixed once more, for
 * sessions may have come here by that very score. */
static bool is_to_go(const struct place_node *home, struct bytes session)
{
	if (home->busy_permille < PLACE_OVER_PERMILLE)
		return false;
	uint32_t share = 1000 - (uint32_t)(UINT64_C(1000) * PLACE_AIM_PERMILLE / home->busy_permille);
	if (share > PLACE_LEAD_MAX_PERMILLE)
		share = PLACE_LEAD_MAX_PERMILLE;
	return hash_mix(keep_score(home, session) + 1) % 1000 < share;
}

/* By what it has told, and by what was assigned to it since. */
static bool has_much_room(const struct place *p, const struct assign_candidate *c)
{
	const struct assign_node *n = &p->known[c->node];
	bool sure = c->reason != ASSIGN_ROOM_UNSURE && c->reason != ASSIGN_NO_HEADROOM;
	return still_serves(c) && sure && n->holder && p->nodes[c->node].busy_permille < PLACE_RELIEF_PERMILLE &&
	       (uint64_t)n->load * 1000 < (uint64_t)n->capacity * PLACE_RELIEF_PERMILLE;
}

size_t place_lead(const struct place *p, const struct node_id *node, struct bytes session)
{
	const struct assign_result *d = &p->decision;
	size_t keep = place_keep(p, node, session), best = SIZE_MAX;
	if (keep == SIZE_MAX || !node_id_eq(&p->nodes[keep].id, node) || p->nodes[keep].copying ||
	    !is_to_go(&p->nodes[keep], session))
		return keep;
	for (size_t i = 0; i < d->usable_n; i++) {
		size_t at = d->candidates[i].node;
		if (at != keep && has_much_room(p, &d->candidates[i]) &&
		    (best == SIZE_MAX || keep_score(&p->nodes[at], session) > keep_score(&p->nodes[best], session)))
			best = at;
	}
	return best != SIZE_MAX ? best : keep;
}
