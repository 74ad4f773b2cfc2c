/* Which purges a cache has to apply: what the replica has above what was applied (node/cache/purges.h).
 *
 * Pure: reads the replica, changes what it takes for applied. Of what it found the caller makes sure that it
 * is applied before it stores the rows that are dirty.
 */
#ifndef NODE_PURGE_READER_H
#define NODE_PURGE_READER_H

#include "kvs/kvs.h"
#include "node/cache/cache.h"

enum { PURGE_FOUND_MAX = 256, PURGE_SEEN_MAX = 1024 };

struct purge_found {
	struct rpc_command_id id;
	size_t content_n;
	uint8_t content[RPC_SUBJECT_MAX];
	uint64_t units; /* removed: the caller's */
};

struct purge_reader {
	struct purges applied;
	struct cache_purge_ids ids; /* the last ones */
	/* Of this run, by number modulo PURGE_SEEN_MAX: a purge stands in two rows. Past that, or after a
	 * restart, one may be applied again, which costs fills. */
	struct rpc_command_id seen[PURGE_SEEN_MAX];
	size_t seen_n;
};

struct purge_reading {
	struct purge_found found[PURGE_FOUND_MAX];
	size_t found_n;
	bool whole; /* false: there was no room for all */
	/* Purges of that owner may have been missed for good: what is held is to be doubted. */
	bool doubts;
	struct node_id doubted;
};

void purge_reader_read(struct purge_reader *r, const struct kvs *kvs, struct purge_reading *out);

#endif
