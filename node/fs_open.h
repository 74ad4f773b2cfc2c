/* What a node opens on its disks when it starts, and what it says of the state they are in.
 *
 * Once, on control's thread.
 */
#ifndef NODE_FS_OPEN_H
#define NODE_FS_OPEN_H

#include "kvs/lmdb_store.h"
#include "node/cache/cache.h"
#include "node/config.h"

/* As kvs_store_open. `boot_id` empty: not known. */
MUST_USE enum err open_replica(const struct config *c, const char *boot_id,
    void (*random)(void *out, size_t n), struct kvs_store **store, struct kvs_store_identity *identity);
/* As cache_open, without proof that no purge was missed. */
MUST_USE enum err open_cache(const struct config *c, const char *boot_id, struct cache **out);

#endif
