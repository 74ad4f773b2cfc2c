/* The overlay: hash rings over the members that are not expelled. What a node's neighbours are follows
 * from the set of members alone, so that every node computes the same graph, with no traffic about it.
 *
 * On each of RING_COUNT rings the members stand in the order of a keyed hash of (ring, id). Neighbours are
 * the nearest on both sides of each ring: a union of random cycles, with high probability an expander
 * (Friedman, "A proof of Alon's second eigenvalue conjecture", 2003; Law and Siu, "Distributed construction
 * of random expander networks", 2003). Every ring alone connects all members, also when some are skipped. The
 * hash is part of the protocol between nodes (V1): with another one they would disagree about who watches
 * whom.
 *
 * Pure container: no thread, no clock. The ids are copied, the members borrowed and never looked into.
 * Memory: about 84 B a member. Meant for up to 20,000 members: an addition or removal moves up to 400 kB
 * then.
 */
#ifndef KVS_RING_H
#define KVS_RING_H

#include "base/node_id.h"

#include <stddef.h>

enum { RING_COUNT = 5, RING_NEIGHBOURS_MAX = 2 * RING_COUNT };

struct ring_slot;

struct ring {
	struct ring_slot *slots;     /* in no order, without gaps */
	uint32_t *order[RING_COUNT]; /* of slots, by (hash on that ring, id) */
	size_t slots_cap, order_cap[RING_COUNT];
	size_t n;
};

void ring_init(struct ring *r);
void ring_fini(struct ring *r);

/* A member that is not in the ring yet (CHECKed). O(log n) and a move of what stands behind it. */
void ring_add(struct ring *r, const struct node_id *id, void *member);
/* False when it was not there. The same cost. */
bool ring_remove(struct ring *r, const struct node_id *id);
size_t ring_size(const struct ring *r);

/* The neighbours of `self`, each once, by ascending id; returns how many. `self` need not be in the ring and
 * is never among them.
 *
 * Up to RING_NEIGHBOURS_MAX others in the ring: all of them that are not skipped, a full mesh. Above that
 * the nearest that is not skipped, to both sides on each ring. skip NULL skips nobody.
 *
 * Symmetric for members that are not skipped: when both skip the same, a is a neighbour of b iff b is one of
 * a. Costs O(log n) a ring and a step for each that is skipped; with all skipped, n steps once. */
size_t ring_neighbours(const struct ring *r, const struct node_id *self,
    bool (*skip)(void *arg, const void *member), void *arg, void *out[RING_NEIGHBOURS_MAX]);

#endif
