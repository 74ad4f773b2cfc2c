/* Whom this node keeps a link to (R6, R8), and which links it gives up:
 *
 *   near      the neighbours on the ring that are not down: what is pushed and announced goes there
 *   watched   the neighbours over all members: also who heals a partition, since they are dialled for ever
 *   service   an api node has a link to every delivery node, for what it tells of sessions
 *   guest     now and then one random member more, for a moment, to compare with: whatever the overlay
 *             keeps apart meets there
 *   seeds     their addresses, until a node is known, and one of them now and then
 *
 * A node that hears fewer than three others wants all seeds, and a further guest every few seconds.
 *
 * A link that nobody needs is closed, with BYE, by the side that dialled it.
 */
#ifndef KVS_WIRING_H
#define KVS_WIRING_H

#include "kvs/state.h"

enum wire { WIRE_NEAR = 1, WIRE_WATCHED = 2, WIRE_SERVICE = 4, WIRE_GUEST = 8 };

void wiring_start(struct kvs *k);
/* A member came, went or changed its liveness. */
void wiring_changed(struct kvs *k);
/* At the end of a step: neighbours and watched as the ring has them now. True: neighbours were looked up. */
bool wiring_refresh(struct kvs *k);
/* The member's register or liveness changed: whether it serves and where it is dialled. */
void wiring_follow(struct kvs *k, struct member *m);
void wiring_on_seeds_timer(struct kvs *k);
void wiring_on_guest_timer(struct kvs *k);
/* Nobody listens at that address: a seed of which that is known need not be waited for. */
void wiring_on_refused(struct kvs *k, const char *address);
/* No other node is known, and each seed's host says that nobody listens there. */
bool wiring_is_alone(const struct kvs *k);
/* How often a link is heard of when nothing else goes over it. */
uint32_t wiring_beat_ms(const struct kvs *k, const struct kvs_link *link);
/* The link has no purpose any more, or is dead: close it. */
bool wiring_is_spare(const struct kvs *k, const struct kvs_link *link);

#endif
