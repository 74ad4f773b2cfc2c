/* Spreading changes over the overlay (R6): pushed at once to the neighbours that the tree says, announced
 * to the others after a moment.
 *
 * Neighbours are the nearest members on the hash rings (ring.h) that are not down or gone.
 */
#ifndef KVS_SPREAD_H
#define KVS_SPREAD_H

#include "kvs/state.h"

/* A row changed: there is something to push and, within announce_ms, to announce. */
void spread_soon(struct kvs *k);
/* At the end of a step: who is a neighbour, and what is to be pushed to each. */
void spread_flush(struct kvs *k);
void spread_on_timer(struct kvs *k);
void spread_on_announce(struct kvs *k, struct kvs_link *link, const struct rpc_announce *a);

#endif
