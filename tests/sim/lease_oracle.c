/* What must hold, whatever happens (rule A3):
 *
 * - on every node, after every step: sessions that are really there <= capacity; the book knows exactly
 *   those; active + outstanding <= capacity; what was lent is what came, was given back, or is out;
 * - no place is taken twice, no place admits twice, and no place admits that nobody took;
 * - a place that was taken admits who comes within start_within of that, unless the node restarted;
 * - a request is lent one batch, however often it is repeated;
 * - neither a grant nor the admission of somebody without a place takes the Mbit/s over the capacity;
 * - a node that says it is drained keeps nobody waiting who has a place there;
 * - after all sessions ended and everything healed, every place is free within life + start_within. */
#include "lease_sim.h"

#include "base/check.h"
#include "base/hash.h"

/* -- places -- */

static struct lsim_place *find_place(struct lsim *s, uint32_t node, const struct lease_place *p)
{
	uint64_t key =
	    (uint64_t)(node + 1) << 54 | (p->incarnation & 0x3ff) << 44 | (uint64_t)p->batch << 12 | p->index;
	size_t at = hash_mix(key) & (LSIM_PLACES - 1);
	while (s->places[at].key != 0 && s->places[at].key != key)
		at = (at + 1) & (LSIM_PLACES - 1);
	if (s->places[at].key == 0) {
		CHECK(s->places_n++ < LSIM_PLACES / 2);
		s->places[at] = (struct lsim_place){ .key = key };
	}
	return &s->places[at];
}

static void check_drained(struct lsim *s, uint32_t node)
{
	const struct lsim_node *n = &s->nodes[node];
	if (n->sessions > 0)
		lsim_fail(s, "node %u says that it is drained, with %u sessions", node, n->sessions);
	for (size_t i = 0; i < LSIM_VIEWERS; i++) {
		const struct lsim_viewer *v = &s->viewers[i];
		bool waits = v->state == VIEWER_COMING && v->has_place && v->lender == node && v->node == node &&
		             v->lender_run == n->host.run && n->config.incarnation == v->place.incarnation &&
		             s->now_ms - v->taken_ms <= n->config.start_within_ms;
		if (waits && !find_place(s, node, &v->place)->came)
			lsim_fail(s, "node %u says that it is drained, but a viewer has a place there", node);
	}
}

void lsim_check(struct lsim *s)
{
	for (uint32_t i = 0; i < s->nodes_n; i++) {
		struct lsim_node *n = &s->nodes[i];
		if (!n->host.up)
			continue;
		struct lease_book_view v;
		lease_book_look(n->book, &v);
		uint32_t capacity = n->config.capacity_sessions;
		if (n->sessions > capacity)
			lsim_fail(s, "node %u serves %u sessions, its capacity is %u", i, n->sessions, capacity);
		if (n->sessions != v.active || n->kbps != v.active_kbps)
			lsim_fail(s, "node %u serves %u sessions, its book says %u", i, n->sessions, v.active);
		if ((uint64_t)v.active + v.outstanding > capacity)
			lsim_fail(s, "node %u: %u active and %u outstanding of %u", i, v.active, v.outstanding, capacity);
		if (v.granted != v.by_batch + v.closed + v.expired + v.outstanding)
			lsim_fail(
			    s, "node %u: of %llu places lent some are unaccounted for", i, (unsigned long long)v.granted);
		if (v.drained && !n->drained)
			check_drained(s, i);
		n->drained = v.drained;
	}
}

void lsim_check_taken(struct lsim *s, const struct lsim_viewer *v)
{
	struct lsim_place *p = find_place(s, v->lender, &v->place);
	if (p->taken)
		lsim_fail(
		    s, "place %u of batch %u of node %u was taken twice", v->place.index, v->place.batch, v->lender);
	p->taken = true;
}

static void check_kept(struct lsim *s, struct lsim_viewer *v, enum lease_admission how)
{
	const struct lsim_node *n = &s->nodes[v->node];
	struct lsim_place *p = find_place(s, v->node, &v->place);
	bool in_time = s->now_ms - v->taken_ms <= n->config.start_within_ms;
	bool same = n->host.run == v->lender_run && n->config.incarnation == v->place.incarnation;
	if (how == LEASE_BY_BATCH && (!p->taken || p->came))
		lsim_fail(s, "place %u of batch %u of node %u admitted %s", v->place.index, v->place.batch, v->node,
		    p->came ? "twice" : "who never took it");
	if (how != LEASE_BY_BATCH && same && in_time && !p->came)
		lsim_fail(s, "place %u of batch %u of node %u was not kept: %llu ms after it was taken",
		    v->place.index, v->place.batch, v->node, (unsigned long long)(s->now_ms - v->taken_ms));
	if (how == LEASE_BY_BATCH)
		p->came = true;
}

void lsim_check_arrival(
    struct lsim *s, struct lsim_viewer *v, enum lease_admission how, const struct lease_book_view *before)
{
	const struct lsim_node *n = &s->nodes[v->node];
	struct lease_book_view after;
	lease_book_look(n->book, &after);
	if (v->has_place && v->lender == v->node)
		check_kept(s, v, how);
	else if (how == LEASE_BY_BATCH)
		lsim_fail(s, "node %u admitted by batch who has no place there", v->node);
	if (how == LEASE_PLACELESS && n->config.capacity_kbps > 0 &&
	    after.active_kbps + after.outstanding_kbps > n->config.capacity_kbps)
		lsim_fail(s, "node %u: over its Mbit/s by one without a place", v->node);
	bool room = (uint64_t)before->active + before->outstanding < before->capacity &&
	            (before->capacity_kbps == 0 ||
	                before->active_kbps + before->outstanding_kbps + v->kbps <= before->capacity_kbps);
	if (how == LEASE_FULL && room && !before->draining)
		lsim_fail(s, "node %u refused a viewer while it had room", v->node);
}

void lsim_check_answer(struct lsim *s, uint32_t api, uint32_t node, const struct lease_asker *who,
    const struct lease_grant *g, const struct lease_book_view *before)
{
	struct lsim_link *l = &s->links[api][node];
	const struct lsim_node *n = &s->nodes[node];
	bool repeat = l->answered_node_run == n->host.run && l->answered_id == g->req_id &&
	              incarnation_cmp(l->answered_api, who->incarnation) == 0;
	if (repeat && l->answered_batch != g->batch)
		lsim_fail(s, "node %u lent batches %u and %u for one request of api %u", node, l->answered_batch,
		    g->batch, api);
	struct lease_book_view after;
	lease_book_look(n->book, &after);
	if (after.granted > before->granted && after.weight_kbps > 0 && n->config.capacity_kbps > 0 &&
	    after.active_kbps + after.outstanding_kbps > n->config.capacity_kbps)
		lsim_fail(s, "node %u: over its Mbit/s by batch %u", node, g->batch);
	l->answered_node_run = n->host.run;
	l->answered_api = who->incarnation;
	l->answered_id = g->req_id;
	l->answered_batch = g->batch;
}

/* -- the end -- */

void lsim_check_all_free(struct lsim *s)
{
	for (uint32_t i = 0; i < s->nodes_n; i++) {
		struct lsim_node *n = &s->nodes[i];
		struct lease_book_view v;
		lease_book_expire(n->book, lsim_local(s, &n->host.clock));
		lease_book_look(n->book, &v);
		if (v.active != 0 || v.outstanding != 0 || v.outstanding_kbps != 0 || v.batches != 0)
			lsim_fail(s, "node %u: all is over, and %u places are still active, %u outstanding", i, v.active,
			    v.outstanding);
	}
}
