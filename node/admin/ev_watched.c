#include "node/admin/ev_watched.h"

#include "base/obj.h"
#include "node/admin/admin.h"
#include "node/admin/fields.h"
#include "node/json_text.h"

#include <ev.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define ASKS_MAGIC 0x77617361u
#define WAIT_MAGIC 0x77617377u

enum { LOOK_EVERY_MS = 20, ASK_AGAIN_MS = 500 };

/* One node that is asked. */
struct asked {
	struct node_id node;
	enum err said; /* why it could not be asked; OK: it was */
	bool told;
	uint64_t more;
	size_t from, n; /* in the wait's list */
};

struct watched_entry {
	uint64_t content;
	uint32_t viewers;
};

/* A request whose nodes are being asked. */
struct wait {
	unsigned magic;
	struct watched_asks *asks;
	struct http_exchange *x;
	uint64_t request;
	unsigned rounds; /* of LOOK_EVERY_MS */
	ev_timer timer;
	struct asked *nodes;
	size_t nodes_n, told_n;
	struct watched_entry *list;
	size_t list_n, list_cap;
};

struct watched_asks {
	unsigned magic;
	struct control *control;
	struct ev_loop *loop;
	uint64_t request;
	struct wait *waiting[WATCHED_WAITING_MAX];
};

/* -- one request -- */

static void wait_end(struct wait *w)
{
	for (size_t i = 0; i < WATCHED_WAITING_MAX; i++)
		if (w->asks->waiting[i] == w)
			w->asks->waiting[i] = NULL;
	ev_timer_stop(w->asks->loop, &w->timer);
	free(w->nodes);
	free(w->list);
	OBJ_FREE(w);
}

static const char *why_not(const struct asked *n)
{
	if (n->said == ERR_NOT_FOUND)
		return "not linked";
	return n->said == ERR_VERSION ? "too old" : "silent";
}

static void put_node(const struct wait *w, const struct asked *n, struct buf *out)
{
	json_put_next(out);
	buf_put_u8(out, '{');
	field_str(out, "node", admin_name_of(control_kvs(w->asks->control), &n->node));
	field_id(out, "id", &n->node);
	field_bool(out, "told", n->told);
	field_str(out, "why", n->told ? BYTES_NONE : bytes_str(why_not(n)));
	field_u64(out, "more", n->more);
	json_put_key(out, "contents");
	buf_put_u8(out, '[');
	for (size_t i = 0; i < n->n; i++) {
		json_put_next(out);
		buf_printf(out, "\"%016" PRIx64 "\"", w->list[n->from + i].content);
	}
	buf_put_u8(out, ']');
	json_put_key(out, "viewers");
	buf_put_u8(out, '[');
	for (size_t i = 0; i < n->n; i++) {
		json_put_next(out);
		buf_printf(out, "%" PRIu32, w->list[n->from + i].viewers);
	}
	buf_put_str(out, "]}");
}

static void answer(struct wait *w)
{
	struct http_exchange *x = w->x;
	struct buf out;
	buf_init(&out, ADMIN_ANSWER_MAX);
	buf_put_str(&out, "{\"watched\":[");
	for (size_t i = 0; i < w->nodes_n; i++)
		put_node(w, &w->nodes[i], &out);
	buf_put_str(&out, "]}\n");
	http_on_gone(x, NULL, NULL);
	wait_end(w);
	admin_answer_json(x, &out);
	buf_fini(&out);
}

static bool take(struct wait *w, struct asked *n, const struct rpc_watched_told *told)
{
	if (w->list_n + told->n > WATCHED_ALL_MAX)
		return false;
	while (w->list_n + told->n > w->list_cap) {
		w->list_cap = w->list_cap == 0 ? 1024 : w->list_cap * 2;
		w->list = reallocarray(w->list, w->list_cap, sizeof(*w->list));
		CHECK(w->list != NULL);
	}
	n->from = w->list_n;
	n->n = told->n;
	for (size_t i = 0; i < told->n; i++)
		w->list[w->list_n++] = (struct watched_entry){ told->contents[i], told->viewers[i] };
	n->more = told->more;
	n->told = true;
	w->told_n++;
	return true;
}

static void on_told(void *ctx, const struct node_id *from, const struct rpc_watched_told *told)
{
	struct watched_asks *all = OBJ_CAST(struct watched_asks, ASKS_MAGIC, ctx);
	for (size_t i = 0; i < WATCHED_WAITING_MAX; i++) {
		struct wait *w = all->waiting[i];
		for (size_t k = 0; w != NULL && w->request == told->request && k < w->nodes_n; k++)
			if (node_id_eq(&w->nodes[k].node, from) && !w->nodes[k].told)
				(void)take(w, &w->nodes[k], told);
	}
}

/* Asks those who have not told; how many may yet. */
static size_t ask(struct wait *w)
{
	size_t open = 0;
	for (size_t i = 0; i < w->nodes_n; i++) {
		struct asked *n = &w->nodes[i];
		if (!n->told)
			n->said = control_ask_watched(w->asks->control, &n->node, w->request);
		open += !n->told && n->said == OK;
	}
	return open;
}

/* Soon after the last one has told, or at the end. */
static void on_timer(struct ev_loop *loop, ev_timer *timer, int revents)
{
	(void)loop;
	(void)revents;
	struct wait *w = OBJ_CAST(struct wait, WAIT_MAGIC, timer->data);
	size_t open = 0;
	for (size_t i = 0; i < w->nodes_n; i++)
		open += !w->nodes[i].told && w->nodes[i].said == OK;
	w->rounds++;
	unsigned waited_ms = w->rounds * LOOK_EVERY_MS;
	if (open == 0 || waited_ms >= WATCHED_WITHIN_MS)
		answer(w);
	else if (waited_ms % ASK_AGAIN_MS == 0)
		(void)ask(w);
}

static void on_gone(void *arg)
{
	wait_end(OBJ_CAST(struct wait, WAIT_MAGIC, arg));
}

/* -- asking -- */

static bool is_asked(const struct kvs_member *m)
{
	return m->reg != NULL && (m->reg->roles & RPC_ROLE_DELIVERY) != 0 && !m->expelled &&
	       m->reg->state != NODE_LEFT && m->liveness != KVS_DOWN;
}

static void gather(struct wait *w)
{
	const struct kvs *kvs = control_kvs(w->asks->control);
	w->nodes = calloc(kvs_members_n(kvs) + 1, sizeof(*w->nodes));
	CHECK(w->nodes != NULL);
	for (size_t i = 0; i < kvs_members_n(kvs); i++) {
		struct kvs_member m;
		kvs_member_at(kvs, i, &m);
		if (is_asked(&m))
			w->nodes[w->nodes_n++] = (struct asked){ .node = m.id };
	}
}

void watched_handle(const struct admin *a, struct http_exchange *x)
{
	struct watched_asks *all = a->watched;
	OBJ_CHECK(all, ASKS_MAGIC);
	size_t at = 0;
	while (at < WATCHED_WAITING_MAX && all->waiting[at] != NULL)
		at++;
	if (at == WATCHED_WAITING_MAX) {
		http_problem(x, 503, "busy", "Too many are asking that.", 1);
		return;
	}
	struct wait *w = OBJ_NEW(struct wait, WAIT_MAGIC);
	w->asks = all;
	w->x = x;
	w->request = ++all->request;
	all->waiting[at] = w;
	gather(w);
	http_on_gone(x, on_gone, w);
	(void)ask(w);
	ev_now_update(all->loop);
	ev_timer_init(&w->timer, on_timer, LOOK_EVERY_MS / 1000.0, LOOK_EVERY_MS / 1000.0);
	w->timer.data = w;
	ev_timer_start(all->loop, &w->timer);
}

struct watched_asks *watched_asks_new(struct control *control, struct ev_loop *loop)
{
	struct watched_asks *all = OBJ_NEW(struct watched_asks, ASKS_MAGIC);
	all->control = control;
	all->loop = loop;
	control_on_watched(control, on_told, all);
	return all;
}

void watched_asks_free(struct watched_asks *all)
{
	if (all == NULL)
		return;
	OBJ_CHECK(all, ASKS_MAGIC);
	control_on_watched(all->control, NULL, NULL);
	for (size_t i = 0; i < WATCHED_WAITING_MAX; i++)
		if (all->waiting[i] != NULL)
			wait_end(all->waiting[i]);
	OBJ_FREE(all);
}
