#include "node/ev_warm.h"

#include "base/obj.h"
#include "base/text.h"
#include "node/api/session_request.h"
#include "node/fs_log.h"

#include <ev.h>
#include <string.h>

#define WARMING_MAGIC 0x77726d67u

enum { TELL_EVERY_MS = 500 };

/* What was said of an order last. */
struct told {
	uint64_t number, changes;
	enum rpc_warm_state state;
};

struct warming {
	unsigned magic;
	struct warming_config c;
	struct warmer *warmer;
	struct measurer *measurer;
	struct prefetcher *prefetcher;
	struct letter letter;
	ev_timer timer;
	struct told told[WARMER_ORDERS_MAX]; /* by slot */
	struct warmer_status orders[WARMER_ORDERS_MAX];
};

/* -- telling -- */

static bool has_ended(enum rpc_warm_state s)
{
	return s != RPC_WARM_WAITING && s != RPC_WARM_RUNNING;
}

static void tell(struct warming *w, const struct warmer_status *s)
{
	struct rpc_msg m = { .kind = RPC_WARM_TOLD };
	m.warm_told = (struct rpc_warm_told){
		.id = s->id,
		.state = s->state,
		.objects = s->objects,
		.remaining = s->remaining,
		.failed = s->failed,
		.bytes = s->bytes,
		.detail = text_is_utf8(bytes_str(s->detail)) ? bytes_str(s->detail) : BYTES_NONE,
	};
	(void)control_say_warm(w->c.control, &s->from, &m); /* lost: it asks again */
}

static void log_change(const struct warmer_status *s)
{
	char id[2 * RPC_WARM_ID_BYTES + 1];
	text_hex(id, bytes_of(s->id.b, RPC_WARM_ID_BYTES));
	if (s->state == RPC_WARM_RUNNING)
		LOG_EVENT(LOG_INFO, "cache", "warm-started", "a content is fetched ahead of its audience",
		    LOG_STR("content", s->content), LOG_STR("warm", id), LOG_STR("by", s->by));
	else if (has_ended(s->state))
		LOG_EVENT(s->failed > 0 ? LOG_WARN : LOG_INFO, "cache", "warm-ended",
		    s->state == RPC_WARM_DONE ? "a content was fetched ahead of its audience"
		                              : "fetching a content was stopped",
		    LOG_STR("content", s->content), LOG_STR("warm", id), LOG_U64("objects", s->objects),
		    LOG_U64("bytes", s->bytes), LOG_U64("failed", s->failed), LOG_U64("elapsed_ms", s->elapsed_ms),
		    LOG_STR("detail", s->detail), LOG_STR("by", s->by));
}

static void look(struct warming *w)
{
	bool active = false;
	size_t n = warmer_look(w->warmer, w->orders);
	for (size_t i = 0; i < n; i++) {
		const struct warmer_status *s = &w->orders[i];
		struct told *t = &w->told[s->slot];
		active = active || !has_ended(s->state);
		if (t->number == s->number && t->changes == s->changes)
			continue;
		if (t->number != s->number || t->state != s->state)
			log_change(s);
		tell(w, s);
		*t = (struct told){ s->number, s->changes, s->state };
	}
	if (active && !ev_is_active(&w->timer)) {
		ev_now_update(w->c.loop);
		ev_timer_set(&w->timer, TELL_EVERY_MS / 1000.0, 0.0);
		ev_timer_start(w->c.loop, &w->timer);
	}
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int revents)
{
	(void)loop;
	(void)revents;
	look(OBJ_CAST(struct warming, WARMING_MAGIC, timer->data));
}

static void on_changed(struct letter *l)
{
	struct warming *w = CONTAINER_OF(l, struct warming, letter);
	OBJ_CHECK(w, WARMING_MAGIC);
	look(w);
}

/* Any thread. */
static void wake(void *ctx)
{
	struct warming *w = ctx;
	(void)mailbox_post(w->c.mailbox, &w->letter);
}

/* -- hearing -- */

static void refuse(struct warming *w, const struct node_id *from, const struct rpc_warm *order, enum err e)
{
	struct warmer_status s = { .id = order->id, .from = *from, .state = RPC_WARM_REFUSED };
	const char *why = e == ERR_FULL ? "this node has too many such orders"
	                                : "this node has no origin store of that name, or that is no content";
	memcpy(s.detail, why, strlen(why) + 1);
	tell(w, &s);
}

static void tell_again(struct warming *w, const struct rpc_warm_id *id)
{
	size_t n = warmer_look(w->warmer, w->orders);
	for (size_t i = 0; i < n; i++)
		if (memcmp(w->orders[i].id.b, id->b, sizeof(id->b)) == 0)
			tell(w, &w->orders[i]);
}

static void on_order(void *ctx, const struct node_id *from, const struct rpc_msg *m)
{
	struct warming *w = OBJ_CAST(struct warming, WARMING_MAGIC, ctx);
	enum err e = session_name_ok(m->warm.content) ? warmer_order(w->warmer, from, &m->warm) : ERR_INVALID;
	if (e != OK) {
		refuse(w, from, &m->warm, e);
		return;
	}
	tell_again(w, &m->warm.id);
	look(w);
}

/* -- life -- */

enum err warming_start(const struct warming_config *c, struct warming **out)
{
	struct warming *w = OBJ_NEW(struct warming, WARMING_MAGIC);
	struct warmer_config wc = c->warmer;
	wc.changed = wake;
	wc.ctx = w;
	w->c = *c;
	w->letter.deliver = on_changed;
	ev_timer_init(&w->timer, on_timer, 0.0, 0.0);
	w->timer.data = w;
	enum err e = warmer_start(&wc, &w->warmer);
	if (e == OK)
		e = measurer_start(wc.cache, &w->measurer);
	if (e == OK)
		e = prefetcher_start(&(struct prefetcher_config){ .fills = wc.fills,
		                         .cache = wc.cache,
		                         .config = wc.config,
		                         .delivery = c->delivery,
		                         .now_mono_ms = wc.now_mono_ms },
		    &w->prefetcher);
	if (e != OK) {
		measurer_stop(w->measurer);
		warmer_stop(w->warmer);
		OBJ_FREE(w);
		return e;
	}
	control_on_warm(c->control, RPC_WARM, on_order, w);
	*out = w;
	return OK;
}

void warming_stop(struct warming *w)
{
	if (w == NULL)
		return;
	OBJ_CHECK(w, WARMING_MAGIC);
	control_on_warm(w->c.control, RPC_WARM, NULL, NULL);
	prefetcher_stop(w->prefetcher);
	measurer_stop(w->measurer);
	warmer_stop(w->warmer);
	ev_timer_stop(w->c.loop, &w->timer);
	mailbox_withdraw(w->c.mailbox, &w->letter);
	OBJ_FREE(w);
}

struct warmer *warming_warmer(const struct warming *w)
{
	return w != NULL ? w->warmer : NULL;
}

struct prefetcher *warming_prefetcher(const struct warming *w)
{
	return w != NULL ? w->prefetcher : NULL;
}

struct measurer *warming_measurer(const struct warming *w)
{
	return w != NULL ? w->measurer : NULL;
}
