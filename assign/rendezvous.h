/* Weighted rendezvous hashing (A2): every node that knows the same members ranks them alike.
 *
 * The score of a node is -log2(u) / weight, u in (0, 1] drawn by a keyed hash from (origin, content,
 * node id); the least wins, which gives each node a share of the contents in proportion to its weight,
 * and moves only a leaving node's own (logarithm method, Schindelhauer and Schomaker 2005).
 *
 * All in integers: libm's logarithm differs by an ulp between builds, and the nodes of a cluster must
 * agree. Hash, key and fixed point are therefore part of the protocol: they never change.
 *
 * Pure, thread-safe.
 */
#ifndef ASSIGN_RENDEZVOUS_H
#define ASSIGN_RENDEZVOUS_H

#include "base/arena.h"
#include "base/node_id.h"

struct rendezvous_score {
	uint64_t log;    /* -log2(u), 40 fractional bits, > 0 */
	uint32_t weight; /* 0 ranks last */
	struct node_id id;
};

/* What all scores of one content have in common. ERR_NO_MEMORY when the arena is exhausted. */
MUST_USE enum err rendezvous_seed(struct bytes origin, struct bytes content, struct arena *a, uint64_t *seed);
struct rendezvous_score rendezvous_score(uint64_t seed, const struct node_id *id, uint32_t weight);
/* Below 0 when a ranks before b; 0 only for the same id. */
int rendezvous_cmp(const struct rendezvous_score *a, const struct rendezvous_score *b);

#endif
