/* A node that starts: joining until its replica has what its peers had, then ready.
 *
 * It serves from the first moment with what its disks hold; being ready only says that others may prefer it.
 * When no peer answers it becomes ready after JOIN_PATIENCE_MS, and at once when no other node is known and
 * nobody listens where the seeds are.
 *
 * A node whose name another living node has stays joining until that one is gone: a restart that lost its
 * disk waits until its former id is known to be down, and of two with one name only the first gets viewers.
 *
 * Threading: the control loop's.
 */
#ifndef NODE_EV_JOIN_H
#define NODE_EV_JOIN_H

#include "node/ev_control.h"

#include <ev.h>

enum { JOIN_PATIENCE_MS = 3000 };

struct join {
	struct control *control;
	struct ev_loop *loop;
	ev_timer look;
	double began, said;
	struct node_id self;
	struct bytes name;
};

/* `name` is borrowed until join_end. */
void join_begin(struct join *j, struct control *control, const struct node_id *self, const char *name,
    struct ev_loop *loop);
/* A node that stops, or that leaves, does not become ready any more. */
void join_end(struct join *j);

#endif
