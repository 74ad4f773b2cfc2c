/* Where a viewer goes: gathers what this node knows and asks assign. place.c is pure; lmdb_place.c reads.
 */
#ifndef NODE_API_PLACE_H
#define NODE_API_PLACE_H

#include "assign/assign.h"
#include "node/api/api.h"

enum { PLACE_HOLDERS_MAX = 64 };

/* Names and URLs are copied to the arena: valid as long as it. */
struct place_node {
	struct node_id id;
	struct bytes name, url;
	uint64_t incarnation;
	uint32_t slot;
	bool holder;
	bool reported;          /* it has told its load; else that is only what was assigned to it here */
	bool copying;           /* it drains, and has copies made of what its viewers watch first */
	uint32_t busy_permille; /* as it has told (node/snapshot.h) */
};

struct place {
	struct assign_result decision;
	struct place_node *nodes;        /* as the decision's indices name them */
	const struct assign_node *known; /* what was known of each when it was decided: nodes_n */
	size_t nodes_n;
	uint64_t now_ms;    /* monotonic, when it was decided */
	struct bytes entry; /* what the holders say the content starts with; empty when none knows */
	uint32_t kbps;      /* and what a viewer of it takes, by the most that any says; 0 when none knows */
};

/* What a viewer wants to watch; `zone` empty: no preference. */
struct place_wish {
	struct bytes origin, content, zone;
	bool explain;               /* all nodes are wanted in order, not the best few */
	const struct node_id *full; /* that node sends him on, since it has no room (D1); NULL: he is new */
};

/* Decides among the delivery nodes of the view. ERR_NO_MEMORY. */
MUST_USE enum err place_among(const struct api *api, const struct cluster_view *view,
    const struct kvs_holder *holders, size_t holders_n, const struct place_wish *wish, struct arena *a,
    struct place *out);
/* The same in the newest view, as that reader sees it. */
MUST_USE enum err place_among_now(const struct api *api, unsigned view_reader,
    const struct kvs_holder *holders, size_t holders_n, const struct place_wish *wish, struct arena *a,
    struct place *out);
/* The same with what this worker reads now: holders from the replica, nodes from the published view. Also
 * what the replica's reader said. (lmdb_place.c) */
MUST_USE enum err place_decide(const struct api *api, struct api_worker *w, struct bytes origin,
    struct bytes content, struct bytes zone, struct arena *a, struct place *out);

/* The same for a viewer whom `full` sends on. */
MUST_USE enum err place_decide_elsewhere(const struct api *api, struct api_worker *w, const struct token *t,
    const struct node_id *full, struct arena *a, struct place *out);

/* The node that a session which began on `node` belongs to now: that one while it is up, else one of those
 * the decision could take, holders first; the same one however often and wherever it is asked (rendezvous
 * over the session's id), so that a player is not sent round. While it drains and has copies made, it stays
 * the one as long as no other holds the content (V5). Index into p->nodes, or SIZE_MAX for none. */
size_t place_keep(const struct place *p, const struct node_id *node, struct bytes session);

enum {
	PLACE_OVER_PERMILLE = 1000,    /* so busy a node has viewers led away */
	PLACE_AIM_PERMILLE = 950,      /* as many as bring it here, */
	PLACE_LEAD_MAX_PERMILLE = 300, /* and no more than that of them, */
	PLACE_RELIEF_PERMILLE = 800,   /* to holders less busy than this: who was led there is not led back */
};

/* Where a player should go that is free to move without losing anything: as place_keep, but away from a node
 * that is over its bounds, if another one holds the content and has room to spare. The same sessions each
 * time, picked by a hash, so that the others are left in peace. */
size_t place_lead(const struct place *p, const struct node_id *node, struct bytes session);

#endif
