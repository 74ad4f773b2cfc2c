/* Fingerprints of ranges of rows, so that two replicas find what differs at a cost that hardly grows with
 * how much is equal (R6).
 *
 * Ids are random, so ranges are those of their first half bytes: 4,096 of three, and each wider one is the
 * sum of sixteen. A sum modulo 2^64 of keyed hashes depends on no order and changes with one row in O(1)
 * (Bellare and Micciancio, 1997, name the weakness: who can choose rows can make sums collide; here all
 * who write are members).
 *
 * A row counts by where it stands and by its bytes, loads by where they stand only. The hash is part of the
 * protocol (V1).
 */
#ifndef KVS_PRINTS_H
#define KVS_PRINTS_H

#include "kvs/state.h"

/* The row may have changed. */
void prints_note(struct kvs *k, struct replica *r);
/* Of the ids that begin with `depth` (0 to 3) half bytes `prefix`. */
uint64_t prints_of(const struct kvs *k, uint32_t depth, uint32_t prefix);
/* The first and the last id of that range. */
struct row_id prints_first(uint32_t depth, uint32_t prefix);
struct row_id prints_last(uint32_t depth, uint32_t prefix);

#endif
