#include "node/ev_copying.h"

#include "base/obj.h"
#include "node/admin/warm_choice.h"
#include "node/delivery/sessions.h"
#include "node/fs_log.h"
#include "node/warm/copies.h"

#include <ev.h>
#include <stdlib.h>

#define COPYING_MAGIC 0x636f7079u

enum {
	LOOK_EVERY_MS = 500,
	ARENA_MAX_BYTES =
	    64 << 20, /* the names of all that is watched; a look at one content takes little of it */
	TOLD_WITHIN_MS = 15 * 1000, /* what a node has fetched is in its location by then */
	FAILURES_LOGGED_MAX = 20,
	ORDERS_A_LOOK = 2 * COPIES_AT_ONCE,
};

struct copying {
	unsigned magic;
	struct copying_config c;
	struct copies *copies; /* NULL: nobody drains this node */
	struct arena names, arena;
	struct kvs_holder holders[PLACE_HOLDERS_MAX]; /* of the content that is looked at */
	size_t holders_n;
	ev_timer timer;
	uint32_t left, failures_logged;
};

/* -- who holds it -- */

static enum err read_holders(struct copying *g, const struct copy *c)
{
	arena_reset(&g->arena);
	return kvs_reader_holders(
	    g->c.reader, c->origin, c->content, &g->arena, g->holders, PLACE_HOLDERS_MAX, &g->holders_n);
}

static bool serves(const struct cluster_view *v, const struct node_id *id)
{
	const struct view_node *n = cluster_view_find(v, id);
	return n != NULL && n->state == NODE_READY && n->liveness == KVS_ALIVE;
}

/* Another node that is to stay holds enough of it. What this one holds nothing of is nobody's last copy. */
static bool is_held_elsewhere(struct copying *g)
{
	const struct rpc_location *own = NULL;
	bool held = false;
	for (size_t i = 0; i < g->holders_n; i++)
		if (node_id_eq(&g->holders[i].node, g->c.api->c.self))
			own = &g->holders[i].location;
	if (own == NULL)
		return true;
	const struct cluster_view *v = view_acquire(g->c.api->c.views, g->c.view_reader);
	for (size_t i = 0; i < g->holders_n && !held; i++)
		held = !node_id_eq(&g->holders[i].node, g->c.api->c.self) && serves(v, &g->holders[i].node) &&
		       copy_is_enough(own, &g->holders[i].location);
	view_release(g->c.api->c.views, g->c.view_reader);
	return held;
}

/* -- one copy -- */

static void log_failure(struct copying *g, const struct copy *c)
{
	if (c->state != COPY_FAILED || g->failures_logged++ >= FAILURES_LOGGED_MAX)
		return;
	LOG_EVENT(LOG_WARN, "node", "copy-failed",
	    "no copy of a content with viewers could be made: they are led away without",
	    LOG_BYTES("content", c->content), LOG_U64("viewers", c->viewers), LOG_STR("detail", c->why));
}

static void refused(struct copying *g, struct copy *c, const char *why, uint64_t now)
{
	warm_orders_forget(g->c.orders, &c->order);
	copy_refused(c, why, now);
	log_failure(g, c);
}

/* It was fetched as far as it can be. A whole one counts at once, another as soon as its node tells that it
 * holds enough. */
static void look_at_end(struct copying *g, struct copy *c, const struct warm_copy *told, uint64_t now)
{
	bool whole = told->failed == 0 && told->detail[0] == '\0';
	bool held = whole || (read_holders(g, c) == OK && is_held_elsewhere(g));
	copy_moves(c, UINT64_MAX, now); /* since then */
	if (!held && now - c->since_ms < TOLD_WITHIN_MS)
		return;
	copy_settle(c, held ? COPY_HELD : COPY_FAILED, told->detail, now);
	log_failure(g, c);
	warm_orders_forget(g->c.orders, &c->order);
}

static void look_at_order(struct copying *g, struct copy *c, uint64_t now)
{
	struct warm_copy told;
	if (!warm_orders_told(g->c.orders, &c->order, &told))
		refused(g, c, "the order was lost", now);
	else if (told.gone)
		refused(g, c, "the node that was to hold it is gone", now);
	else if (told.state == RPC_WARM_DONE)
		look_at_end(g, c, &told, now);
	else if (told.state == RPC_WARM_STOPPED || told.state == RPC_WARM_REFUSED)
		refused(g, c, told.detail, now);
	else if (copy_is_stuck(c, now))
		refused(g, c, "the node that was to hold it does not get on", now);
	else if (told.state == RPC_WARM_WAITING)
		copy_moves(c, c->progress + 1, now); /* other contents come first there */
	else
		copy_moves(c, told.bytes + told.objects, now);
}

static enum err choose(struct copying *g, const struct copy *c, struct node_id *out)
{
	struct place p;
	uint32_t chosen;
	struct place_wish wish = { .origin = c->origin, .content = c->content, .explain = true };
	enum err e = read_holders(g, c);
	if (e == OK)
		e = place_among_now(g->c.api, g->c.view_reader, g->holders, g->holders_n, &wish, &g->arena, &p);
	if (e != OK)
		return e;
	bool *able = arena_array(&g->arena, p.nodes_n, sizeof(*able));
	if (able == NULL)
		return ERR_NO_MEMORY;
	for (size_t i = 0; i < p.nodes_n; i++) {
		bool tried = c->tries > 0 && node_id_eq(&p.nodes[i].id, &c->node);
		able[i] = !tried && control_warm_able(g->c.control, &p.nodes[i].id) == OK;
	}
	if (warm_choose(&p, able, 1, &chosen) == 0)
		return ERR_NOT_FOUND;
	*out = p.nodes[chosen].id;
	return OK;
}

/* False: no more can be ordered now. */
static bool order(struct copying *g, struct copy *c, uint64_t now)
{
	struct node_id node;
	struct rpc_warm_id id;
	if (choose(g, c, &node) != OK) {
		copies_without_node(g->copies, now);
		log_failure(g, c);
		return false;
	}
	enum err e = warm_orders_give(g->c.orders, c->origin, c->content, &node, &id);
	if (e == ERR_FULL)
		return false;
	if (e != OK) {
		copy_settle(c, COPY_FAILED, err_str(e), now);
		log_failure(g, c);
		return true;
	}
	copies_with_node(g->copies);
	copy_ordered(c, &node, &id, now);
	return true;
}

/* -- all of them -- */

/* Of those that are needed the one with the most viewers. */
static struct copy *next_needed(struct copying *g)
{
	struct copy *best = NULL;
	for (size_t i = 0; i < copies_n(g->copies); i++) {
		struct copy *c = copies_at(g->copies, i);
		if (c->state == COPY_NEEDED && (best == NULL || c->viewers > best->viewers))
			best = c;
	}
	return best;
}

static void order_some(struct copying *g, uint64_t now)
{
	struct copy *c;
	for (unsigned n = 0; n < ORDERS_A_LOOK && copies_count(g->copies).ordered < COPIES_AT_ONCE; n++)
		if ((c = next_needed(g)) == NULL || !order(g, c, now))
			return;
}

/* What was fetched on order is not asked about again: its node may not have told yet how much that is. */
static bool may_change(const struct copy *c)
{
	return c->state == COPY_NEW || c->state == COPY_NEEDED || (c->state == COPY_HELD && c->tries == 0);
}

static void look_at(struct copying *g, struct copy *c, uint64_t now)
{
	if (c->state == COPY_ORDERED)
		look_at_order(g, c, now);
	else if (may_change(c) && read_holders(g, c) == OK)
		copy_settle(c, is_held_elsewhere(g) ? COPY_HELD : COPY_NEEDED, NULL, now);
}

static void tell(struct copying *g)
{
	struct copies_count n = copies_count(g->copies);
	if (g->left > 0 && n.left == 0)
		LOG_EVENT(n.failed > 0 ? LOG_WARN : LOG_INFO, "node", "copies-made",
		    "what viewers of this node watch is held elsewhere, as far as it could be",
		    LOG_U64("contents", copies_n(g->copies)), LOG_U64("failed", n.failed));
	g->left = n.left;
	control_set_copies(g->c.control, n.left, n.failed);
}

/* Reads only: may be called from inside of a step. */
static void scan(struct copying *g)
{
	struct watched *w;
	size_t n;
	uint64_t now = g->c.api->c.now_mono_ms();
	arena_reset(&g->names);
	if (sessions_watched(g->c.sessions, &g->names, &w, &n) == OK)
		copies_watch(g->copies, w, n, now);
	for (size_t i = 0; i < copies_n(g->copies); i++)
		look_at(g, copies_at(g->copies, i), now);
	(void)copies_give_up(g->copies, now);
	tell(g);
}

static void forget_all(struct copying *g)
{
	for (size_t i = 0; g->copies != NULL && i < copies_n(g->copies); i++)
		if (copies_at(g->copies, i)->state == COPY_ORDERED)
			warm_orders_forget(g->c.orders, &copies_at(g->copies, i)->order);
	copies_free(g->copies);
	g->copies = NULL;
	g->left = g->failures_logged = 0;
	control_set_copies(g->c.control, 0, 0);
}

/* Begins and ends with the operator's order. */
static void follow(struct copying *g)
{
	bool ordered = control_drain_ordered(g->c.control);
	if (ordered && g->copies == NULL) {
		g->copies = copies_new(g->c.api->c.now_mono_ms());
		scan(g);
		if (g->left > 0)
			LOG_EVENT(LOG_INFO, "node", "copies",
			    "viewers watch what no other node holds: copies are made first",
			    LOG_U64("contents", g->left));
	} else if (!ordered && g->copies != NULL) {
		forget_all(g);
	}
}

static void on_commands(void *ctx)
{
	follow(OBJ_CAST(struct copying, COPYING_MAGIC, ctx));
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	struct copying *g = OBJ_CAST(struct copying, COPYING_MAGIC, w->data);
	follow(g);
	if (g->copies == NULL)
		return;
	scan(g);
	order_some(g, g->c.api->c.now_mono_ms());
	tell(g);
}

struct copying *copying_start(const struct copying_config *c)
{
	struct copying *g = OBJ_NEW(struct copying, COPYING_MAGIC);
	g->c = *c;
	arena_init(&g->names, ARENA_MAX_BYTES);
	arena_init(&g->arena, ARENA_MAX_BYTES);
	control_on_commands(c->control, on_commands, g);
	ev_timer_init(&g->timer, on_timer, LOOK_EVERY_MS / 1000.0, LOOK_EVERY_MS / 1000.0);
	g->timer.data = g;
	ev_timer_start(c->loop, &g->timer);
	return g;
}

void copying_stop(struct copying *g)
{
	if (g == NULL)
		return;
	OBJ_CHECK(g, COPYING_MAGIC);
	ev_timer_stop(g->c.loop, &g->timer);
	control_on_commands(g->c.control, NULL, g);
	forget_all(g);
	arena_fini(&g->names);
	arena_fini(&g->arena);
	OBJ_FREE(g);
}
