/* Which delivery nodes hold copies of a content ahead of its audience (rules A2, D7). Pure.
 *
 * Those that hold some of it already, first: they are where A1 sends viewers. Then nodes with headroom in the
 * order in which the decision would try them, which is that of spill and cold, so that the audience finds
 * the copies.
 */
#ifndef NODE_ADMIN_WARM_CHOICE_H
#define NODE_ADMIN_WARM_CHOICE_H

#include "node/api/place.h"

/* `able` says of each node of the place whether it can be told. Writes at most `copies` indices of nodes to
 * `out`, the best first; returns how many. Ready nodes only. */
size_t warm_choose(const struct place *p, const bool *able, size_t copies, uint32_t *out);

#endif
