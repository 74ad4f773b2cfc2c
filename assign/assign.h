/* Who serves this viewer: a pure function (rules A1, A2, A4, A5, A6, D9).
 *
 * The caller brings what it knows: the nodes with their state and load, and which of them hold the
 * content. The outcome carries every candidate with the reason why it was not taken.
 *
 * Room is sure where this api node has a leased place (A3), or where the load, with what other api nodes
 * are likely to have assigned unseen and the reserve, stays under the capacity. Nodes whose room is not sure
 * come after all others, the least loaded first: a viewer sent there may be sent on. Who is sent on needs
 * room at once, for it happens once only (D1): so for these the reserve is large.
 *
 * Warm (A1): among holders with sure room the least loaded for its capacity, the unseen load counted in; of
 * equally loaded ones by a hash of content and node.
 * That keeps several api nodes from all going for one holder between two of its reports (what old
 * knowledge does to "least loaded": Mitzenmacher, How useful is old information?, 2000): each of them
 * takes the others to do as it does itself, so a holder looks fuller the faster it is used. A holder of
 * little is not warm, but better than none: it counts as fuller by 1/64 of its capacity.
 *
 * Cold and spill (A2): weighted rendezvous hashing (Thaler and Ravishankar, 1998; weights by the logarithm
 * method of Schindelhauer and Schomaker, 2005) over the content, taken in order until one is under the load
 * bound (bounded loads: Mirrokni, Thorup and Zadimoghaddam, 2018), so that api nodes that do not talk to
 * each other pick the same node. A node is under the bound while its utilisation is below 1.25 times the
 * mean of those it is compared with, or below 1/8 (an idle cluster concentrates a content). Hashing rather
 * than a search for the best node, because a small difference in what two api nodes know moves few
 * contents. The weight is the capacity, times
 *   - the cube of how long ago what the cache would evict next was read, by the mean of all nodes, up to
 *     four times it: the caches of the cluster come to evict as one large LRU would;
 *   - the measured hit ratio (D9): a cache that is cold after a start takes more as it warms up. While it
 *     is cold, or nothing is measured yet, its room does not count for it;
 *   - for a spill, the square of the share of the capacity that is free: a content in demand fills few
 *     nodes with much room rather than many to the brim, which would make their other contents spill.
 * What these factors save is measured by scripts/bench assign (docs/assign.md).
 *
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

enum {
	ASSIGN_BEST = 3, /* candidates in order, where not all are wanted so: one and two alternates */
	/* Who holds less of a content is not warm for it: more than its first third, and more than what a
	 * quarter of its viewers ask for. */
	ASSIGN_SHARE_WARM_PERMILLE = 350,
	/* For assign_request.reserve_permille of a viewer whom a node without room sends on. */
	ASSIGN_HOP_RESERVE_PERMILLE = 60,
	ASSIGN_CACHE_NOT_FULL = UINT32_MAX, /* evict_age_s of a cache that would evict nothing */
};

/* All that is unknown may be left 0. */
struct assign_node {
	struct node_id id;
	struct bytes zone;
	enum assign_state state;
	uint32_t capacity; /* sessions; 0 takes none */
	uint32_t load;     /* what it last said, plus what this node assigned since */
	uint32_t unseen;   /* likely assigned by other api nodes since (assign_unseen) */
	uint32_t places;   /* leased to this api node and not used; without one it can still be chosen */
	uint64_t age_ms;   /* of that knowledge */
	bool holder;
	uint16_t share_permille; /* of a holder: of what viewers ask of the content; 0 unknown, then all */
	uint16_t miss_permille;  /* of its requests lately: what its hit ratio lacks; 0 unknown */
	uint32_t evict_age_s;    /* since what its cache would evict next was last read; 0 unknown */
};

struct assign_request {
	struct bytes origin, content;
	struct bytes zone;               /* preferred; empty = none */
	const struct assign_node *nodes; /* any order; the result names them by index */
	size_t nodes_n;
	uint32_t reserve_permille; /* of its capacity: with less than that left a node's room is not sure; 0 for
	                            * a new session */
	bool explain;              /* all candidates are wanted in order: each node is hashed, then sorted */
};

/* A spill needs a holder that is alive and within the zone that the choice was narrowed to. */
enum assign_outcome { ASSIGN_WARM, ASSIGN_SPILL, ASSIGN_COLD, ASSIGN_REFUSED };

enum assign_reason {
	ASSIGN_TAKEN,
	ASSIGN_RANKED_LOWER, /* could have taken it; another was better */
	ASSIGN_NOT_HOLDER,   /* a holder had headroom */
	ASSIGN_NO_HEADROOM,
	ASSIGN_NOT_READY,   /* joining while ready ones had headroom; left */
	ASSIGN_UNREACHABLE, /* down */
	ASSIGN_OTHER_ZONE,  /* the preferred zone had headroom */
	ASSIGN_IS_DRAINING,
	ASSIGN_IS_SUSPECTED, /* while others had headroom */
	ASSIGN_HOLDS_LITTLE, /* a holder of more was preferred to it, though fuller */
	ASSIGN_ROOM_UNSURE,  /* no place leased and hardly any room left by what is known */
	ASSIGN_OVER_BOUND,   /* loaded above the others */
	ASSIGN_CACHE_COLD,   /* would have ranked first with the taken one's hit ratio (D9) */
};

struct assign_candidate {
	uint32_t node; /* index */
	enum assign_reason reason;
};

struct assign_result {
	enum assign_outcome outcome;
	uint32_t node; /* index; of REFUSED meaningless */
	/* All nodes. First those that could take the viewer, the taken one leading, in the order in which they
	 * would be tried next (also other zones', and last the joining and the suspected ones, as their reason
	 * tells); without `explain` only ASSIGN_BEST of them are in order, the others behind them are not. Then
	 * the rest. */
	struct assign_candidate *candidates;
	size_t candidates_n;
	size_t usable_n;  /* how many of these could take the viewer */
	size_t ordered_n; /* how many of those are in order */
};

/* ERR_NO_MEMORY when the arena is exhausted. */
MUST_USE enum err assign_decide(const struct assign_request *r, struct arena *a, struct assign_result *out);
/* The content's order of nodes (A2, D7): rendezvous rank, best first, over all nodes given, whatever
 * their load. `order` has room for nodes_n. */
MUST_USE enum err assign_rank(struct bytes origin, struct bytes content, const struct assign_node *nodes,
    size_t nodes_n, struct arena *a, uint32_t *order);

/* What other api nodes are likely to have assigned to a node while its report was on its way, when each
 * does as this one: `own` assignments in the last window_ms, of which age_ms are unreported. window_ms > 0.
 */
uint32_t assign_unseen(uint32_t own, uint32_t other_api_nodes, uint64_t age_ms, uint64_t window_ms);

const char *assign_outcome_str(enum assign_outcome o);
const char *assign_reason_str(enum assign_reason r);

#endif
