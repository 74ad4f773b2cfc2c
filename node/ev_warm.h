/* What the delivery role does with playlists: the measurer reads how much of each content is there, the
 * prefetcher what comes next, and the warmer fetches whole contents. Of that one's orders this is the node's
 * side: it hears them from api nodes, and tells who ordered how far it is, when an order begins or ends, and
 * twice a second while one runs.
 *
 * Threading: control's loop; these three have threads of their own.
 */
#ifndef NODE_EV_WARM_H
#define NODE_EV_WARM_H

#include "node/ev_control.h"
#include "node/warm/ev_measurer.h"
#include "node/warm/ev_prefetcher.h"
#include "node/warm/ev_warmer.h"

struct warming;

struct warming_config {
	struct control *control;
	struct mailbox *mailbox; /* control's own */
	struct ev_loop *loop;
	struct warmer_config warmer; /* without `changed` and `ctx` */
	struct delivery *delivery;
};

MUST_USE enum err warming_start(const struct warming_config *c, struct warming **out);
/* After the purger, before the fills and control. NULL is fine. */
void warming_stop(struct warming *w);
struct prefetcher *warming_prefetcher(const struct warming *w);
struct warmer *warming_warmer(const struct warming *w);
struct measurer *warming_measurer(const struct warming *w);

#endif
