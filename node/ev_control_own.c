/* What a node says by itself: its load, where its cache's contents are, and what its api workers have to
 * tell other nodes of their sessions.
 */
#include "node/cache/cache.h"
#include "node/delivery/delivery.h"
#include "node/delivery/places.h"
#include "node/ev_control_events.h"
#include "node/ev_control_state.h"

enum {
	SECOND_MS = 1000,
	NEWS_INTERVAL_MS = 500,   /* a content's location is told at most that often */
	BACKLOG_INTERVAL_MS = 20, /* while more waits than one poll takes: a full cache is told within seconds */
};

/* -- load -- */

static void put_own(
    struct control *c, enum kvs_input_kind kind, enum rpc_stream stream, struct bytes key, struct bytes value)
{
	struct kvs_input in = { .kind = kind };
	in.put.stream = stream;
	in.put.key = key;
	in.put.value = value;
	control_step(c, &in);
}

void control_put(struct control *c, struct bytes key, struct bytes value)
{
	put_own(c, KVS_IN_PUT, RPC_LOCATIONS, key, value);
}

void control_delete(struct control *c, struct bytes key)
{
	put_own(c, KVS_IN_DELETE, RPC_LOCATIONS, key, BYTES_NONE);
}

/* How many of what is counted came since the last look. */
static uint64_t since(uint64_t *last, uint64_t now)
{
	uint64_t d = now - *last;
	*last = now;
	return d;
}

/* What its sessions are reckoned to take; all of the capacity when there is no room for one more like them.
 */
static uint32_t reckoned_mbps(const struct lease_book_view *book)
{
	uint64_t kbps = book->active_kbps;
	if (book->capacity_kbps == 0)
		return 0;
	if (kbps < book->capacity_kbps && book->capacity_kbps - kbps < book->weight_kbps)
		kbps = book->capacity_kbps;
	kbps /= 1000;
	return kbps < UINT32_MAX ? (uint32_t)kbps : UINT32_MAX;
}

void control_tell_load(struct control *c)
{
	control_sessions_expire(c->c.sessions, control_now_ms());
	struct delivery_counters d;
	struct cache_counters held;
	delivery_count(c->c.delivery, &d);
	cache_count(c->c.cache, &held);
	uint64_t requests = since(&c->last_requests, d.requests), hits = since(&c->last_hits, d.hits);
	uint64_t egress_bytes = since(&c->last_bytes, d.bytes);
	places_tick(c->c.places, control_now_ms(), egress_bytes * 8 / 1000);
	/* While it drains everything is told at once, and a place that was lent counts: who waits for the last
	 * viewer to go has to know of those still to come. */
	bool draining = c->state == NODE_DRAINING;
	struct lease_book_view book;
	places_look(c->c.places, &book);
	c->damping.capacity_sessions = draining ? 0 : c->c.config->capacity_sessions;
	/* What was fetched ahead is no sign of a warm cache (D9). */
	uint64_t ahead = since(&c->last_hits_ahead, d.hits_ahead);
	miss_ratio_add(&c->misses, requests, hits > ahead ? hits - ahead : 0);
	struct rpc_load load = {
		.sessions = book.active + (draining ? book.outstanding : 0),
		.egress_mbps = (uint32_t)(egress_bytes * 8 / 1000000),
		.hit_permille = requests == 0 ? c->last_load.hit_permille : (uint32_t)(hits * 1000 / requests),
		.cached_bytes = held.bytes,
		.miss_permille = miss_ratio_permille(&c->misses),
		.evict_age_s = held.evict_age_s,
		.reckoned_mbps = reckoned_mbps(&book),
		.copies_left = draining ? c->copies_left : 0,
		.copies_failed = draining ? c->copies_failed : 0,
	};
	c->last_load = load;
	if (!load_damping_tells(&c->damping, &load, kvs_members_n(c->kvs), control_now_ms()))
		return;
	struct buf value;
	buf_init(&value, RPC_VALUE_MAX);
	CHECK(rpc_encode_load(&load, &value) == OK);
	put_own(c, KVS_IN_PUT, RPC_LOAD, RPC_KEY_LOAD, buf_bytes(&value));
	buf_fini(&value);
}

/* -- locations -- */

static void put_location(void *arg, struct bytes key, struct bytes value, bool deleted)
{
	put_own(arg, deleted ? KVS_IN_DELETE : KVS_IN_PUT, RPC_LOCATIONS, key, value);
}

static void on_news_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)revents;
	struct control *c = OBJ_CAST(struct control, CONTROL_MAGIC, w->data);
	bool more = store_full(c->store) || locations_poll(&c->locations, c->c.cache, put_location, c);
	w->repeat = (more ? BACKLOG_INTERVAL_MS : NEWS_INTERVAL_MS) / 1000.0;
	if (more)
		ev_timer_again(loop, w);
	else
		ev_timer_stop(loop, w);
}

static void on_cache_news(struct letter *l)
{
	struct control *c = CONTAINER_OF(l, struct control, cache_letter);
	if (!ev_is_active(&c->news_timer))
		ev_timer_again(c->c.loop, &c->news_timer);
}

/* Any thread. */
static void wake_for_cache(void *arg)
{
	struct control *c = arg;
	mailbox_post(c->c.mailbox, &c->cache_letter);
}

/* -- session news -- */

void control_take_session_news(struct control *c, const struct rpc_session_news *n)
{
	if (c->c.sessions == NULL)
		return;
	uint64_t now = control_now_ms();
	for (size_t i = 0; i < n->ended_n; i++)
		control_session_ended(c->c.sessions, &n->ended[i], now);
	for (size_t i = 0; i < n->alive_n; i++)
		(void)sessions_alive(c->c.sessions, &n->alive[i], now);
}

static link_id link_to(const struct control *c, const struct node_id *node)
{
	for (size_t i = 0; i < c->peers_n; i++)
		if (node_id_eq(&c->peers[i].node, node))
			return c->peers[i].link;
	return 0;
}

/* One node's items, ends before heartbeats, as one message or done at once when it is this node. */
static void tell_one(struct control *c, const struct session_news_item *items, size_t n)
{
	static struct rpc_session_id ids[RPC_SESSIONS_MAX]; /* control's thread only */
	for (size_t at = 0; at < n;) {
		size_t count = n - at < RPC_SESSIONS_MAX ? n - at : RPC_SESSIONS_MAX, ended = 0;
		for (size_t i = 0; i < count; i++) {
			ids[i] = items[at + i].id;
			ended += items[at + i].ended;
		}
		struct rpc_msg m = { .kind = RPC_SESSION_NEWS };
		m.session_news = (struct rpc_session_news){
			.ended = ids, .ended_n = ended, .alive = ids + ended, .alive_n = count - ended
		};
		if (node_id_eq(&items->node, &c->c.identity->self))
			control_take_session_news(c, &m.session_news);
		else
			control_send(c, link_to(c, &items->node), &m); /* 0, no link: lost */
		at += count;
	}
}

static void tell_sessions(struct control *c)
{
	const struct session_news_item *items;
	size_t n = session_news_take(&c->news, &items);
	for (size_t from = 0; from < n;) {
		size_t to = from + 1;
		while (to < n && node_id_eq(&items[to].node, &items[from].node))
			to++;
		tell_one(c, items + from, to - from);
		from = to;
	}
}

bool control_tell_node(void *control, const struct node_id *node, const struct rpc_session_id *id, bool ended)
{
	struct control *c = OBJ_CAST(struct control, CONTROL_MAGIC, control);
	return session_news_add(&c->news, node, id, ended);
}

static void on_second(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	struct control *c = OBJ_CAST(struct control, CONTROL_MAGIC, w->data);
	if (c->c.sessions != NULL)
		control_tell_load(c);
	tell_sessions(c);
	struct kvs_input clock = { .kind = KVS_IN_CLOCK, .wall_ms = control_now_wall_ms() };
	control_step(c, &clock);
}

void control_tell_applied(struct control *c, const struct rpc_applied *applied)
{
	struct buf value;
	buf_init(&value, RPC_VALUE_MAX);
	CHECK(rpc_encode_applied(applied, &value) == OK);
	put_own(c, KVS_IN_PUT, RPC_LOAD, RPC_KEY_APPLIED, buf_bytes(&value));
	buf_fini(&value);
}

void control_own_start(struct control *c)
{
	ev_timer_init(&c->second, on_second, SECOND_MS / 1000.0, SECOND_MS / 1000.0);
	c->second.data = c;
	ev_timer_start(c->c.loop, &c->second);
	ev_timer_init(&c->news_timer, on_news_timer, 0.0, NEWS_INTERVAL_MS / 1000.0);
	c->news_timer.data = c;
	c->cache_letter.deliver = on_cache_news;
	c->damping.capacity_sessions = c->c.config->capacity_sessions;
	c->damping.capacity_mbps = c->c.config->capacity_mbps;
	locations_init(&c->locations, c->kvs, &c->c.identity->self);
	if (c->c.cache != NULL) {
		cache_on_news(c->c.cache, wake_for_cache, c);
		on_cache_news(&c->cache_letter);
	}
}

void control_own_stop(struct control *c)
{
	if (c->c.cache != NULL)
		cache_on_news(c->c.cache, NULL, NULL);
	mailbox_withdraw(c->c.mailbox, &c->cache_letter);
	ev_timer_stop(c->c.loop, &c->second);
	ev_timer_stop(c->c.loop, &c->news_timer);
	locations_fini(&c->locations);
}
