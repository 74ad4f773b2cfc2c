/* What the cache holds, as the node's location entries: the bridge from cache to replica.
 *
 * The first poll tells everything that is held, and takes back what an earlier run had said and is no
 * longer true (a disk was lost meanwhile); later polls tell what changed. What is left of a content that
 * shrank below a hundredth is taken back.
 *
 * Threading: control.
 */
#ifndef NODE_FS_LOCATIONS_H
#define NODE_FS_LOCATIONS_H

#include "kvs/kvs.h"
#include "node/cache/cache.h"

struct locations {
	const struct kvs *kvs;
	struct node_id self;
	bool reconciled;
	uint64_t *held; /* hashes of the keys that the first poll told */
	size_t held_n, held_cap;
};

enum { LOCATIONS_POLL_MAX = 256, LOCATION_SHARE_MIN_PERMILLE = 10 };

void locations_init(struct locations *l, const struct kvs *kvs, const struct node_id *self);
void locations_fini(struct locations *l);

typedef void locations_put(void *arg, struct bytes key, struct bytes value, bool deleted);
/* Writes what changed, a bounded part of it; true when there is more. */
bool locations_poll(struct locations *l, struct cache *cache, locations_put *put, void *arg);

#endif
