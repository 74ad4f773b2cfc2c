/* Keeping the store's copy of others' rows: a row that changed is written from where the store
 * stands on, in version order and within the budget of a batch, so that the stored row is at every
 * commit a legal one: complete up to its `have`, or being built at its floor (have < base).
 *
 * Own rows go another way (own.h): they are stored before they are shown. Load rows are not stored. */
#ifndef KVS_MIRROR_H
#define KVS_MIRROR_H

#include "kvs/state.h"

void mirror_touch(struct kvs *k, struct replica *r);
/* Emits what fits into this step's batch. */
void mirror_flush(struct kvs *k);
/* May this step emit a batch at all? Not while mute, nor with KVS_BATCHES_MAX unconfirmed. */
bool mirror_may_store(const struct kvs *k);

#endif
