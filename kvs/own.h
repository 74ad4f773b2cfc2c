/* This node's own rows: writes are staged, go to the store in one batch at a time, and enter the row
 * when the store has said STORED. So the own row *is* what is stored, and whatever is shown to others
 * from it survives a crash (R5). Writes that come meanwhile wait and coalesce by key.
 *
 * The own load row is not stored and takes writes at once.
 *
 * Also here: the incarnation of this run (R2), what to do when own id is seen above it, and the floor
 * of own rows (R4).
 */
#ifndef KVS_OWN_H
#define KVS_OWN_H

#include "kvs/state.h"

void own_init(struct kvs *k);
void own_fini(struct kvs *k);
/* The rows as loaded take the incarnation of this run with the next batch. */
void own_start(struct kvs *k);

/* Equal to what is there, or a delete of what is not: no write. */
void own_put(struct kvs *k, enum rpc_stream stream, struct bytes key, struct bytes value);
void own_delete(struct kvs *k, enum rpc_stream stream, struct bytes key);
/* The own register as it is now (k->reg), a write like any other. */
void own_put_register(struct kvs *k);
/* What was written last, stored or not; false when there is none or it was deleted. */
bool own_get(const struct kvs *k, enum rpc_stream stream, struct bytes key, struct bytes *value);

/* Emits the next batch when none is in flight. Returns true when it emitted own ops: the batch's
 * number is to be told by own_sent. */
bool own_flush(struct kvs *k);
void own_sent(struct kvs *k, uint64_t seq);
void own_stored(struct kvs *k, uint64_t seq);

/* Own id was seen under that incarnation, in a frame or digest of a peer. */
void own_sighted(struct kvs *k, struct incarnation seen);

#endif
