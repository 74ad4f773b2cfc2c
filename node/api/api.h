/* The api role's HTTP: sessions (rules A1-A6, D3), answered without leaving the worker: holders from
 * the worker's own reader of the replica, node states from the published view, ids from its own pool.
 *
 *     POST   /v1/sessions
 *     GET    /v1/sessions/{session}
 *     POST   /v1/sessions/{session}/heartbeat
 *     DELETE /v1/sessions/{session}          ?revoke=true: ends its tokens too
 *     GET    /v1/steering/{token}            ev_steering.h
 *
 * A session's id is a signed handle that names its content and its node, so that any api node
 * answers for any session, and nothing is stored for it.
 *
 * Threading: one `struct api` shared by all workers, immutable; one `struct api_worker` each.
 */
#ifndef NODE_API_API_H
#define NODE_API_API_H

#include "assign/lease_slots.h"
#include "kvs/lmdb_reader.h"
#include "node/api/ev_admission.h"
#include "node/config.h"
#include "node/ev_revoked.h"
#include "node/http/http.h"
#include "node/rfc3339.h"
#include "node/snapshot.h"
#include "node/tally.h"
#include "node/token.h"

struct api_config {
	const struct config *config;
	const struct token_keys *keys;
	const struct node_id *self;
	struct view_publisher *views;
	struct tally *tally;
	struct lease_slots *slots;
	/* A slot ran dry: control is to ask for more. Any thread. */
	void (*places_dry)(void *ctx);
	void *dry_ctx;
	struct admission *admission; /* NULL: everybody may create sessions, without limit */
	/* Passes a heartbeat or an end to a session's node, with others in one batch a second. False when the
	 * batch is full: harmless, media requests keep a session and idleness ends it. */
	bool (*tell_node)(void *ctx, const struct node_id *node, const struct rpc_session_id *id, bool ended);
	void *tell_ctx;
	struct revoked *revoked; /* NULL: no session can be */
	/* Ends a session's tokens everywhere. ERR_FULL: it may end no more; ERR_BUSY: not at the moment. */
	enum err (*revoke)(void *ctx, const struct rpc_session_id *id, uint64_t not_after_s);
	void *revoke_ctx;
	uint64_t (*now_wall_ms)(void);
	uint64_t (*now_mono_ms)(void);
};

/* What a worker keeps of one answer for the next. Zeroed at first. */
struct session_writer {
	struct buf text; /* its memory */
	uint64_t not_after_s;
	char not_after[RFC3339_SECONDS_LEN + 1]; /* the same; most sessions of a second end in one second */
};

struct api_worker {
	struct kvs_reader *reader;
	unsigned view_reader;
	void (*random)(void *ctx, void *out, size_t n); /* for session ids */
	void *random_ctx;
	struct session_writer writer;
};

/* Frees what the worker has gathered; not its reader. */
void api_worker_fini(struct api_worker *w);

struct api_counters {
	_Atomic uint64_t revoked, revoke_refused;
	_Atomic uint64_t created_warm, created_spill, created_cold, refused, malformed, heartbeats, ended;
	_Atomic uint64_t placeless; /* of those created */
	_Atomic uint64_t steered;   /* steering lists given */
};

struct recall;

struct api {
	struct api_config c;
	struct api_counters count;
	struct recall *recall; /* a ring for each view_reader; NULL: nothing is remembered */
};

/* Answers a request whose path starts with "/v1/". */
void api_handle(struct api *api, struct api_worker *w, struct http_exchange *x);

#endif
