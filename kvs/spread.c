#include "kvs/spread.h"

#include "base/check.h"
#include "kvs/changes.h"
#include "kvs/out.h"
#include "kvs/own.h"
#include "kvs/pull.h"
#include "kvs/rows.h"
#include "kvs/serve.h"
#include "kvs/told.h"
#include "kvs/tree.h"
#include "kvs/wiring.h"

/* What is sent first when not all can be. */
static const enum rpc_stream URGENCY[RPC_STREAMS] = { RPC_CONTROL, RPC_LOAD, RPC_LOCATIONS };

/* -- neighbours -- */

static void become_neighbour(struct kvs *k, struct kvs_link *link)
{
	link->near = true;
	link->eager = tree_first(k);
	for (unsigned s = 0; s < RPC_STREAMS; s++)
		link->pushed[s] = link->announced[s] = k->changes[s].seq;
}

static void find_neighbours(struct kvs *k)
{
	bool mesh = ring_size(&k->ring) <= k->cfg.mesh_max, changed = mesh != k->mesh;
	k->mesh = mesh;
	for (size_t i = 0; i < k->links_n; i++) {
		struct kvs_link *link = k->links[i];
		bool is_near = link->speaks_broadcast && link->member->is_near;
		if (is_near && !link->near)
			become_neighbour(k, link);
		else if (changed)
			link->eager = tree_first(k);
		link->near = is_near;
		if (!is_near)
			told_fini(&link->told);
	}
}

/* -- pushing -- */

/* At a moment of each node's own: who announces first is spared the other's announcement, and the first of
 * several neighbours mends a hole in the tree sooner than all of them would at one time. */
static void announce_soon(struct kvs *k)
{
	uint32_t least = k->cfg.announce_ms / 5 * 2;
	uint64_t wait_ms = least + prng_below(&k->prng, k->cfg.announce_ms - least + 1);
	timers_arm(&k->timers, &k->announce.t, k->now_ms + wait_ms);
}

void spread_soon(struct kvs *k)
{
	k->spread_due = true;
	if (!timer_armed(&k->announce.t))
		announce_soon(k);
}

/* Below its floor a row can only be had anew, which is for the peer to ask. */
static bool continues(const struct replica *r, uint64_t from)
{
	return from == 0 || from >= r->live.floor;
}

/* False when the link or the step is full. */
static bool push_stream(struct kvs *k, struct kvs_link *link, enum rpc_stream stream)
{
	struct replica *r = changes_after(k, stream, link->pushed[stream]);
	for (; r != NULL; r = r->newer) {
		uint64_t from;
		if (told_lacks(&link->told, r, &from) && tree_pushes(k, link, r) && continues(r, from) &&
		    !serve_push(k, link, r, from))
			return false;
		link->pushed[stream] = r->change;
	}
	return true;
}

void spread_flush(struct kvs *k)
{
	if (wiring_refresh(k))
		find_neighbours(k);
	for (size_t i = 0; k->asked && i < k->links_n; i++)
		k->links[i]->tree = k->links[i]->pulls = NULL;
	k->asked = false;
	if (!k->spread_due)
		return;
	k->spread_due = false;
	for (size_t i = 0; i < k->links_n; i++) {
		struct kvs_link *link = k->links[i];
		for (unsigned s = 0; link->near && s < RPC_STREAMS; s++) {
			if (push_stream(k, link, URGENCY[s]))
				continue;
			/* A full link goes on when the peer has acknowledged; a full step, in the next one. */
			if (out_sends_full(k)) {
				k->spread_due = true;
				out_later(k);
			}
			break;
		}
	}
}

/* -- announcing -- */

/* False when not all of it could be said. */
static bool announce(struct kvs *k, struct kvs_link *link)
{
	struct rpc_row_version *rows = NULL;
	size_t n = 0;
	for (unsigned s = 0; s < RPC_STREAMS; s++) {
		enum rpc_stream stream = URGENCY[s];
		struct replica *r = changes_after(k, stream, link->announced[stream]);
		for (; r != NULL && n < RPC_ANNOUNCE_ROWS_MAX; r = r->newer) {
			uint64_t from;
			link->announced[stream] = r->change;
			if (!told_lacks(&link->told, r, &from) || node_id_eq(&r->owner, &link->member->id))
				continue;
			if (rows == NULL)
				rows = arena_array(k->out->arena, RPC_ANNOUNCE_ROWS_MAX, sizeof(*rows));
			CHECK(rows != NULL);
			rows[n++] = (struct rpc_row_version){ r->owner, r->stream, r->live.incarnation, r->live.have };
			told_raise(&link->told, r, r->live.have);
		}
	}
	if (n == 0)
		return true;
	struct rpc_msg *m = out_send(k, link, RPC_ANNOUNCE, true);
	if (m != NULL)
		m->announce = (struct rpc_announce){ rows, n };
	return n < RPC_ANNOUNCE_ROWS_MAX;
}

void spread_on_timer(struct kvs *k)
{
	bool all = true;
	for (size_t i = 0; i < k->links_n; i++) {
		if (!k->links[i]->near)
			continue;
		if (out_sends_full(k) || k->links[i]->room < RPC_FRAME_MAX || !announce(k, k->links[i]))
			all = false;
	}
	if (!all)
		announce_soon(k);
}

void spread_on_announce(struct kvs *k, struct kvs_link *link, const struct rpc_announce *a)
{
	for (size_t i = 0; i < a->rows_n; i++) {
		const struct rpc_row_version *v = &a->rows[i];
		if (node_id_eq(&v->owner, &k->cfg.self)) {
			own_sighted(k, v->incarnation);
			continue;
		}
		struct replica *r = v->incarnation.count > 0 ? rows_ensure(k, &v->owner, v->stream) : NULL;
		if (r == NULL)
			continue;
		if (link->near && incarnation_cmp(r->live.incarnation, v->incarnation) == 0)
			told_raise(&link->told, r, v->have);
		pull_want(k, link, r, v->incarnation, v->have);
	}
}
