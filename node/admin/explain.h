/* Decisions as JSON, for operators (A5): what would be decided of a content now, and what was decided when a
 * session was created. Pure.
 *
 * A candidate's `rank` counts from 1 in the order in which nodes would be tried, null of those that take
 * nobody; its `order` is its place in the content's own order of all nodes (rendezvous by capacity, A2), from
 * which spill and cold depart where caches and loads differ. `load` is what the node last told and what was
 * assigned to it here since; `age_ms` is how old that word is, null when it has told none. `places` are those
 * that this api node has leased there and not given out; null: none are leased.
 */
#ifndef NODE_ADMIN_EXPLAIN_H
#define NODE_ADMIN_EXPLAIN_H

#include "node/api/recall.h"

struct explain_now {
	struct bytes node; /* the one that is asked */
	uint64_t now_wall_ms;
	const struct config_origin *origin;
	struct bytes content, zone;
	const struct place *place;
	const struct kvs_holder *holders;
	size_t holders_n;
	/* As in struct admin. */
	bool (*leased)(void *ctx, const struct node_id *node, uint64_t *places);
	void *leased_ctx;
};

MUST_USE enum err explain_put_now(const struct explain_now *e, struct arena *a, struct buf *out);

struct explain_then {
	struct bytes node;     /* the one that is asked: it created the session */
	const struct token *t; /* its handle */
	const struct recalled *recalled;
	const struct cluster_view *view; /* for the names of nodes */
	const struct place_node *now;    /* where the session belongs now; NULL: nowhere */
};

/* A node that has gone since has the name "". */
void explain_put_then(const struct explain_then *e, struct buf *out);

#endif
