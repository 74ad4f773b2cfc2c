/* Revocations between the replica and the workers: reads those of all nodes into the set that workers ask,
 * writes this node's own, and deletes them when the tokens would have ended anyway.
 *
 * An own one holds on this node at once and everywhere when its entry has come there. It is lost only with
 * this process before its store has written it, some milliseconds later, and with this node's disk.
 *
 * Threading: control's loop, except revocations_add (any thread). Bounds: at most own_max own ones live; at
 * most REVOCATIONS_WAITING wait for control.
 */
#ifndef NODE_EV_REVOCATIONS_H
#define NODE_EV_REVOCATIONS_H

#include "node/ev_control.h"
#include "node/ev_revoked.h"

enum { REVOCATIONS_WAITING = 1024 };

struct revocations;

struct revocations_config {
	struct control *control;
	struct revoked *set;
	struct mailbox *mailbox; /* control's own */
	struct ev_loop *loop;
	struct node_id self;
	uint32_t own_max;
	uint32_t read_every_ms; /* 0 = 250; what has ended is looked for every 40th time */
	uint64_t (*now_wall_ms)(void);
};

/* The set holds all that the replica has when it returns. */
struct revocations *revocations_start(const struct revocations_config *c);
/* After the workers have ended, and before control goes. NULL is fine. */
void revocations_stop(struct revocations *r);

/* Ends a session's tokens; again is no error. ERR_FULL: own_max live, or the set is full; ERR_BUSY: too many
 * wait, try again in a moment. */
MUST_USE enum err revocations_add(void *revocations, const struct rpc_session_id *id, uint64_t not_after_s);

#endif
