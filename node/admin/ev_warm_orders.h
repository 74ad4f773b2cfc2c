/* Copies placed ahead of an audience, as operators order them of an api node:
 *
 *     POST /v1/warm {"content": ID, "copies": N}     chooses delivery nodes and tells them; 202
 *     GET  /v1/warm/{id}                             how far each is
 *
 * Kept in memory, the last WARM_ORDERS_MAX; who is not heard of is told again, so that neither a lost message
 * nor a restart of the node ends it. An order that has not ended after WARM_GIVE_UP_MS is left alone.
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

struct warm_orders_counters {
	uint64_t orders, copies; /* given, and the nodes they named */
};
void warm_orders_count(const struct warm_orders *o, struct warm_orders_counters *out);

#endif
