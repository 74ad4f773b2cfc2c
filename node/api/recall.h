/* Why the last sessions went where they went (A5), as long as the api node that created them remembers: a
 * ring a worker, of which the oldest is overwritten.
 *
 * A session costs its worker one record of 192 bytes: how many nodes there were for each reason, and of the
 * first RECALL_BEST what was known of them then. Nodes stand in it by their slots (node/tally.h); who asks
 * finds their names. Memory: RECALL_RING_BYTES a worker, taken as it is written.
 *
 * Threading: each ring is written by one thread, without a lock; recall_find from any thread. A record that
 * is being written while it is read is not found. Pure but for C11 atomics: a sequence lock (Boehm, "Can
 * seqlocks get along with programming language memory models?", MSPC 2012) whose words are released and
 * acquired one by one.
 */
#ifndef NODE_API_RECALL_H
#define NODE_API_RECALL_H

#include "node/api/place.h"

enum {
	RECALL_SESSIONS = 4096, /* of one ring; a power of two */
	RECALL_BEST = 8,
	RECALL_REASONS = 16, /* more kinds than enum assign_reason has; later ones count as the last */
	RECALL_WORDS = 7 + 2 * RECALL_BEST,
	RECALL_RING_BYTES = RECALL_SESSIONS * (RECALL_WORDS + 1) * 8,
};

struct recall;

struct recalled_node {
	uint32_t slot;
	enum assign_reason reason;
	enum assign_state state;
	bool holder, reported;
	uint32_t load, capacity; /* sessions; capacity at most RECALL_CAPACITY_MAX */
	uint32_t age_ms;         /* of that knowledge, at most RECALL_AGE_MAX_MS */
	uint16_t places;         /* leased, before the session took one */
};
enum { RECALL_CAPACITY_MAX = (1 << 24) - 1, RECALL_AGE_MAX_MS = (1 << 24) - 1 };

/* A decision, its best nodes first, ordered_n of them in the order in which they would have been tried. The
 * node that was taken is among them: the last one, when it was further back. */
struct recalled {
	enum assign_outcome outcome;
	uint16_t nodes_n, usable_n; /* delivery nodes then; those that could take the viewer */
	uint16_t ordered_n;         /* of these, whose order was looked for */
	uint16_t by_reason[RECALL_REASONS];
	struct recalled_node best[RECALL_BEST];
	size_t best_n;
};

struct recall *recall_new(size_t rings_n); /* aborts when out of memory */
void recall_free(struct recall *r);        /* NULL is fine */
/* Remembers why a session was put on p->nodes[at]; `ring` is its thread's own. NULL remembers nothing. */
void recall_add(struct recall *r, size_t ring, const uint8_t session[TOKEN_SESSION_BYTES],
    const struct place *p, size_t at);
/* False: it is forgotten, or was never here. */
bool recall_find(const struct recall *r, const uint8_t session[TOKEN_SESSION_BYTES], struct recalled *out);

#endif
