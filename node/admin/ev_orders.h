/* What operators order over HTTP (R1).
 *
 *     POST /v1/purge {"content": ID}      every delivery node drops what it holds of the content
 *     GET  /v1/purge/{id}                 which of them have, by now
 *     POST /v1/nodes/{name or id}/expel   that node is out of the cluster for good
 *     POST /v1/nodes/{name or id}/drain   that node takes no new viewers, until
 *     POST /v1/nodes/{name or id}/undrain
 *     POST /v1/drain, /v1/undrain         the same for the asked node
 *
 * Answered when a second node has recorded the order: 200 with "recorded_by". When none could within
 * ORDERS_RECORDED_WITHIN_MS, or there is none: 202 with "recorded_by": null; the order stands, and is lost
 * only with this node's disk.
 *
 * Who gives one may say who he is, `Warmcast-Operator: USER@HOST`: it stands in the order and in the log.
 *
 * Threading: control's loop.
 */
#ifndef NODE_ADMIN_EV_ORDERS_H
#define NODE_ADMIN_EV_ORDERS_H

#include "node/ev_control.h"

enum { ORDERS_RECORDED_WITHIN_MS = 5000 };

struct admin;
struct http_exchange;
struct orders;

/* Listens to `control` until it is freed, which is before control is, and after the server of its exchanges
 * has stopped. */
struct orders *orders_new(
    struct control *control, const struct node_id *self, struct ev_loop *loop, uint32_t recorded_within_ms);
void orders_free(struct orders *o); /* NULL is fine */

/* False: the path is none of these. */
bool orders_take(const struct admin *a, struct http_exchange *x, struct bytes path);

#endif
