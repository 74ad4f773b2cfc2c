/* Which delivery nodes hold copies of a content ahead of its audience (rules A2, D7). Pure.
 *
 * Those that hold some of it already, first: they are where A1 sends viewers. Then nodes with headroom in the
 * content's own order (assign_rank), which is the order in which spill and cold would choose them, so that
 * the audience finds the copies.
 */
#ifndef NODE_ADMIN_WARM_CHOICE_H
#define NODE_ADMIN_WARM_CHOICE_H

#include "node/api/place.h"

/* `order` is assign_rank's of the place's nodes; `able` says of each whether it can be told. Writes at most
 * `copies` indices of nodes to `out`, the best first; returns how many. Ready nodes only. */
size_t warm_choose(
    const struct place *p, const uint32_t *order, const bool *able, size_t copies, uint32_t *out);

#endif
