/* The orders of a warmer: given, asked about and stopped from any thread. */
#include "node/warm/ev_warmer_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void order_say(struct order *o, const char *what, struct bytes object)
{
	snprintf(o->s.detail, sizeof(o->s.detail), "%s: %.*s", what, (int)(object.n < 160 ? object.n : 160),
	    (const char *)object.p);
}

void order_changed(struct warmer *w, struct order *o)
{
	o->s.changes++;
	o->s.elapsed_ms = w->c.now_mono_ms() - o->began_ms;
}

struct order *orders_oldest_waiting(struct warmer *w)
{
	struct order *found = NULL;
	for (size_t i = 0; i < WARMER_ORDERS_MAX; i++) {
		struct order *o = &w->orders[i];
		if (o->s.number > 0 && o->s.state == RPC_WARM_WAITING &&
		    (found == NULL || o->s.number < found->s.number))
			found = o;
	}
	return found;
}

/* -- orders -- */

static const struct config_origin *origin_of(const struct config *c, struct bytes name)
{
	for (size_t i = 0; i < c->origins_n; i++)
		if (bytes_eq(bytes_str(c->origins[i].name), name))
			return &c->origins[i];
	return NULL;
}

/* Under the lock: one that is free, or whose order ended longest ago; NULL: all are needed. */
static struct order *slot_for(struct warmer *w)
{
	struct order *found = NULL;
	for (size_t i = 0; i < WARMER_ORDERS_MAX; i++) {
		struct order *o = &w->orders[i];
		if (o->s.number == 0)
			return o;
		if (order_has_ended(o) && (found == NULL || o->s.number < found->s.number))
			found = o;
	}
	return found;
}

static bool is_known(const struct warmer *w, const struct rpc_warm_id *id)
{
	for (size_t i = 0; i < WARMER_ORDERS_MAX; i++)
		if (w->orders[i].s.number > 0 && memcmp(w->orders[i].s.id.b, id->b, sizeof(id->b)) == 0)
			return true;
	return false;
}

static enum err take(struct warmer *w, const struct node_id *from, const struct rpc_warm *order)
{
	const struct config_origin *origin = origin_of(w->c.config, order->origin);
	if (is_known(w, &order->id))
		return OK;
	struct order *o = slot_for(w);
	if (o == NULL || origin == NULL || order->content.n > RPC_CONTENT_MAX) {
		w->count.refused++;
		return o == NULL ? ERR_FULL : ERR_NOT_FOUND;
	}
	*o = (struct order){ .origin = origin, .began_ms = w->c.now_mono_ms() };
	o->s = (struct warmer_status){ .id = order->id,
		.from = *from,
		.state = RPC_WARM_WAITING,
		.number = ++w->number,
		.slot = (uint32_t)(o - w->orders),
		.changes = 1 };
	memcpy(o->s.content, order->content.p, order->content.n);
	if (order->by.n > 0 && order->by.n <= RPC_OPERATOR_MAX)
		memcpy(o->s.by, order->by.p, order->by.n);
	return OK;
}

enum err warmer_order(struct warmer *w, const struct node_id *from, const struct rpc_warm *order)
{
	OBJ_CHECK(w, WARMER_MAGIC);
	warmer_lock(w);
	enum err e = take(w, from, order);
	warmer_unlock(w);
	if (e == OK)
		(void)mailbox_post(&w->mailbox, &w->wake);
	return e;
}

/* Its own content, or one of a folder around it. */
static bool is_purged(const struct order *o, struct bytes purged)
{
	struct bytes content = order_content(o);
	return o->s.number > 0 && bytes_starts_with(content, purged) &&
	       (content.n == purged.n || content.p[purged.n] == '/');
}

static bool still_runs(const struct warmer *w, struct bytes purged)
{
	for (size_t i = 0; i < WARMER_ORDERS_MAX; i++)
		if (w->orders[i].stop && !order_has_ended(&w->orders[i]) && is_purged(&w->orders[i], purged))
			return true;
	return false;
}

void warmer_purge(struct warmer *w, struct bytes content)
{
	OBJ_CHECK(w, WARMER_MAGIC);
	warmer_lock(w);
	for (size_t i = 0; i < WARMER_ORDERS_MAX; i++) {
		struct order *o = &w->orders[i];
		if (!is_purged(o, content) || order_has_ended(o))
			continue;
		if (o->s.state == RPC_WARM_WAITING) {
			o->s.state = RPC_WARM_STOPPED;
			order_say(o, "it was purged meanwhile", content);
			w->count.stopped++;
			order_changed(w, o);
		} else {
			o->stop = true;
		}
	}
	(void)mailbox_post(&w->mailbox, &w->wake);
	while (still_runs(w, content))
		CHECK(pthread_cond_wait(&w->ended, &w->lock) == 0);
	warmer_unlock(w);
	w->c.changed(w->c.ctx);
}

static int by_number(const void *a, const void *b)
{
	const struct warmer_status *x = a, *y = b;
	return x->number < y->number ? -1 : x->number > y->number;
}

size_t warmer_look(struct warmer *w, struct warmer_status out[WARMER_ORDERS_MAX])
{
	size_t n = 0;
	OBJ_CHECK(w, WARMER_MAGIC);
	warmer_lock(w);
	for (size_t i = 0; i < WARMER_ORDERS_MAX; i++)
		if (w->orders[i].s.number > 0)
			out[n++] = w->orders[i].s;
	warmer_unlock(w);
	qsort(out, n, sizeof(*out), by_number);
	return n;
}

void warmer_count(struct warmer *w, struct warmer_counters *out)
{
	OBJ_CHECK(w, WARMER_MAGIC);
	warmer_lock(w);
	*out = w->count;
	for (size_t i = 0; i < WARMER_ORDERS_MAX; i++) {
		const struct order *o = &w->orders[i];
		out->waiting += o->s.number > 0 && o->s.state == RPC_WARM_WAITING;
		out->running += o->s.number > 0 && o->s.state == RPC_WARM_RUNNING;
	}
	warmer_unlock(w);
}
