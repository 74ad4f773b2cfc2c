/* How many sessions this node assigned lately to each delivery node: what those nodes' own load reports
 * cannot hold yet (A1).
 *
 * A delivery node gets a slot, stable while the process lives. A slot is a ring of one-second buckets, each
 * one atomic word, so counting takes no lock.
 *
 * Threading: tally_slot on control only; tally_add and tally_recent from any thread. Pure but for C11
 * atomics: time comes in. Monotonic seconds below 2^32.
 */
#ifndef NODE_TALLY_H
#define NODE_TALLY_H

#include "base/err.h"
#include "base/node_id.h"

enum {
	TALLY_SLOTS = 4096,
	TALLY_SECONDS = 64, /* longest window; session.start_within stays below */
	TALLY_NO_SLOT = TALLY_SLOTS,
};

struct tally;

struct tally *tally_new(void); /* aborts when out of memory */
void tally_free(struct tally *t);

/* The slot of a node, given at the first call. TALLY_NO_SLOT when all are taken: then nothing is counted
 * for it and its own reports must do. */
uint32_t tally_slot(struct tally *t, const struct node_id *node);
/* One session more in second now_s. */
void tally_add(struct tally *t, uint32_t slot, uint64_t now_s);
/* Sessions of the last window_s seconds, the present one included; longer windows count TALLY_SECONDS. */
uint32_t tally_recent(const struct tally *t, uint32_t slot, uint64_t now_s, uint32_t window_s);

#endif
