#include "kvs/compare.h"

#include "kvs/mirror.h"
#include "kvs/out.h"
#include "kvs/rows.h"
#include "kvs/rules.h"
#include "kvs/sync.h"

#include <string.h>

static struct kvs_link *link_to(const struct kvs *k, const struct node_id *node)
{
	for (size_t i = 0; i < k->links_n; i++)
		if (node_id_eq(&k->links[i]->member->id, node))
			return k->links[i];
	return NULL;
}

static bool comparable(const struct replica *r, const struct rpc_row_position *p)
{
	return r->stream != RPC_LOAD && r->shadow == NULL && p->fingerprint != 0 &&
	       r->live.incarnation.count != 0 && kvs_rule_order(r->live.incarnation, p->incarnation) == 0 &&
	       r->live.have == p->have && r->live.floor == p->floor && p->have >= p->base;
}

/* Fetches the row anew, from the link at first; other peers may serve the rest. */
static void refetch(struct kvs *k, struct kvs_link *link, struct replica *r)
{
	replica_refetch(r, k->now_ms);
	sync_tell(k, link, r);
}

/* Both claim to be exact, at one version, and differ: memory or a disk lied, or this code is wrong. The
 * owner knows; without a link to it the smaller fingerprint gives way, so that at least all agree. True
 * when the peer is to be told, because it is the one to fetch. */
static bool differs(struct kvs *k, struct kvs_link *link, struct replica *r, const struct rpc_row_position *p)
{
	if (node_id_eq(&r->owner, &k->cfg.self))
		return true;
	if (!out_events_full(k))
		out_event(k, KVS_EVENT_ROW_DIFFERS, &r->owner, "exact rows differ", r->live.have);
	struct kvs_link *owner = link_to(k, &r->owner);
	if (owner == NULL && r->live.fingerprint > p->fingerprint)
		return true;
	refetch(k, owner != NULL ? owner : link, r);
	return false;
}

/* This row stays inexact, though nobody has been found to have more: whoever wrote or knew the rest
 * is gone. A peer's copy at the same version, exact or not, brings both nearer (replica.c). */
static void settle(struct kvs *k, struct kvs_link *link, struct replica *r)
{
	if (r->inexact_ms != UINT64_MAX && k->now_ms - r->inexact_ms >= 3ull * k->cfg.repair_interval_ms)
		refetch(k, link, r);
}

/* Rows at one version of one history. */
static bool compare_equal(
    struct kvs *k, struct kvs_link *link, struct replica *r, const struct rpc_row_position *p)
{
	bool exact_here = kvs_rule_exact(r->live.have, r->live.horizon);
	bool exact_there = kvs_rule_exact(p->have, p->horizon);
	uint64_t print = r->live.fingerprint == 0 ? 1 : r->live.fingerprint;
	if (print == p->fingerprint) {
		if (exact_there && !exact_here) {
			r->live.horizon = r->live.have;
			r->inexact_ms = UINT64_MAX;
			mirror_touch(k, r);
		}
		return false;
	}
	if (exact_here)
		return exact_there && differs(k, link, r, p);
	settle(k, link, r);
	return false;
}

bool compare_position(
    struct kvs *k, struct kvs_link *link, const struct rpc_row_position *p, struct rpc_row_position *mine)
{
	struct replica *r = rows_find(k, &p->owner, p->stream);
	bool tell;
	if (r == NULL) {
		*mine = (struct rpc_row_position){ .owner = p->owner, .stream = p->stream };
		return p->incarnation.count != 0 && !node_id_eq(&p->owner, &k->cfg.self);
	}
	if (comparable(r, p))
		tell = compare_equal(k, link, r, p);
	else
		tell = !node_id_eq(&p->owner, &k->cfg.self) && replica_lacks(r, p);
	replica_position(r, mine);
	return tell;
}
