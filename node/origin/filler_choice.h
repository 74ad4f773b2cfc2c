/* Which nodes are asked to fill an object on this one's behalf (D7, its second level). Pure.
 *
 * The content's order is that of assignment (assign_rank: capacity alone weighs), so that nodes that do not
 * talk choose the same one. In it are delivery nodes that are alive, ready and not draining, however full; of
 * this node whether its disks serve is known here, another one says so when it is asked. Who comes
 * behind this node in that order is not asked: the origin store is this one's to ask then. One that rests
 * is left out of the order's front only: the next one takes its turn.
 */
#ifndef NODE_ORIGIN_FILLER_CHOICE_H
#define NODE_ORIGIN_FILLER_CHOICE_H

#include "node/origin/peer_choice.h"

enum { FILLERS_ASKED_MAX = PEERS_ASKED_MAX };

/* Returns how many of `out` it filled; 0 too when the arena is exhausted. `self_serves`: whether a disk of
 * this node's cache is in service. */
size_t filler_choose(const struct cluster_view *view, struct bytes origin, struct bytes content,
    const struct rests *resting, uint64_t now_ms, bool self_serves, struct arena *a,
    struct peer_pick out[FILLERS_ASKED_MAX]);

#endif
