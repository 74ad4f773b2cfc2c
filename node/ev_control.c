#include "node/ev_control.h"

#include "base/timers.h"
#include "base/version.h"
#include "node/control_view.h"
#include "node/delivery/places.h"
#include "node/ev_control_events.h"
#include "node/ev_control_state.h"
#include "node/fs_log.h"
#include "node/member_of.h"

#include <string.h>
#include <time.h>

/* Memory of one step: a bound against a bug; a step uses some hundred KiB. */
enum {
	STEP_ARENA_BYTES = 64 * 1024 * 1024,
	READER_STAYS_MS = 10000, /* a lookup takes microseconds, a tool's look around some seconds */
};

uint64_t control_now_ms(void)
{
	struct timespec t;
	CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

uint64_t control_now_wall_ms(void)
{
	struct timespec t;
	CHECK(clock_gettime(CLOCK_REALTIME, &t) == 0);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* -- what the core says -- */

void control_send(struct control *c, link_id link, struct rpc_msg *m)
{
	enum err e = nng_links_send(c->links, link, m);
	CHECK(e == OK || e == ERR_FULL || e == ERR_NOT_FOUND || e == ERR_NO_MEMORY);
}

static void send_all(struct control *c)
{
	for (size_t i = 0; i < c->out.sends_n; i++)
		control_send(c, c->out.sends[i].link, c->out.sends[i].m);
}

static void dial_all(struct control *c)
{
	for (size_t i = 0; i < c->out.dials_n; i++) {
		const struct kvs_dial *d = &c->out.dials[i];
		if (!d->wanted)
			nng_links_undial(c->links, d->address);
		else if (nng_links_dial(c->links, d->address) != OK)
			LOG_EVENT(LOG_WARN, "rpc", "bad-address", "this is no address that can be dialled",
			    LOG_STR("address", d->address));
	}
}

static void publish_view(struct control *c)
{
	struct cluster_view *v = control_view_new(c->kvs, c->c.tally, &c->c.identity->self, control_now_ms());
	control_leases_members(c, v);
	view_publish(c->c.views, v);
}

static void set_hello(struct control *c);

/* Durable first (R5): the store gets the batch before any frame leaves. The core itself holds back what is
 * not STORED yet. */
static void apply_outputs(struct control *c)
{
	if (c->out.ops_n > 0)
		store_submit(c->store, &c->out);
	if (c->out.incarnation_changed)
		set_hello(c);
	send_all(c);
	dial_all(c);
	control_log_events(c);
	for (size_t i = 0; i < c->out.events_n; i++)
		c->duplicate = c->duplicate || c->out.events[i].kind == KVS_EVENT_DUPLICATE_ID;
	for (size_t i = 0; c->watcher.applied != NULL && i < c->out.watched_n; i++)
		c->watcher.applied(c->watcher.ctx, &c->out.watched[i]);
	for (size_t i = 0; c->out.commands_changed && i < CONTROL_LISTENERS_MAX; i++)
		if (c->listeners[i].changed != NULL)
			c->listeners[i].changed(c->listeners[i].ctx);
	if (c->out.members_changed)
		publish_view(c);
}

static void rearm_wake(struct control *c)
{
	uint64_t at = kvs_wake_at(c->kvs), now = control_now_ms();
	ev_timer_stop(c->c.loop, &c->wake);
	if (at == TIMER_NEVER)
		return;
	ev_now_update(c->c.loop);
	ev_timer_set(&c->wake, at > now ? (double)(at - now) / 1000.0 : 0.0, 0.0);
	ev_timer_start(c->c.loop, &c->wake);
}

/* Who was expelled hears why; of others, nobody need think anything. */
static void close_link(struct control *c, link_id link)
{
	for (size_t i = 0; i < c->peers_n; i++) {
		struct kvs_member m;
		if (c->peers[i].link == link && member_of(c->kvs, &c->peers[i].node, &m) && m.expelled) {
			static struct log_limit said; /* it may try as often as it likes */
			if (log_allowed(&said, LOG_WARN, "rpc", "peer-closed"))
				LOG_EVENT(LOG_WARN, "rpc", "peer-closed", "a node that was expelled is not let in",
				    LOG_STR("peer", c->peers[i].name));
			nng_links_refuse(c->links, link, RPC_REFUSED_EXPELLED);
			return;
		}
	}
	nng_links_close(c->links, link);
}

static void look_at_expulsion(struct control *c)
{
	if (c->expelled || c->closing || !kvs_expelled(c->kvs))
		return;
	c->expelled = true;
	c->state = NODE_EXPELLED;
	LOG_EVENT(LOG_ERROR, "node", "expelled",
	    "an operator expelled this node: it leaves. To come back it has to be another: empty its data_dir, "
	    "and "
	    "start it",
	    LOG_STR("data_dir", c->c.config->data_dir));
	if (c->c.expelled != NULL)
		c->c.expelled(c->c.ctx);
}

void control_step(struct control *c, const struct kvs_input *in)
{
	CHECK(!c->stepping);
	c->stepping = true;
	bool was_unique = !c->duplicate;
	arena_reset(&c->step_arena);
	memset(&c->out, 0, sizeof(c->out));
	c->out.arena = &c->step_arena;
	uint64_t now = control_now_ms();
	control_log_stall(kvs_wake_at(c->kvs), now);
	kvs_step(c->kvs, now, in, &c->out);
	apply_outputs(c);
	uint64_t closes[KVS_CLOSES_MAX];
	size_t closes_n = c->out.closes_n;
	for (size_t i = 0; i < closes_n; i++)
		closes[i] = c->out.closes[i];
	c->stepping = false;
	/* Each of them is an input at once. */
	for (size_t i = 0; i < closes_n; i++)
		close_link(c, closes[i]);
	look_at_expulsion(c);
	control_set_state(c, c->wanted);
	rearm_wake(c);
	if (was_unique && c->duplicate)
		c->c.on_duplicate(c->c.ctx);
}

static void on_wake(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	control_step(w->data, &(struct kvs_input){ .kind = KVS_IN_TICK });
}

/* -- links -- */

static void on_link_up(void *ctx, link_id link, const struct rpc_hello *peer, uint32_t version, bool dialled)
{
	struct control *c = OBJ_CAST(struct control, CONTROL_MAGIC, ctx);
	CHECK(c->peers_n < RPC_LINKS_MAX);
	struct peer_link *p = &c->peers[c->peers_n++];
	*p = (struct peer_link){
		.link = link,
		.node = peer->node,
		.incarnation = peer->incarnation,
		.features = peer->features,
		.slot = tally_slot(c->c.tally, &peer->node),
		.book = peer->incarnation.count,
	};
	memcpy(p->name, peer->name.p, peer->name.n); /* the codec's limit is RPC_NAME_MAX */
	LOG_EVENT(LOG_DEBUG, "rpc", "link-up", "a peer is linked", LOG_BYTES("peer", peer->name),
	    LOG_U64("version", version), LOG_BOOL("dialled", dialled));
	struct kvs_input in = { .kind = KVS_IN_LINK_UP };
	in.link_up.link = link;
	in.link_up.node = peer->node;
	in.link_up.incarnation = peer->incarnation;
	in.link_up.address = peer->rpc_address;
	in.link_up.version = version;
	in.link_up.features = peer->features;
	in.link_up.dialled = dialled;
	control_leases_link_up(c, p);
	control_step(c, &in);
}

static void on_link_down(void *ctx, link_id link, bool bye)
{
	struct control *c = OBJ_CAST(struct control, CONTROL_MAGIC, ctx);
	if (c->closing)
		return;
	struct kvs_input in = { .kind = KVS_IN_LINK_DOWN };
	in.link_down.link = link;
	in.link_down.bye = bye;
	control_step(c, &in); /* what it logs of that node needs its name still */
	for (size_t i = 0; i < c->peers_n; i++) {
		if (c->peers[i].link == link) {
			struct peer_link gone = c->peers[i];
			c->peers[i] = c->peers[--c->peers_n];
			control_leases_link_down(c, &gone);
			break;
		}
	}
}

static void on_message(void *ctx, link_id link, const struct rpc_msg *m)
{
	struct control *c = OBJ_CAST(struct control, CONTROL_MAGIC, ctx);
	if (m->kind == RPC_SESSION_NEWS) {
		control_take_session_news(c, &m->session_news);
		return;
	}
	if (control_leases_hear(c, link, m) || control_warm_hear(c, link, m) || control_watched_hear(c, link, m))
		return;
	/* A store that cannot keep up takes no rows; the digest brings them again (R7). */
	if (m->kind == RPC_ROW_FRAME && store_full(c->store))
		return;
	struct kvs_input in = { .kind = KVS_IN_MESSAGE };
	in.message.link = link;
	in.message.m = m;
	in.message.room = nng_links_room(c->links, link);
	control_step(c, &in);
}

static void on_refused(void *ctx, const char *address, enum rpc_refusal reason, const struct rpc_hello *peer,
    bool by_peer, const char *text)
{
	struct control *c = OBJ_CAST(struct control, CONTROL_MAGIC, ctx);
	LOG_EVENT(LOG_WARN, "rpc", "peer-refused",
	    by_peer ? "the peer did not let this node in" : "a peer was not let in", LOG_STR("address", address),
	    LOG_STR("reason", rpc_refusal_str(reason)), LOG_STR("detail", text),
	    LOG_BYTES("peer", peer != NULL ? peer->name : BYTES_NONE),
	    LOG_BYTES("peer_cluster", peer != NULL ? peer->cluster : BYTES_NONE));
	if (!by_peer || reason != RPC_REFUSED_EXPELLED || peer == NULL || c->stepping || c->closing)
		return;
	/* Believed over a link that is up only: that peer has proven itself. */
	for (size_t i = 0; i < c->peers_n; i++) {
		if (node_id_eq(&c->peers[i].node, &peer->node)) {
			struct kvs_input in = { .kind = KVS_IN_EXPELLED, .expelled.by = peer->node };
			control_step(c, &in);
			return;
		}
	}
}

static void on_dial_failed(void *ctx, const char *address, enum err e)
{
	struct control *c = OBJ_CAST(struct control, CONTROL_MAGIC, ctx);
	LOG_EVENT(LOG_DEBUG, "rpc", "dial-failed", "no link to that address; it is tried again",
	    LOG_STR("address", address), LOG_STR("error", err_str(e)));
	if (e != ERR_REFUSED || c->closing || c->stepping)
		return; /* within a step it is tried again anyway */
	struct kvs_input in = { .kind = KVS_IN_DIAL_FAILED };
	in.dial_failed.address = address;
	control_step(c, &in);
}

/* -- the store -- */

static void on_stored(void *ctx, uint64_t seq)
{
	struct control *c = OBJ_CAST(struct control, CONTROL_MAGIC, ctx);
	if (c->mute)
		LOG_EVENT(LOG_INFO, "kvs", "store-recovered", "the replica can be written again", LOG_END);
	c->mute = false;
	if (c->c.places != NULL)
		places_set_lending(c->c.places, true);
	struct kvs_input in = { .kind = KVS_IN_STORED, .stored_seq = seq };
	control_step(c, &in);
	if (c->watcher.stored != NULL)
		c->watcher.stored(c->watcher.ctx);
}

static void on_store_failed(void *ctx, enum err e)
{
	struct control *c = OBJ_CAST(struct control, CONTROL_MAGIC, ctx);
	char why[KVS_STORE_DETAIL_BYTES];
	store_why(c->store, why);
	LOG_EVENT(LOG_ERROR, "kvs", "store-failed",
	    "the replica cannot be written: this node tells nothing new until it can; serving goes on",
	    LOG_STR("data_dir", c->c.config->data_dir), LOG_STR("error", err_str(e)), LOG_STR("detail", why));
	c->mute = true;
	if (c->c.places != NULL)
		places_set_lending(c->c.places, false);
	control_step(c, &(struct kvs_input){ .kind = KVS_IN_STORE_FAILED });
}

static void on_reader_stays(void *ctx, uint64_t age_ms, uint64_t commits)
{
	struct control *c = OBJ_CAST(struct control, CONTROL_MAGIC, ctx);
	LOG_EVENT(LOG_WARN, "kvs", "reader-stays",
	    "a read transaction on the replica does not end: while it lasts the replica's file grows",
	    LOG_STR("data_dir", c->c.config->data_dir), LOG_U64("age_ms", age_ms), LOG_U64("commits", commits));
}

/* -- life -- */

/* `urls` are the register's, and have to stay. */
static struct rpc_register own_register(const struct config *c, struct bytes urls[RPC_URLS_MAX])
{
	struct rpc_register r = {
		.name = bytes_str(c->node),
		.zone = bytes_str(c->zone),
		.roles = c->roles,
		.state = NODE_JOINING,
		.rpc_address = bytes_str(c->advertise_rpc),
		.api_url = bytes_str(c->advertise_api),
		.build = bytes_str(warmcast_version),
		.version_min = RPC_VERSION_MIN,
		.version_max = RPC_VERSION_MAX,
		.capacity_sessions = (c->roles & RPC_ROLE_DELIVERY) != 0 ? c->capacity_sessions : 0,
		.capacity_mbps = (c->roles & RPC_ROLE_DELIVERY) != 0 ? c->capacity_mbps : 0,
	};
	r.http_urls = urls;
	for (size_t i = 0; i < c->advertise_http.n && i < RPC_URLS_MAX; i++)
		urls[r.http_urls_n++] = bytes_str(c->advertise_http.v[i]);
	return r;
}

static struct rpc_hello own_hello(const struct control *c)
{
	return (struct rpc_hello){
		.cluster = bytes_str(c->c.config->cluster),
		.node = c->c.identity->self,
		.name = bytes_str(c->c.config->node),
		.incarnation = kvs_incarnation(c->kvs),
		.version_min = RPC_VERSION_MIN,
		.version_max = RPC_VERSION_MAX,
		.features = RPC_FEATURE_BROADCAST | RPC_FEATURE_RANGES | RPC_FEATURE_NAMES | RPC_FEATURE_LEASES |
		            RPC_FEATURE_WARM | RPC_FEATURE_WATCHED,
		.build = bytes_str(warmcast_version),
		.rpc_address = bytes_str(c->c.config->advertise_rpc),
	};
}

static void set_hello(struct control *c)
{
	struct rpc_hello h = own_hello(c);
	nng_links_set_self(c->links, &h);
}

static enum err load_replica(struct control *c)
{
	struct bytes urls[RPC_URLS_MAX];
	struct kvs_config k = {
		.self = c->c.identity->self,
		.incarnation = c->c.identity->incarnation,
		.inherits = c->c.identity->inherits,
		.reg = own_register(c->c.config, urls),
		.seeds = c->c.config->seeds.v,
		.seeds_n = c->c.config->seeds.n,
		.seed = c->c.seed,
		.watched_class = RPC_PROBE_CLASS,
		.wall_ms = control_now_wall_ms(),
	};
	c->kvs = kvs_new(&k);
	return kvs_store_load(c->c.store, c->kvs);
}

static enum err listen_rpc(struct control *c)
{
	static const struct nng_links_events events = {
		.up = on_link_up,
		.down = on_link_down,
		.message = on_message,
		.refused = on_refused,
		.dial_failed = on_dial_failed,
	};
	struct nng_links_config l = {
		.loop = c->c.loop,
		.self = own_hello(c),
		.keys = c->c.cluster_keys,
		.cert = c->c.cert,
		.random = c->c.random,
		.listen = c->c.config->listen_rpc,
		.seed = c->c.seed,
		.events = &events,
		.ctx = c,
	};
	return nng_links_new(&l, &c->links);
}

enum err control_new(const struct control_config *config, struct control **out)
{
	static const struct store_events events = { on_stored, on_store_failed, on_reader_stays,
		READER_STAYS_MS };
	struct control *c = OBJ_NEW(struct control, CONTROL_MAGIC);
	c->c = *config;
	c->state = c->wanted = NODE_JOINING;
	arena_init(&c->step_arena, STEP_ARENA_BYTES);
	session_news_init(&c->news);
	enum err e = load_replica(c);
	if (e == OK)
		e = listen_rpc(c);
	if (e != OK) {
		kvs_free(c->kvs);
		session_news_fini(&c->news);
		arena_fini(&c->step_arena);
		OBJ_FREE(c);
		return e;
	}
	c->store = store_start(c->c.store, c->c.mailbox, &events, c);
	ev_timer_init(&c->wake, on_wake, 0.0, 0.0);
	c->wake.data = c;
	kvs_start(c->kvs, control_now_ms());
	trace_dump_on_panic(kvs_trace(c->kvs));
	control_own_start(c);
	control_leases_start(c);
	publish_view(c);
	rearm_wake(c);
	*out = c;
	return OK;
}

void control_free(struct control *c)
{
	if (c == NULL)
		return;
	OBJ_CHECK(c, CONTROL_MAGIC);
	control_own_stop(c);
	control_leases_stop(c);
	ev_timer_stop(c->c.loop, &c->wake);
	c->closing = true;
	nng_links_free(c->links);
	store_stop(c->store);
	trace_dump_on_panic(NULL);
	session_news_fini(&c->news);
	kvs_free(c->kvs);
	arena_fini(&c->step_arena);
	OBJ_FREE(c);
}

void control_set_state(struct control *c, enum node_state wanted)
{
	bool ordered = wanted == NODE_READY && kvs_drain_ordered(c->kvs, &c->c.identity->self);
	enum node_state state = ordered ? NODE_DRAINING : wanted;
	c->wanted = wanted;
	if (c->state == state || c->expelled || c->closing)
		return;
	c->state = state;
	LOG_EVENT(LOG_INFO, "node", "state",
	    ordered ? "an operator drains this node: no new viewer is sent here" : "this node's state changed",
	    LOG_STR("state", node_state_str(state)));
	if (c->c.places != NULL)
		places_set_draining(c->c.places, state == NODE_DRAINING || state == NODE_LEFT);
	if (c->c.sessions != NULL)
		sessions_set_draining(c->c.sessions, state == NODE_DRAINING);
	/* Who hears that it drains should know by then whether copies are made first. */
	if (ordered && c->c.sessions != NULL)
		control_tell_load(c);
	struct kvs_input in = { .kind = KVS_IN_STATE, .state = state };
	control_step(c, &in);
}

enum node_state control_state(const struct control *c)
{
	return c->state;
}

bool control_drain_ordered(const struct control *c)
{
	return c->wanted == NODE_READY && kvs_drain_ordered(c->kvs, &c->c.identity->self);
}

void control_set_copies(struct control *c, uint32_t left, uint32_t failed)
{
	c->copies_left = left;
	c->copies_failed = failed;
}

bool control_flushed(struct control *c)
{
	return store_idle(c->store);
}

bool control_mute(const struct control *c)
{
	return c->mute;
}

struct nng_links *control_links(struct control *c)
{
	return c->links;
}

void control_watch(struct control *c, const struct control_watcher *w)
{
	c->watcher = w != NULL ? *w : (struct control_watcher){ 0 };
}

enum err control_order(struct control *c, const struct rpc_command *what, struct rpc_command_id *id)
{
	enum err e = kvs_command_check(c->kvs, what->kind, what->subject);
	if (e != OK)
		return e;
	struct kvs_input in = { .kind = KVS_IN_COMMAND };
	c->c.random(in.command.id.b, sizeof(in.command.id.b));
	in.command.kind = what->kind;
	in.command.subject = what->subject;
	in.command.by = what->by;
	in.command.drained_ms = what->drained_ms;
	in.command.drained_by = what->drained_by;
	in.command.wall_ms = control_now_wall_ms();
	*id = in.command.id;
	control_step(c, &in);
	return OK;
}

void control_on_commands(struct control *c, void (*changed)(void *ctx), void *ctx)
{
	for (size_t i = 0; i < CONTROL_LISTENERS_MAX; i++) {
		bool is_free = changed != NULL && c->listeners[i].changed == NULL;
		bool mine = changed == NULL && c->listeners[i].changed != NULL && c->listeners[i].ctx == ctx;
		if (!is_free && !mine)
			continue;
		c->listeners[i].changed = changed;
		c->listeners[i].ctx = ctx;
		return;
	}
	CHECK(changed == NULL);
}

const struct kvs *control_kvs(const struct control *c)
{
	return c->kvs;
}

void control_count(const struct control *c, struct control_counters *out)
{
	kvs_count(c->kvs, &out->kvs);
	store_count(c->store, &out->store);
	nng_links_count(c->links, &out->links);
	out->news_dropped = session_news_dropped((struct session_news *)&c->news);
}
