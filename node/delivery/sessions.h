/* The sessions that are active on this delivery node: each holds one place (A3, D3).
 *
 * A session starts with its first media request, lives while requests or heartbeats come, and its place is
 * given back by an end, or after idle_timeout_ms without either; the next request takes a place again.
 *
 * The table is pure (time comes in); sharded, each shard under its own lock, so that every call may
 * come from any thread. Bounded: at most `max` sessions, past it a touch says false and the request is
 * served uncounted.
 */
#ifndef NODE_DELIVERY_SESSIONS_H
#define NODE_DELIVERY_SESSIONS_H

#include "rpc/msg.h"

struct sessions;

/* Totals of one session, told when it ends. */
struct session_end {
	struct rpc_session_id id;
	uint64_t started_ms, ended_ms; /* mono */
	uint64_t bytes, hit_bytes, requests;
	bool idle; /* by idleness, not by an end */
};

struct sessions *sessions_new(size_t max, uint32_t idle_timeout_ms);
void sessions_free(struct sessions *s);
/* A media request of that session: starts or refreshes it. */
bool sessions_touch(struct sessions *s, const struct rpc_session_id *id, uint64_t now_mono_ms);
void sessions_account(struct sessions *s, const struct rpc_session_id *id, uint64_t bytes, bool hit);
/* A heartbeat: refreshes one that is active, starts none. */
bool sessions_alive(struct sessions *s, const struct rpc_session_id *id, uint64_t now_mono_ms);
/* Ends one; false when it is not active. `end` may be NULL. */
bool sessions_end(
    struct sessions *s, const struct rpc_session_id *id, uint64_t now_mono_ms, struct session_end *end);
/* Ends those that were idle too long, at most `max` a call; tells each. Returns how many. */
size_t sessions_expire(struct sessions *s, uint64_t now_mono_ms, size_t max,
    void (*ended)(void *arg, const struct session_end *e), void *arg);
size_t sessions_active(const struct sessions *s);

#endif
