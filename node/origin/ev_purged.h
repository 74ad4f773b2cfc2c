/* Purges as peers have to agree on them before one fills from the other's cache (I9, D7).
 *
 * A peer may lag: it may still hold what this node has purged. So whoever asks names every purge of that
 * object's content which it has applied and which its replica still has, by id, and a peer that has not
 * applied each of them answers 504. Ids and not times: two orders by different operators' nodes have no order
 * that both nodes must agree on, and having applied the newer says nothing of the older.
 *
 * Why that is right: a fill takes its mark of the cache (cache_mark), then asks here. A purge is put in here
 * before its bar goes up in the cache. So either it is named, or the fill is older than its bar, which keeps
 * its bytes out. The peer looks here first and into its cache then, and says that a purge is applied only
 * when all it held was removed: what it serves came in after that purge, of the origin store or of a peer
 * that had applied it too.
 *
 * What cannot be named must not be asked for: before this node knows all purges that its peers know
 * (purged_complete), for good when it may have missed some of them (purged_doubt), when there are more than
 * PURGED_NAMED_MAX, and when the table was full and dropped some that are still in the replica.
 *
 * Threading: any thread; one lock, held for a walk through the table.
 */
#ifndef NODE_ORIGIN_EV_PURGED_H
#define NODE_ORIGIN_EV_PURGED_H

#include "rpc/entries.h"

#include <stdbool.h>

enum { PURGED_MAX = 4096, PURGED_NAMED_MAX = 8 };

struct purged;

/* kept_ms: how long the replica has a purge. */
struct purged *purged_new(uint64_t kept_ms);
void purged_free(struct purged *p);

/* Before it is applied here. One that is known already stays as it is. */
void purged_begin(struct purged *p, const struct rpc_command_id *id, struct bytes content, uint64_t now_ms);
/* All that was held of it is gone. */
void purged_done(struct purged *p, const struct rpc_command_id *id);
/* All purges that the peers know were put in. */
void purged_complete(struct purged *p);
/* Purges were missed for good: this node asks no peer any more in this run. */
void purged_doubt(struct purged *p);

/* Those that whoever asks for that object has to name. False: no peer may be asked for it. */
MUST_USE bool purged_names(struct purged *p, struct bytes content, struct bytes object, uint64_t now_ms,
    struct rpc_command_id out[PURGED_NAMED_MAX], size_t *n);
/* Whether it was applied here. */
bool purged_has(struct purged *p, const struct rpc_command_id *id);

#endif
