#include "node/ev_node.h"

#include "base/obj.h"
#include "base/version.h"
#include "node/admin/admin.h"
#include "node/api/place.h"
#include "node/api/recall.h"
#include "node/delivery/places.h"
#include "node/ev_copying.h"
#include "node/ev_drain.h"
#include "node/ev_join.h"
#include "node/ev_listeners.h"
#include "node/ev_pathways.h"
#include "node/ev_purger.h"
#include "node/ev_revocations.h"
#include "node/ev_viewers.h"
#include "node/ev_warm.h"
#include "node/fs_boot_id.h"
#include "node/fs_log.h"
#include "node/fs_open.h"
#include "node/fs_random.h"
#include "node/origin/curl_peers.h"

#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#define NODE_MAGIC 0x6e6f6465u

enum { PERMILLE = 1000, KBIT_OF_MBIT = 1000 };

struct node {
	unsigned magic;
	const struct config *config;
	const struct node_secrets *secrets;
	struct listeners *listeners;
	struct ev_loop *loop;
	struct mailbox mailbox;
	char boot_id[BOOT_ID_LEN + 1];
	unsigned workers;
	struct kvs_store *store;
	struct kvs_store_identity identity;
	struct kvs_reader *reader; /* control's own */
	struct view_publisher views;
	bool views_made;
	struct tally *tally;
	struct lease_slots *slots;
	struct places *places;
	struct cache *cache;
	struct purged *purged;
	struct peers *peers;
	struct fills *fills;
	struct sessions *sessions;
	struct delivery *delivery;
	struct control *control;
	struct revoked *revoked;
	struct revocations *revocations;
	struct admission *admission; /* NULL without the api role */
	struct api api;
	struct viewers *viewers;
	struct admin admin;
	struct probe *probe;
	struct warming *warming;
	struct purger *purger;
	struct orders *orders;
	struct warm_orders *warm_orders;
	struct copying *copying; /* NULL without the delivery role */
	struct watched_asks *watched;
	struct http_server *admin_server;
	struct drain drain;
	bool draining_ready, duplicate;
	struct join join;
};

/* -- clocks and random numbers, handed to the rooms -- */

static uint64_t clock_ms(clockid_t clock)
{
	struct timespec t;
	CHECK(clock_gettime(clock, &t) == 0);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static uint64_t now_wall_ms(void)
{
	return clock_ms(CLOCK_REALTIME);
}

static uint64_t now_mono_ms(void)
{
	return clock_ms(CLOCK_MONOTONIC);
}

static void random_bytes(void *p, size_t n)
{
	struct random_pool pool;
	random_pool_init(&pool);
	random_take(&pool, p, n);
	random_pool_fini(&pool);
}

static int exit_of(enum err e)
{
	switch (e) {
	case ERR_BUSY: return NODE_EXIT_UNAVAILABLE;
	case ERR_DENIED:
	case ERR_INVALID: return NODE_EXIT_CONFIG;
	case ERR_NO_SPACE:
	case ERR_IO:
	case ERR_CORRUPT:
	case ERR_VERSION: return NODE_EXIT_DISK;
	default: return NODE_EXIT_SYSTEM;
	}
}

/* -- the delivery role -- */

/* The book of this run (A3). A node with no bound in Mbit/s weighs nothing. */
static struct places *places_of(const struct node *n)
{
	const struct config *c = n->config;
	uint64_t kbps = (uint64_t)c->capacity_mbps * KBIT_OF_MBIT;
	uint64_t share = c->capacity_sessions > 0 ? kbps / c->capacity_sessions : 0;
	struct lease_book_config b = {
		.incarnation = n->identity.incarnation.count,
		.capacity_sessions = c->capacity_sessions,
		.reserve_sessions = (uint32_t)((uint64_t)c->capacity_sessions * c->reserve_permille / PERMILLE),
		.capacity_kbps = kbps,
		.life_ms = LEASE_LIFE_MS,
		.start_within_ms = (uint32_t)c->start_within_ms,
		.weight_kbps = share < UINT32_MAX ? (uint32_t)share : UINT32_MAX,
	};
	return places_new(&b);
}

static struct bytes elsewhere(void *ctx, struct http_exchange *x, const struct token *t)
{
	struct node *n = OBJ_CAST(struct node, NODE_MAGIC, ctx);
	struct place p;
	bool found =
	    place_decide_elsewhere(&n->api, viewers_lookup_of(x), t, &n->identity.self, http_arena(x), &p) == OK;
	return found && p.decision.outcome != ASSIGN_REFUSED ? p.nodes[p.decision.node].url : BYTES_NONE;
}

static bool pathways(
    void *ctx, struct http_exchange *x, const struct delivery_session *s, struct delivery_pathways *out)
{
	return pathways_of_session(
	    &OBJ_CAST(struct node, NODE_MAGIC, ctx)->api, viewers_lookup_of(x), http_arena(x), s, out);
}

static bool moved(void *ctx, const struct node_id *former, const struct rpc_session_id *id)
{
	struct node *n = OBJ_CAST(struct node, NODE_MAGIC, ctx);
	return control_tell_node(n->control, former, id, true);
}

static enum err start_fills(struct node *n)
{
	n->purged = purged_new(KVS_PURGE_KEPT_MS);
	struct peers_config p = {
		.store = n->store,
		.views = &n->views,
		.view_reader = n->workers + 1,
		.keys = &n->secrets->token_keys,
		.self = &n->identity.self,
		.cluster = n->config->cluster,
		.purged = n->purged,
		.now_wall_ms = now_wall_ms,
	};
	enum err e = peers_new(&p, &n->peers);
	if (e != OK)
		return e;
	struct fills_config f = {
		.cache = n->cache, .config = n->config, .now_wall_ms = now_wall_ms, .peers = n->peers
	};
	return fills_new(&f, &n->fills);
}

static enum err start_delivery(struct node *n)
{
	if ((n->config->roles & RPC_ROLE_DELIVERY) == 0)
		return OK;
	enum err e = open_cache(n->config, n->boot_id, &n->cache);
	if (e != OK)
		return e;
	e = start_fills(n);
	if (e != OK)
		return e;
	n->places = places_of(n);
	struct session_gate gate = places_gate(n->places);
	n->sessions = sessions_new(&gate, (uint32_t)n->config->idle_timeout_ms);
	struct delivery_config d = {
		.config = n->config,
		.cache = n->cache,
		.fills = n->fills,
		.keys = &n->secrets->token_keys,
		.purged = n->purged,
		.revoked = n->revoked,
		.sessions = n->sessions,
		.self = &n->identity.self,
		.elsewhere = elsewhere,
		.moved = moved,
		.pathways = pathways,
		.ctx = n,
		.now_wall_ms = now_wall_ms,
		.now_mono_ms = now_mono_ms,
	};
	n->delivery = delivery_new(&d);
	return OK;
}

/* -- the cluster -- */

/* What a former member still knows grows old, purges first of all: it may not go on serving. */
static void on_expelled(void *ctx)
{
	struct node *n = OBJ_CAST(struct node, NODE_MAGIC, ctx);
	if (n->draining_ready)
		node_leave(n);
}

/* What it holds and whom it serves is sound; only its name is taken. So it leaves in good order, and comes
 * back as another node. */
static void on_duplicate(void *ctx)
{
	struct node *n = OBJ_CAST(struct node, NODE_MAGIC, ctx);
	n->duplicate = true;
	node_leave(n);
}

static enum err start_control(struct node *n)
{
	uint64_t seed;
	random_bytes(&seed, sizeof(seed));
	struct control_config c = {
		.config = n->config,
		.loop = n->loop,
		.mailbox = &n->mailbox,
		.store = n->store,
		.identity = &n->identity,
		.views = &n->views,
		.tally = n->tally,
		.cache = n->cache,
		.sessions = n->sessions,
		.delivery = n->delivery,
		.places = n->places,
		.slots = n->slots,
		.seed = seed,
		.cluster_keys = &n->secrets->cluster_keys,
		.cert = n->secrets->cert,
		.random = random_bytes,
		.expelled = on_expelled,
		.on_duplicate = on_duplicate,
		.ctx = n,
	};
	enum err e = control_new(&c, &n->control);
	if (e != OK)
		LOG_EVENT(LOG_ERROR, "rpc", "listen-failed",
		    e == ERR_BUSY ? "listen.rpc is in use by another process" : "listen.rpc cannot be listened on",
		    LOG_STR("address", n->config->listen_rpc), LOG_STR("error", err_str(e)));
	return e;
}

static void start_revocations(struct node *n)
{
	struct revocations_config c = {
		.control = n->control,
		.set = n->revoked,
		.mailbox = &n->mailbox,
		.loop = n->loop,
		.self = n->identity.self,
		.own_max = n->config->revocations_max,
		.now_wall_ms = now_wall_ms,
	};
	n->revocations = revocations_start(&c);
}

/* -- viewers and operators -- */

static struct admission *new_admission(const struct node *n)
{
	struct admission_config c = {
		.config = n->config,
		.keys = n->secrets->api_keys,
		.now_mono_ms = now_mono_ms,
	};
	random_bytes(&c.secret, sizeof(c.secret));
	return admission_new(&c);
}

/* Also without the api role: a delivery node looks for who has room as an api node does (D1). */
static void init_api(struct node *n)
{
	bool is_api = (n->config->roles & RPC_ROLE_API) != 0;
	n->admission = is_api ? new_admission(n) : NULL;
	n->api.c = (struct api_config){
		.config = n->config,
		.keys = &n->secrets->token_keys,
		.self = &n->identity.self,
		.views = &n->views,
		.tally = n->tally,
		.slots = n->slots,
		.places_dry = control_places_dry,
		.dry_ctx = n->control,
		.admission = n->admission,
		.tell_node = control_tell_node,
		.tell_ctx = n->control,
		.revoked = n->revoked,
		.revoke = revocations_add,
		.revoke_ctx = n->revocations,
		.now_wall_ms = now_wall_ms,
		.now_mono_ms = now_mono_ms,
	};
	n->api.recall = is_api ? recall_new(n->workers) : NULL;
}

static enum err start_viewers(struct node *n)
{
	struct listeners *l = n->listeners;
	enum err e = listeners_open(l, n->config, n->workers);
	if (e != OK)
		return e;
	init_api(n);
	struct viewers_config v = {
		.listeners = l->fds,
		.listeners_n = l->n,
		.listeners_stay = l->stay,
		.workers = n->workers,
		.store = n->store,
		.api = (n->config->roles & RPC_ROLE_API) != 0 ? &n->api : NULL,
		.delivery = n->delivery,
		.egress_bytes_per_s = (uint64_t)n->config->capacity_mbps * (KBIT_OF_MBIT * 1000 / 8),
	};
	e = viewers_start(&v, &n->viewers);
	if (e == ERR_INVALID)
		LOG_EVENT(LOG_ERROR, "http", "inherit-failed", "what was passed on is no listening socket", LOG_END);
	for (size_t i = 0; e != OK && !l->stay && i < l->n; i++)
		(void)close(l->fds[i]);
	return e;
}

/* On control's loop, as all of the operators' HTTP. */
static bool leased(void *ctx, const struct node_id *node, uint64_t *places)
{
	struct node *n = OBJ_CAST(struct node, NODE_MAGIC, ctx);
	if (n->slots == NULL)
		return false;
	*places = lease_slots_left(n->slots, tally_slot(n->tally, node), now_mono_ms());
	return true;
}

static enum err start_admin(struct node *n)
{
	int fd;
	const char *bad = "";
	const char *const address = n->config->listen_admin;
	enum err e = http_listen(&address, 1, 1, &fd, &bad);
	if (e != OK)
		return listen_failed("listen.admin", bad, e);
	n->orders = orders_new(n->control, &n->identity.self, n->loop, ORDERS_RECORDED_WITHIN_MS);
	n->warm_orders = warm_orders_new(n->control, n->loop, random_bytes);
	n->watched = watched_asks_new(n->control, n->loop);
	if (n->sessions != NULL)
		n->copying = copying_start(&(struct copying_config){
		    n->control, n->loop, &n->api, n->reader, n->workers, n->sessions, n->warm_orders });
	n->probe = probe_new(n->control, &n->identity.self, n->loop, PROBE_STORED_WITHIN_MS);
	n->admin = (struct admin){
		.config = n->config,
		.control = n->control,
		.self = &n->identity.self,
		.reader = n->reader,
		.view_reader = n->workers,
		.viewers = viewers_server(n->viewers),
		.api = (n->config->roles & RPC_ROLE_API) != 0 ? &n->api : NULL,
		.cache = n->cache,
		.fills = n->fills,
		.sessions = n->sessions,
		.delivery = n->delivery,
		.places = n->places,
		.leased = leased,
		.leased_ctx = n,
		.probe = n->probe,
		.orders = n->orders,
		.warm_orders = n->warm_orders,
		.watched = n->watched,
		.warmer = warming_warmer(n->warming),
		.measurer = warming_measurer(n->warming),
		.prefetcher = warming_prefetcher(n->warming),
		.started_mono_ms = now_mono_ms(),
		.now_mono_ms = now_mono_ms,
		.now_wall_ms = now_wall_ms,
	};
	struct http_server_config s = {
		.listeners = &fd,
		.listeners_n = 1,
		.workers = 1,
		.limits = &http_limits_default,
		.handler = admin_handle,
		.ctx = &n->admin,
	};
	e = http_server_on_loop(&s, n->loop, &n->admin_server);
	if (e != OK)
		(void)close(fd);
	return e;
}

/* -- life -- */

static unsigned worker_count(const struct config *c)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	if (c->workers > 0)
		return c->workers;
	return cores > 0 && cores <= 256 ? (unsigned)cores : 1;
}

static void warn_no_effect(const char *setting)
{
	LOG_EVENT(LOG_WARN, "config", "no-effect", "this setting is read, and has no effect in this version",
	    LOG_STR("setting", setting));
}

/* What is done to the cache by order. */
static enum err start_upkeep(struct node *n)
{
	struct warming_config w = {
		.control = n->control,
		.mailbox = &n->mailbox,
		.loop = n->loop,
		.warmer = { .fills = n->fills,
		    .cache = n->cache,
		    .config = n->config,
		    .now_wall_ms = now_wall_ms,
		    .now_mono_ms = now_mono_ms },
		.delivery = n->delivery,
	};
	enum err e = warming_start(&w, &n->warming);
	if (e != OK)
		return e;
	struct purger_config p = { n->control, n->cache, n->fills, n->purged, &n->mailbox, n->loop,
		warming_warmer(n->warming) };
	return purger_start(&p, &n->purger);
}

static enum err start_all(struct node *n)
{
	if (n->config->access_file[0] != '\0')
		warn_no_effect("log.access_file");
	if (fs_boot_id(n->boot_id) != OK)
		n->boot_id[0] = '\0'; /* every start then counts as one after a host crash: slower, never wrong */
	n->workers = worker_count(n->config);
	enum err e = open_replica(n->config, n->boot_id, random_bytes, &n->store, &n->identity);
	if (e == OK)
		e = kvs_reader_open(n->store, &n->reader);
	if (e != OK)
		return e;
	n->tally = tally_new();
	if ((n->config->roles & RPC_ROLE_API) != 0)
		n->slots = lease_slots_new();
	view_publisher_init(&n->views, n->workers + 2); /* the last ones read for operators and for fills */
	n->views_made = true;
	n->revoked = revoked_new();
	e = start_delivery(n);
	if (e == OK)
		e = start_control(n);
	if (e == OK)
		start_revocations(n);
	if (e == OK && n->cache != NULL)
		e = start_upkeep(n);
	if (e == OK)
		e = start_viewers(n);
	if (e == OK)
		e = start_admin(n);
	return e;
}

struct node *node_start(const struct config *c, const struct node_secrets *secrets,
    struct listeners *listeners, struct ev_loop *loop, int *exit_status)
{
	uint64_t began_ms = now_mono_ms();
	struct node *n = OBJ_NEW(struct node, NODE_MAGIC);
	n->config = c;
	n->secrets = secrets;
	n->listeners = listeners;
	n->loop = loop;
	mailbox_init(&n->mailbox, loop);
	enum err e = start_all(n);
	if (e != OK) {
		*exit_status = exit_of(e);
		(void)node_stop(n);
		return NULL;
	}
	drain_init(&n->drain, n->control, viewers_server(n->viewers), loop);
	n->draining_ready = true;
	LOG_EVENT(LOG_INFO, "node", "started", "this node serves", LOG_STR("cluster", c->cluster),
	    LOG_STR("version", warmcast_version), LOG_U64("workers", n->workers),
	    LOG_U64("incarnation", n->identity.incarnation.count), LOG_U64("start_ms", now_mono_ms() - began_ms));
	join_begin(&n->join, n->control, &n->identity.self, c->node, loop);
	(void)sd_notify(0, "READY=1");
	return n;
}

void node_leave(struct node *n)
{
	(void)sd_notify(0, "STOPPING=1");
	join_end(&n->join);
	drain_begin(&n->drain);
}

void node_hand_over(struct node *n)
{
	n->listeners->stay = true;
	http_server_keep_listeners(viewers_server(n->viewers));
	join_end(&n->join);
	drain_begin(&n->drain);
}

bool node_was_expelled(const struct node *n)
{
	return control_state(n->control) == NODE_EXPELLED;
}

void node_set_cluster_keys(struct node *n, const struct cluster_keys *keys)
{
	nng_links_set_keys(control_links(n->control), keys);
}

void node_set_api_keys(struct node *n, const struct api_keys *keys)
{
	if (n->admission != NULL)
		admission_set_keys(n->admission, keys);
}

void node_set_cert(struct node *n, struct nng_cert *cert)
{
	nng_links_set_cert(control_links(n->control), cert);
}

static bool give_up_identity(struct node *n)
{
	enum err e = kvs_store_retire(n->store);
	if (e == OK)
		LOG_EVENT(LOG_WARN, "node", "new-identity",
		    "another process has this node's id: it is kept as self.duplicate-N, and the node starts anew",
		    LOG_STR("data_dir", n->config->data_dir));
	else
		LOG_EVENT(LOG_ERROR, "node", "identity-stays",
		    "this node's id is another's, and cannot be given up: empty data_dir and start it again",
		    LOG_STR("data_dir", n->config->data_dir), LOG_STR("error", err_str(e)));
	return e == OK;
}

/* In reverse; each part tolerates that it never started. */
bool node_stop(struct node *n)
{
	join_end(&n->join);
	if (n->draining_ready)
		drain_fini(&n->drain);
	http_server_stop(n->admin_server);
	viewers_stop(n->viewers);
	listeners_after_node(n->listeners);
	recall_free(n->api.recall);
	admission_free(n->admission);
	revocations_stop(n->revocations);
	purger_stop(n->purger);
	warming_stop(n->warming);
	fills_free(n->fills);
	peers_free(n->peers);
	probe_free(n->probe);
	copying_stop(n->copying);
	watched_asks_free(n->watched);
	orders_free(n->orders);
	warm_orders_free(n->warm_orders);
	control_free(n->control);
	delivery_free(n->delivery);
	purged_free(n->purged);
	revoked_free(n->revoked);
	sessions_free(n->sessions);
	places_free(n->places);
	lease_slots_free(n->slots);
	cache_close(n->cache);
	kvs_reader_close(n->reader);
	bool again = n->duplicate && give_up_identity(n);
	if (!n->duplicate)
		kvs_store_close(n->store);
	if (n->views_made)
		view_publisher_fini(&n->views);
	tally_free(n->tally);
	mailbox_fini(&n->mailbox);
	OBJ_FREE(n);
	return again;
}
