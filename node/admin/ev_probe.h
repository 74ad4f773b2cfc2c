/* Probe entries over HTTP: /v1/kvs/probe (node/admin/probe.h says what they are).
 *
 *     POST    writes probes; 200 once they are on this node's disk, which is when they may be told (R5)
 *     GET     the last probe of each other owner that came here, and how long it was under way
 *     GET     ?owner=NAME: all probes of that owner as they are here
 *     DELETE  deletes this node's own ones
 *
 * Threading: control's loop.
 */
#ifndef NODE_ADMIN_EV_PROBE_H
#define NODE_ADMIN_EV_PROBE_H

#include "node/admin/probe.h"
#include "node/ev_control.h"

enum { PROBE_STORED_WITHIN_MS = 5000 };

struct admin;
struct http_exchange;
struct probe;

/* A write that is not stored within stored_within_ms is answered 503. Watches `control` until it is freed,
 * which is before control is, and after the server of its exchanges has stopped. */
struct probe *probe_new(
    struct control *control, const struct node_id *self, struct ev_loop *loop, uint32_t stored_within_ms);
void probe_free(struct probe *p); /* NULL is fine */

const struct probe_log *probe_log_of(const struct probe *p);
/* Any method. */
void probe_handle(const struct admin *a, struct http_exchange *x);

#endif
