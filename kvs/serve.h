/* Sending what a peer lacks of a row, as frames within budgets (R3, R7). */
#ifndef KVS_SERVE_H
#define KVS_SERVE_H

#include "kvs/state.h"

/* False when the budget of the exchange ended first. */
bool serve_row(
    struct kvs *k, struct kvs_link *link, const struct replica *r, const struct rpc_row_position *p);
/* Sends the row's entries after `from`, unasked. False when the step or the link is full; what went is noted
 * as told. */
bool serve_push(struct kvs *k, struct kvs_link *link, const struct replica *r, uint64_t from);

#endif
