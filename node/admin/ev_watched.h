/* GET /v1/watched: which contents have viewers, as each delivery node says itself, for plans that must not
 * take their last holder away (V5).
 *
 * The asked node asks all delivery nodes that are not down, over its links; an api node has links to all of
 * them. It answers when all have told, at the latest after WATCHED_WITHIN_MS. Whom it has no link to, who is
 * of a version that does not tell, and who is silent, has told nothing: what it holds may be watched. A node
 * tells of RPC_WATCHED_MAX contents, those with the most viewers; all answers together of WATCHED_ALL_MAX.
 *
 * Threading: control's loop.
 */
#ifndef NODE_ADMIN_EV_WATCHED_H
#define NODE_ADMIN_EV_WATCHED_H

#include "node/ev_control.h"

enum { WATCHED_WITHIN_MS = 2000, WATCHED_ALL_MAX = 1000000, WATCHED_WAITING_MAX = 4 };

struct admin;
struct http_exchange;
struct watched_asks;

/* Hears `control` until it is freed, which is before control is, and after the server of its exchanges has
 * stopped. */
struct watched_asks *watched_asks_new(struct control *control, struct ev_loop *loop);
void watched_asks_free(struct watched_asks *w); /* NULL is fine */

void watched_handle(const struct admin *a, struct http_exchange *x);

#endif
