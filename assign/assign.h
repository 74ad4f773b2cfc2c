/* Who serves this viewer: a pure function (rules A1, A2, A4, A5, A6).
 *
 * The caller brings what it knows: the nodes with their state and load, and which of them hold the
 * content. The outcome carries every candidate with the reason why it was taken or not.
 *
 * Warm (A1): among holders with headroom the least loaded for its capacity. Cold and spill (A2):
 * weighted rendezvous hashing (Thaler and Ravishankar, 1998; weights by the logarithm method of
 * Schindelhauer and Schomaker, 2005) over the content, taken in order until one is under the load
 * bound (bounded loads: Mirrokni, Thorup and Zadimoghaddam, 2018), so that api nodes that do not
 * talk to each other pick the same node. A node is under the bound while its utilisation is below 1.25
 * times the mean of those it is compared with, or below 1/8 (an idle cluster concentrates a content).
 * Zone (A4) narrows, holders too, only while ready nodes of that zone have headroom. Joining and then
 * suspected nodes are a last resort before refusing (A6); draining, left and down ones take nobody.
 *
 * Thread-safe: no state. Memory from the arena only.
 */
#ifndef ASSIGN_ASSIGN_H
#define ASSIGN_ASSIGN_H

#include "base/arena.h"
#include "base/node_id.h"

enum assign_state { ASSIGN_READY, ASSIGN_JOINING, ASSIGN_DRAINING, ASSIGN_SUSPECT, ASSIGN_DOWN, ASSIGN_LEFT };

struct assign_node {
	struct node_id id;
	struct bytes zone;
	enum assign_state state;
	uint32_t capacity; /* sessions; 0 takes none */
	uint32_t load;     /* what it last said, plus what this node assigned since */
	uint64_t age_ms;   /* of that knowledge */
	bool holder;
};

struct assign_request {
	struct bytes origin, content;
	struct bytes zone;               /* preferred; empty = none */
	const struct assign_node *nodes; /* any order; the result names them by index */
	size_t nodes_n;
};

/* A spill needs a holder that is alive and within the zone that the choice was narrowed to. */
enum assign_outcome { ASSIGN_WARM, ASSIGN_SPILL, ASSIGN_COLD, ASSIGN_REFUSED };

enum assign_reason {
	ASSIGN_TAKEN,
	ASSIGN_RANKED_LOWER, /* could have taken it; another was better */
	ASSIGN_NOT_HOLDER,   /* a holder had headroom */
	ASSIGN_NO_HEADROOM,
	ASSIGN_NOT_READY,   /* joining while ready ones had headroom; draining, left */
	ASSIGN_UNREACHABLE, /* suspected while others had headroom; down */
	ASSIGN_OTHER_ZONE,  /* the preferred zone had headroom */
};

struct assign_candidate {
	uint32_t node; /* index */
	enum assign_reason reason;
};

struct assign_result {
	enum assign_outcome outcome;
	uint32_t node; /* index; of REFUSED meaningless */
	/* Every node, best first: first those that could take the viewer (the taken one leading), in the
	 * order in which they would be tried next (also other zones', and last the joining and the
	 * suspected ones, as their reason tells), then the rest. */
	struct assign_candidate *candidates;
	size_t candidates_n;
	size_t usable_n; /* how many of them could take the viewer */
};

/* ERR_NO_MEMORY when the arena is exhausted. */
MUST_USE enum err assign_decide(const struct assign_request *r, struct arena *a, struct assign_result *out);
/* The content's order of nodes (A2, D7): rendezvous rank, best first, over all nodes given, whatever
 * their load. `order` has room for nodes_n. */
MUST_USE enum err assign_rank(struct bytes origin, struct bytes content, const struct assign_node *nodes,
    size_t nodes_n, struct arena *a, uint32_t *order);

const char *assign_outcome_str(enum assign_outcome o);
const char *assign_reason_str(enum assign_reason r);

#endif
