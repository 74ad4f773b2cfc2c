/* Which node a player should play from next: the steering list of one session (draft-pantos-hls-rfc8216bis,
 * section 7.1; the same JSON serves DASH, ETSI TS 103 998). Pure.
 *
 * A pathway is a delivery node, by its name. First comes the one that the session is to be on (place_lead):
 * the present one while it serves and is not over its bounds, so that nobody is sent round. Then those that
 * the decision would take next. At least two are listed where two are known, for with one alone players
 * switch their own failover off.
 */
#ifndef NODE_API_STEERING_H
#define NODE_API_STEERING_H

#include "node/api/place.h"

enum {
	STEERING_TTL_S = 10,   /* a node that drains is left within that time */
	STEERING_PATHWAYS = 5, /* at most */
	STEERING_TEXT_MAX = 8192,
};

/* What the player asks with; names, which may be unknown or empty. */
struct steering_request {
	struct bytes own, other; /* the pathways that its playlist has; all others are clones of `own` */
	struct bytes present;    /* the pathway that it plays from */
	bool dash;               /* it reads an MPD */
};

/* Slices of the query; players quote names, and some encode the quotes. */
struct steering_request steering_read(struct bytes query);

/* Writes the list. `node`: where the session began. ERR_TOO_BIG, ERR_NO_MEMORY: what the buffer says. */
MUST_USE enum err steering_write(const struct place *p, const struct node_id *node, struct bytes session,
    const struct steering_request *r, struct buf *out);

/* The pathways of a session that plays on `self`: this node, and the best other one. False: this node is not
 * known yet. SIZE_MAX: there is no other. */
bool steering_pair(
    const struct place *p, const struct node_id *self, struct bytes session, size_t *own, size_t *other);

#endif
