/* Watching the neighbours on the ring, and this node's own claims (R8).
 *
 * Every member watches its neighbours over all members, down ones too. Any frame on a link is a sign of
 * life. One that is silent for silence_beats heartbeats, whose link broke and does not come back within one
 * heartbeat, or whose host refuses, is claimed to be unreachable, by an entry in the own control row; the
 * claim goes as soon as anything is heard.
 *
 * A node that ran late, or that lost most of those whom it watches at once, has reason to doubt itself: it
 * makes no new claim until it was on time for silence_beats heartbeats, or has waited WATCH_DOUBT_MS (the
 * lesson of Dadgar et al., "Lifeguard: local health awareness for more accurate failure detection", 2018).
 * Claims that stand remain.
 */
#ifndef KVS_WATCH_H
#define KVS_WATCH_H

#include "kvs/state.h"

enum { WATCH_DOUBT_MS = 5000 };

/* Whom the ring says to watch now: at most RING_NEIGHBOURS_MAX. */
void watch_set(struct kvs *k, void *const members[], size_t n);
void watch_fini(struct kvs *k);
/* Anything came over a link from that member. */
void watch_heard(struct kvs *k, struct member *m);
/* Its last link closed without a BYE. */
void watch_broke(struct kvs *k, struct member *m);
/* Its host answers that nobody listens, and no link leads there. */
void watch_refused(struct kvs *k, struct member *m);
/* It lives anew: what was claimed of it is void, and it has time to be heard. */
void watch_renewed(struct kvs *k, struct member *m);
/* False: no room for the event, ask again. */
bool watch_on_timer(struct kvs *k, struct watch *w);
/* This step ought to have come long ago. */
void watch_was_late(struct kvs *k);

#endif
