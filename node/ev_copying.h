/* Copies first (V5): while an operator drains this node, what its viewers watch and no other node that is
 * ready holds is fetched by another node, before api nodes lead the viewers away (place_keep asks how many
 * copies are left; the load row tells it). Who fetches has it from this node's cache (D7), by the same orders
 * as `warmcastctl warm`: at most COPIES_AT_ONCE of them at a time, with the most viewers first.
 *
 * Only nodes that this one has a link to are chosen, and of these the one that the decision would try first.
 * A copy that cannot be made does not hold up the drain: node/warm/copies.h says after how long.
 *
 * Threading: control's loop.
 */
#ifndef NODE_EV_COPYING_H
#define NODE_EV_COPYING_H

#include "node/admin/ev_warm_orders.h"
#include "node/api/api.h"

struct kvs_reader;
struct copying;

struct copying_config {
	struct control *control;
	struct ev_loop *loop;
	const struct api *api; /* to decide with; its clock and its node's id are used too */
	struct kvs_reader *reader;
	unsigned view_reader;
	struct sessions *sessions;
	struct warm_orders *orders;
};

struct copying *copying_start(const struct copying_config *c);
/* Before its orders and control. NULL is fine. */
void copying_stop(struct copying *c);

#endif
