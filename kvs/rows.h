/* The table of rows: every (owner, stream) this node has, sorted by id, and the step from a frame to
 * a row. */
#ifndef KVS_ROWS_H
#define KVS_ROWS_H

#include "kvs/state.h"

/* The index of the first row at or above the id. */
size_t rows_lower(const struct kvs *k, const struct row_id *id);
/* NULL when there is none. */
struct replica *rows_find(const struct kvs *k, const struct node_id *owner, enum rpc_stream stream);
/* Makes it when there is none; NULL at KVS_OWNERS_MAX. */
struct replica *rows_ensure(struct kvs *k, const struct node_id *owner, enum rpc_stream stream);

/* A frame from a peer (R1-R4). Tells the peer where this node stands when it is behind. */
void rows_on_frame(struct kvs *k, struct kvs_link *link, const struct rpc_row_frame *f);

#endif
