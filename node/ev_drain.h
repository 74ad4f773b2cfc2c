/* How a node leaves: in steps, each bounded in time, so that nobody is cut off who need not be.
 *
 *     told       its register says draining, /readyz says 503; api nodes hear it and stop assigning here
 *     closing    no new connection; present ones end with their next answer, idle ones at once
 *     left       its register says left; peers are given time to hear it; then the loop is broken
 *
 * Threading: control.
 */
#ifndef NODE_EV_DRAIN_H
#define NODE_EV_DRAIN_H

#include "node/ev_control.h"
#include "node/http/ev_server.h"

enum {
	DRAIN_TOLD_MS = 500,      /* it is pushed: milliseconds, and a commit to disk */
	DRAIN_CLOSING_MS = 30000, /* longest wait for answers under way */
	DRAIN_LEFT_MS = 500,
	DRAIN_POLL_MS = 100,
};

struct drain {
	struct control *control;
	struct http_server *viewers;
	struct ev_loop *loop;
	ev_timer timer;
	enum { DRAIN_NOT, DRAIN_TOLD, DRAIN_CLOSING, DRAIN_LEFT } step;
	double step_since;
};

void drain_init(struct drain *d, struct control *control, struct http_server *viewers, struct ev_loop *loop);
/* Begins; when it has begun already, ends it now. The loop is broken at the end. */
void drain_begin(struct drain *d);
void drain_fini(struct drain *d);

#endif
