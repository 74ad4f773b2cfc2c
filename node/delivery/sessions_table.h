/* The table of sessions behind sessions.h: ids, times and totals, in the order of their last sign of
 * life. Pure: time comes in, and so does the decision whether one more may start.
 *
 * Threading: one caller at a time. Each row is an allocation of its own; the caller bounds their number.
 */
#ifndef NODE_DELIVERY_SESSIONS_TABLE_H
#define NODE_DELIVERY_SESSIONS_TABLE_H

#include "node/delivery/sessions.h"

struct session_row;

struct sessions_table {
	struct session_row **buckets; /* a power of two, NULL until the first row */
	size_t buckets_n;
	size_t n;
	struct session_row *oldest, *newest; /* by the last sign of life */
};

/* What id hashes to: callers with several tables pick one by its high bits. */
uint64_t sessions_table_hash(const struct rpc_session_id *id);

void sessions_table_init(struct sessions_table *t);
void sessions_table_fini(struct sessions_table *t);

/* Refreshes an active session; false when it is none. `request` also counts a request. */
bool sessions_table_refresh(
    struct sessions_table *t, const struct rpc_session_id *id, uint64_t now_ms, bool request);
/* Starts a session that is not active, with its first request; kbps and `watched` are what its end will tell.
 */
void sessions_table_start(struct sessions_table *t, const struct rpc_session_id *id, uint32_t kbps,
    struct audience_content *watched, uint64_t now_ms);
/* Adds to the totals of an active session, and refreshes it; false when it is none. */
bool sessions_table_account(
    struct sessions_table *t, const struct rpc_session_id *id, uint64_t bytes, bool hit, uint64_t now_ms);
/* Ends an active session; false, and nothing told, when it is none. */
bool sessions_table_end(
    struct sessions_table *t, const struct rpc_session_id *id, uint64_t now_ms, struct session_end *end);
/* Ends the one that has been silent longest, if that is idle_ms or more. */
bool sessions_table_expire(
    struct sessions_table *t, uint64_t now_ms, uint64_t idle_ms, struct session_end *end);

#endif
