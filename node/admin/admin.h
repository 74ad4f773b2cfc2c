/* The operators' HTTP (listen.admin): health, metrics, and what the node knows, as JSON.
 *
 *     /healthz  /readyz  /metrics  /v1/status  /v1/nodes  /v1/contents/{content}
 *     GET /v1/explain?content=  GET /v1/explain?session=
 *     POST /v1/warm  GET /v1/warm/{id}
 *     POST /v1/purge  GET /v1/purge/{id}  POST /v1/nodes/{name or id}/expel
 *     GET /v1/holders?most=[&contents=1][&from=]  GET /v1/watched  GET /v1/drains
 *     /v1/kvs/stats  /v1/kvs/owners  /v1/kvs/get?owner=&stream=&key=  /v1/kvs/probe
 *
 * Threading: served on control's loop, so it reads the cores directly.
 */
#ifndef NODE_ADMIN_ADMIN_H
#define NODE_ADMIN_ADMIN_H

#include "kvs/lmdb_reader.h"
#include "node/admin/ev_orders.h"
#include "node/admin/ev_probe.h"
#include "node/admin/ev_warm_orders.h"
#include "node/admin/ev_watched.h"
#include "node/api/api.h"
#include "node/cache/cache.h"
#include "node/delivery/delivery.h"
#include "node/ev_control.h"
#include "node/http/ev_server.h"
#include "node/origin/fill.h"

/* What it looks at; what a node's roles lack is NULL. */
struct admin {
	const struct config *config;
	struct control *control;
	const struct node_id *self;
	struct kvs_reader *reader;
	unsigned view_reader; /* control's own, of the published views */
	struct http_server *viewers;
	const struct api *api;
	const struct cache *cache;
	const struct fills *fills;
	const struct sessions *sessions;
	const struct delivery *delivery;
	struct places *places;
	struct probe *probe;
	struct orders *orders;
	struct warm_orders *warm_orders;
	struct watched_asks *watched;
	struct warmer *warmer;         /* NULL without the delivery role */
	struct prefetcher *prefetcher; /* the same */
	struct measurer *measurer;     /* the same */
	uint64_t started_mono_ms;
	uint64_t (*now_mono_ms)(void);
	uint64_t (*now_wall_ms)(void);
	/* How many places this node has leased on a delivery node and not given out; false: it does not know that
	 * node. NULL: nothing is leased. */
	bool (*leased)(void *ctx, const struct node_id *node, uint64_t *places);
	void *leased_ctx;
};

enum { ADMIN_ANSWER_MAX = 64 * 1024 * 1024 };

/* An http_handler; ctx is a struct admin. */
void admin_handle(void *ctx, struct http_exchange *x);

/* 200 with that body, or 503 when it did not fit. */
void admin_answer_json(struct http_exchange *x, struct buf *body);
void admin_answer_json_as(struct http_exchange *x, int status, struct buf *body);
void admin_not_allowed(struct http_exchange *x, const char *allowed);

/* Nodes by whether they are reached; who has left in good order is none that is down. */
struct admin_members {
	uint64_t alive, suspect, down, left;
};
void admin_count_members(const struct kvs *kvs, struct admin_members *out);

/* GET /v1/explain (ev_explain.c). */
void admin_explain(const struct admin *a, struct http_exchange *x);

/* GET /v1/holders (ev_holders.c). */
void admin_holders(const struct admin *a, struct http_exchange *x);
/* GET /v1/drains (ev_drains.c). */
void admin_drains(const struct admin *a, struct http_exchange *x);
/* The drain of that node that stands, or that the last undrain took back; at_ms is 0 when none is known. */
struct admin_drained {
	uint64_t at_ms;
	char by[RPC_OPERATOR_MAX];
	size_t by_n;
};
void admin_find_drain(const struct kvs *kvs, const struct node_id *node, struct admin_drained *out);

/* Who gives the order that a request is, as rpc_operator takes it. The port knows nobody: it is what he says
 * of himself, for the logs and for other operators. */
struct bytes admin_operator_of(const struct http_exchange *x);

/* The bodies, one file each. */
void admin_put_status(const struct admin *a, struct buf *out);
void admin_put_nodes(const struct admin *a, struct buf *out);
MUST_USE enum err admin_put_holders(const struct admin *a, const struct config_origin *origin,
    struct bytes content, struct arena *arena, struct buf *out);
void admin_put_kvs_stats(const struct admin *a, struct buf *out);
void admin_put_owners(const struct admin *a, struct buf *out);
void admin_put_metrics(const struct admin *a, struct buf *out);
void admin_put_lease_metrics(const struct admin *a, struct buf *out);
void admin_put_warm_metrics(const struct admin *a, struct buf *out);

/* Why there is no body: what http_problem wants. */
struct admin_refusal {
	int status;
	const char *type, *detail;
};
/* A value of a query, escaped as a path is; false, with `detail` as the reason, when it is absent or none. */
bool admin_take_value(struct bytes query, const char *name, const char *detail, struct arena *arena,
    struct bytes *out, struct admin_refusal *why);
/* What a node without the api role answers when it is asked for a decision: whom to ask. */
void admin_no_api_here(const struct admin *a, struct arena *arena, struct admin_refusal *why);
/* The name in its register; empty when nothing is known of it. */
struct bytes admin_name_of(const struct kvs *kvs, const struct node_id *id);
/* The member of that name or id, in hex. */
bool admin_take_owner(
    const struct kvs *kvs, struct bytes owner, struct node_id *out, struct admin_refusal *why);
/* The entry that a query names by owner (name or id), stream and key. False with *why when there is none. */
bool admin_put_entry(const struct admin *a, struct bytes query, struct arena *arena, struct buf *out,
    struct admin_refusal *why);

#endif
