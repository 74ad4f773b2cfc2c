/* Emitting bounded outputs of a step. Each says at its bound that nothing more goes in, and the
 * caller leaves the rest for a later step (kvs_later). */
#ifndef KVS_OUT_H
#define KVS_OUT_H

#include "kvs/state.h"

void out_begin(struct kvs *k, struct kvs_outputs *out);
/* What is left is for another step, at once. */
void out_later(struct kvs *k);

/* A message for the link, zeroed but for its kind; NULL at the bound. One is kept back for the
 * answer that ends an exchange (`last`). */
struct rpc_msg *out_send(struct kvs *k, struct kvs_link *link, enum rpc_kind kind, bool last);
bool out_sends_full(const struct kvs *k);

/* The index of a new op in out->ops, with owner and stream filled in; callers ask for room first. */
size_t out_op(struct kvs *k, enum kvs_op_kind kind, const struct replica *r);
bool out_ops_room(const struct kvs *k, size_t n);
void out_op_row(struct kvs *k, size_t op, const struct kvs_row_meta *m);
/* Counts an entry against the budget of a batch; false when it does not fit any more. */
bool out_op_entry(struct kvs *k, const struct replica *r, const struct rpc_entry *e);
/* Closes the batch: 0 when no op was emitted, else its number. */
uint64_t out_batch(struct kvs *k);

void out_event(
    struct kvs *k, enum kvs_event_kind kind, const struct node_id *node, const char *detail, uint64_t value);
void out_watched(struct kvs *k, const struct node_id *owner, const struct rpc_entry *e);
bool out_events_full(const struct kvs *k);
/* False at the bound, as the next one. */
bool out_close(struct kvs *k, const struct kvs_link *link);
bool out_dial(struct kvs *k, const char *address, bool wanted);

#endif
