/* The sessions that are active on this delivery node: each holds one place (A3, D3).
 *
 * A session starts with its first media request, lives while requests or heartbeats come, and its place is
 * given back by an end, or after idle_timeout_ms without either; the next request takes a place again.
 * Whether there is one is the gate's to say.
 *
 * The table is pure (time comes in); sharded, each shard under its own lock, so that every call may
 * come from any thread. Bounded by what the gate admits.
 */
#ifndef NODE_DELIVERY_SESSIONS_H
#define NODE_DELIVERY_SESSIONS_H

#include "node/delivery/audience.h"
#include "rpc/msg.h"

struct sessions;

/* Totals of one session, told when it ends. */
struct session_end {
	struct rpc_session_id id;
	uint64_t started_ms, ended_ms; /* mono */
	uint64_t bytes, hit_bytes, requests;
	uint32_t kbps;                    /* what it was reckoned to take; 0 unknown */
	bool idle;                        /* by idleness, not by an end */
	struct audience_content *watched; /* the sessions' own; NULL once it is told */
};

/* The place that a session's token says was kept for it (A3). */
struct session_claim {
	bool kept; /* else placeless */
	uint64_t incarnation;
	uint32_t batch, index;
	uint32_t kbps;                /* what its content takes; 0 unknown */
	struct bytes origin, content; /* what it watches */
};

/* Who keeps the places. Called from any thread, `admit` with a lock of the table held. */
struct session_gate {
	bool (*admit)(void *ctx, const struct session_claim *claim, uint64_t now_mono_ms);
	void (*leave)(void *ctx, const struct session_end *ends, size_t n);
	void *ctx;
};

enum session_touch {
	SESSION_ACTIVE,  /* it was */
	SESSION_STARTED, /* it took a place */
	SESSION_FULL,    /* there is none for it */
};

struct sessions *sessions_new(const struct session_gate *gate, uint32_t idle_timeout_ms);
void sessions_free(struct sessions *s);
/* A media request of that session: starts or refreshes it. */
MUST_USE enum session_touch sessions_touch(struct sessions *s, const struct rpc_session_id *id,
    const struct session_claim *claim, uint64_t now_mono_ms);
/* An answer of it is over: its bytes are added, and it is a sign of life, as a long body is one at its end
 * too. */
void sessions_account(
    struct sessions *s, const struct rpc_session_id *id, uint64_t bytes, bool hit, uint64_t now_mono_ms);
/* A heartbeat: refreshes one that is active, starts none. */
bool sessions_alive(struct sessions *s, const struct rpc_session_id *id, uint64_t now_mono_ms);
/* Ends one; false when it is not active. `end` may be NULL. */
bool sessions_end(
    struct sessions *s, const struct rpc_session_id *id, uint64_t now_mono_ms, struct session_end *end);
/* While the node drains half of idle_timeout_ms is enough: who asks no more was led away, by a heartbeat (a
 * third of it apart) or a steering list, and a drain that waited for his place to lapse would take twice as
 * long. */
void sessions_set_draining(struct sessions *s, bool draining);
/* Ends those that were idle too long, at most `max` a call; tells each. Returns how many. */
size_t sessions_expire(struct sessions *s, uint64_t now_mono_ms, size_t max,
    void (*ended)(void *arg, const struct session_end *e), void *arg);
size_t sessions_active(const struct sessions *s);
/* What they watch, in the arena, in no order. ERR_NO_MEMORY. */
MUST_USE enum err sessions_watched(struct sessions *s, struct arena *a, struct watched **out, size_t *n);

#endif
