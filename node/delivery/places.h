/* The places of this delivery node: its lease book (assign/lease_book.h) behind a lock, since viewers
 * arrive on every worker (A3).
 *
 * Of Mbit/s: a session is reckoned to take what its content takes, as its token says; where that is unknown,
 * what the node's egress of the last minute comes to for each session, and before there is any, its share of
 * the capacity. When all take more than they were reckoned to, those known are reckoned to take more in
 * proportion. A place that is lent counts as the mean of the sessions here.
 *
 * Threading: any. Calls are short, and only sessions that start or end and messages of api nodes make them.
 */
#ifndef NODE_DELIVERY_PLACES_H
#define NODE_DELIVERY_PLACES_H

#include "assign/lease_book.h"
#include "node/delivery/sessions.h"

struct places;

struct places *places_new(const struct lease_book_config *c);
void places_free(struct places *p);
/* For sessions_new; as long as the places. */
struct session_gate places_gate(struct places *p);

/* As of the book. */
bool places_ask(struct places *p, uint64_t now_ms, const struct lease_asker *asker, uint64_t req_id,
    uint32_t want, struct lease_grant *grant);
void places_close(struct places *p, uint64_t now_ms, const struct node_id *api, const struct lease_close *c);
void places_set_draining(struct places *p, bool draining);
void places_set_lending(struct places *p, bool lending);
void places_look(struct places *p, struct lease_book_view *v);

/* Once a second: closes what is due, and learns what a session takes. egress_kbps: of the last second. */
void places_tick(struct places *p, uint64_t now_ms, uint64_t egress_kbps);

#endif
