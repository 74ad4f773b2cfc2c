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

/* The logarithm costs more than the rest of a decision, and 40 nodes are ranked where one is taken: so a
 * score holds bounds of it, and only scores that these do not tell apart are computed to the last digit. */
struct rendezvous_score {
	uint64_t low, high; /* -log2(u), 40 fractional bits, > 0: at least, at most; equal: exact */
	uint64_t hash;      /* u * 2^64, odd */
	uint64_t weight;    /* 0 ranks last */
	struct node_id id;
};

/* What all scores of one content have in common. ERR_NO_MEMORY when the arena is exhausted. */
MUST_USE enum err rendezvous_seed(struct bytes origin, struct bytes content, struct arena *a, uint64_t *seed);
struct rendezvous_score rendezvous_score(uint64_t seed, const struct node_id *id, uint64_t weight);
/* Sets the bounds from the hash, which is odd. */
void rendezvous_bound(struct rendezvous_score *s);
/* The logarithm of a score, exact. */
uint64_t rendezvous_log(const struct rendezvous_score *s);
/* Below 0 when a ranks before b; 0 only for the same id. As if all logarithms were exact. */
int rendezvous_cmp(const struct rendezvous_score *a, const struct rendezvous_score *b);

#endif
