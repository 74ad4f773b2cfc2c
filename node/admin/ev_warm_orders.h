/* Copies placed ahead of an audience, as operators order them of an api node:
 *
 *     POST /v1/warm {"content": ID, "copies": N}     chooses delivery nodes and tells them; 202
 *     GET  /v1/warm/{id}                             how far each is
 *
 * Kept in memory, the last WARM_ORDERS_MAX; who is not heard of is told again, so that neither a lost message
 * nor a restart of the node ends it. An order that has not ended after WARM_GIVE_UP_MS is left alone.
 *
 * A delivery node has them too, for the copies that it makes before its viewers are led away.
 *
 * Threading: control's loop.
 */
#ifndef NODE_ADMIN_EV_WARM_ORDERS_H
#define NODE_ADMIN_EV_WARM_ORDERS_H

#include "node/ev_control.h"

enum {
	WARM_ORDERS_MAX = 64,
	WARM_COPIES_MAX = 64,
	WARM_SILENT_MS = 3000,
	WARM_GIVE_UP_MS = 6 * 3600 * 1000,
};

struct admin;
struct http_exchange;
struct warm_orders;

/* Hears `control` until it is freed, which is before control is. `random` as in control_config. */
struct warm_orders *warm_orders_new(
    struct control *control, struct ev_loop *loop, void (*random)(void *out, size_t n));
void warm_orders_free(struct warm_orders *o); /* NULL is fine */

/* False: the path is none of these. */
bool warm_orders_handle(const struct admin *a, struct http_exchange *x, struct bytes path);

/* -- for a drain of this node (node/ev_copying.h) -- */

/* How far an order's node is. */
struct warm_copy {
	uint32_t state; /* enum rpc_warm_state; 0: it has not said anything yet */
	uint32_t objects, remaining, failed;
	uint64_t bytes;
	const char *detail; /* until the next event */
	bool gone;          /* it is down, or cannot be told */
};

/* Has one node fetch a content; *id names the order. ERR_FULL: as many as may be are under way; ERR_TOO_BIG:
 * no origin store or content has such a name. */
MUST_USE enum err warm_orders_give(struct warm_orders *o, struct bytes origin, struct bytes content,
    const struct node_id *node, struct rpc_warm_id *id);
/* False: there is no such order any more. */
bool warm_orders_told(const struct warm_orders *o, const struct rpc_warm_id *id, struct warm_copy *out);
/* Whether it ends is of no interest any more; what is under way goes on there. */
void warm_orders_forget(struct warm_orders *o, const struct rpc_warm_id *id);

struct warm_orders_counters {
	uint64_t orders, copies; /* given, and the nodes they named */
};
void warm_orders_count(const struct warm_orders *o, struct warm_orders_counters *out);

#endif
