#include "node/ev_viewers.h"

#include "base/obj.h"
#include "node/delivery/delivery.h"
#include "node/fs_log.h"
#include "node/fs_random.h"
#include "node/fs_room.h"

#define VIEWERS_MAGIC 0x76696577u

struct viewers {
	unsigned magic;
	struct viewers_config c;
	struct http_server *server;
};

/* What a worker's thread owns. */
struct worker {
	struct api_worker api;
	struct random_pool random;
};

static void take_random(void *ctx, void *out, size_t n)
{
	random_take(ctx, out, n);
}

static void on_worker_start(void *ctx, struct http_worker *w)
{
	struct viewers *v = OBJ_CAST(struct viewers, VIEWERS_MAGIC, ctx);
	struct worker *own = calloc(1, sizeof(*own));
	CHECK(own != NULL);
	random_pool_init(&own->random);
	own->api.view_reader = http_worker_index(w);
	own->api.random = take_random;
	own->api.random_ctx = &own->random;
	enum err e = kvs_reader_open(v->c.store, &own->api.reader);
	if (e != OK) {
		LOG_EVENT(
		    LOG_ERROR, "http", "no-reader", "a worker cannot read the replica", LOG_STR("error", err_str(e)));
		CHECK(e == OK);
	}
	kvs_reader_keep(own->api.reader);
	http_worker_set_data(w, own);
}

static void on_worker_rest(void *ctx, struct http_worker *w)
{
	(void)ctx;
	kvs_reader_rest(((struct worker *)http_worker_data(w))->api.reader);
}

static void on_worker_stop(void *ctx, struct http_worker *w)
{
	(void)ctx;
	struct worker *own = http_worker_data(w);
	api_worker_fini(&own->api);
	kvs_reader_close(own->api.reader);
	random_pool_fini(&own->random);
	free(own);
}

struct api_worker *viewers_lookup_of(struct http_exchange *x)
{
	return &((struct worker *)http_worker_data(http_worker_of(x)))->api;
}

static void on_request(void *ctx, struct http_exchange *x)
{
	struct viewers *v = OBJ_CAST(struct viewers, VIEWERS_MAGIC, ctx);
	struct bytes path = http_request(x)->path;
	if (v->c.delivery != NULL && bytes_starts_with(path, BYTES_LIT("/p/")))
		delivery_handle(v->c.delivery, x);
	else if (v->c.delivery != NULL && bytes_starts_with(path, BYTES_LIT("/peer/")))
		delivery_handle_peer(v->c.delivery, x);
	else if (v->c.api != NULL && bytes_starts_with(path, BYTES_LIT("/v1/")))
		api_handle(v->c.api, viewers_lookup_of(x), x);
	else
		http_problem(x, 404, "not-found", "There is nothing here.", 0);
}

enum err viewers_start(const struct viewers_config *c, struct viewers **out)
{
	struct viewers *v = OBJ_NEW(struct viewers, VIEWERS_MAGIC);
	v->c = *c;
	struct http_limits limits = http_limits_default;
	limits.connections = fs_room_connections();
	limits.egress_bytes_per_s = c->egress_bytes_per_s;
	struct http_server_config s = {
		.listeners = c->listeners,
		.listeners_n = c->listeners_n,
		.listeners_stay = c->listeners_stay,
		.workers = c->workers,
		.limits = &limits,
		.handler = on_request,
		.ctx = v,
		.worker_start = on_worker_start,
		.worker_stop = on_worker_stop,
		.worker_rest = on_worker_rest,
	};
	enum err e = http_server_start(&s, &v->server);
	if (e != OK) {
		OBJ_FREE(v);
		return e;
	}
	v->c.listeners = NULL;
	LOG_EVENT(LOG_INFO, "http", "limits", "what viewers may take", LOG_U64("connections", limits.connections),
	    LOG_U64("egress_bytes_per_s", limits.egress_bytes_per_s));
	*out = v;
	return OK;
}

struct http_server *viewers_server(const struct viewers *v)
{
	return v->server;
}

void viewers_stop(struct viewers *v)
{
	if (v == NULL)
		return;
	http_server_stop(v->server);
	OBJ_FREE(v);
}
