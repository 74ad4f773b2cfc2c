/* How a node leaves: in steps, each bounded in time, so that nobody is cut off who need not be.
 *
 *     told       its register says draining, /readyz says 503; api nodes hear it and stop assigning here
 *     ending     each connection ends with its next answer, idle ones are given time for it; new ones are
 *                still accepted, and end with their first, until all that stood before have ended
 *     closing    no new connection; where the listening socket stays, they wait in it for who comes next
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
	DRAIN_ENDING_MS = 30000,  /* longest wait for answers under way */
	DRAIN_CLOSING_MS = 10000, /* the same for those of whom came since: others wait for these */
	DRAIN_LEFT_MS = 500,
	DRAIN_POLL_MS = 20,
};

struct drain {
	struct control *control;
	struct http_server *viewers;
	struct ev_loop *loop;
	ev_timer timer;
	enum { DRAIN_NOT, DRAIN_TOLD, DRAIN_ENDING, DRAIN_CLOSING, DRAIN_LEFT } step;
	double step_since;
};

void drain_init(struct drain *d, struct control *control, struct http_server *viewers, struct ev_loop *loop);
/* Begins; when it has begun already, ends it now. The loop is broken at the end. */
void drain_begin(struct drain *d);
void drain_fini(struct drain *d);

#endif
