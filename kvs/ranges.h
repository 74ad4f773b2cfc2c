/* Finding the rows that differ from a peer's by fingerprints of ranges (prints.h), from the whole downwards,
 * sixteen parts at a time; a digest then settles each small range, or a large one most of which differs.
 *
 * The asker drives, with one question open; who answers keeps nothing.
 */
#ifndef KVS_RANGES_H
#define KVS_RANGES_H

#include "kvs/state.h"

void ranges_begin(struct kvs *k, struct kvs_link *link);
/* The digest of a range is settled: on with the next. */
void ranges_next(struct kvs *k, struct kvs_link *link);
void ranges_on_message(struct kvs *k, struct kvs_link *link, const struct rpc_ranges *m);

#endif
