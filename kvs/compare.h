/* Comparing a row with a peer's position: what is lacking here, and what ought to be equal and is not. */
#ifndef KVS_COMPARE_H
#define KVS_COMPARE_H

#include "kvs/state.h"

/* True when the peer is to be told where this node stands (*mine): because it has more, or because it
 * holds other bytes than the owner. */
bool compare_position(
    struct kvs *k, struct kvs_link *link, const struct rpc_row_position *p, struct rpc_row_position *mine);

#endif
