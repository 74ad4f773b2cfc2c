/* Applies purges to this node's cache: what the replica says was purged, once each, and what that proves.
 *
 * Control's loop reads the commands above what the disks say was applied (node/cache/purges.h), and hands
 * them to a thread of its own, since a purge looks at every unit and syncs. When they are applied on disk,
 * that is told in the load row. What the disks held at the start becomes proven when the replica has caught
 * up with its peers and all that was found is applied; when purges may have been missed for good, all of it
 * is in doubt.
 *
 * Threading: control's loop, and one thread.
 */
#ifndef NODE_EV_PURGER_H
#define NODE_EV_PURGER_H

#include "node/cache/cache.h"
#include "node/ev_control.h"
#include "node/origin/ev_purged.h"
#include "node/origin/fill.h"
#include "node/warm/ev_warmer.h"

struct purger;

struct purger_config {
	struct control *control;
	struct cache *cache;
	struct fills *fills;
	struct purged *purged;   /* hears of each */
	struct mailbox *mailbox; /* control's own */
	struct ev_loop *loop;
	struct warmer *warmer; /* stops what is ordered of a content */
};

MUST_USE enum err purger_start(const struct purger_config *c, struct purger **out);
/* Before the fills, the cache and control go. NULL is fine. */
void purger_stop(struct purger *p);

#endif
