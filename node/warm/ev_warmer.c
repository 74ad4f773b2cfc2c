#include "node/warm/ev_warmer_state.h"

#include "node/delivery/request.h"
#include "node/origin/freshness.h"
#include "node/warm/fs_playlist.h"
#include "node/warm/hls.h"
#include "node/warm/resolve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RETRY_DEFAULT_MS = 1000, YIELD_DEFAULT_MS = 50, NAMES_MAX_BYTES = 1 << 20 };

static struct bytes object_of(const struct plan_item *item)
{
	return bytes_of(item->object, item->object_n);
}

/* -- how far it is -- */

static bool is_under_way(const struct bring *f)
{
	return f->state == BRING_ASKED || f->state == BRING_GROWING;
}

static uint32_t remaining_of(const struct warmer *w)
{
	size_t n = plan_waiting(w->plan);
	for (size_t i = 0; i < WARMER_AT_ONCE; i++)
		n += is_under_way(&w->fetches[i].bring);
	return (uint32_t)n;
}

/* One object is here. `fetched` for this; else it was there. */
static void note_object(struct warmer *w, uint64_t length, bool fetched)
{
	warmer_lock(w);
	w->now->s.objects++;
	w->now->s.bytes += length;
	w->count.objects += fetched;
	w->count.present += !fetched;
	w->count.bytes += fetched ? length : 0;
	warmer_unlock(w);
}

static void note_failure(struct warmer *w, const struct plan_item *item, const char *what)
{
	warmer_lock(w);
	w->now->s.failed++;
	w->count.failed++;
	order_say(w->now, what, object_of(item));
	warmer_unlock(w);
}

static void note_remaining(struct warmer *w)
{
	warmer_lock(w);
	w->now->s.remaining = remaining_of(w);
	order_changed(w, w->now);
	warmer_unlock(w);
}

/* -- playlists -- */

struct naming {
	struct warmer *w;
	struct bytes content, base;
};

static void on_name(void *arg, const struct hls_item *item)
{
	struct naming *n = arg;
	struct bytes object;
	if (warm_resolve(n->content, n->base, item->uri, &n->w->names, &object) != OK)
		return;
	bool playlist = hls_is_playlist(item->kind);
	if (playlist || freshness_class(n->w->c.config, object) != CLASS_KEY)
		plan_add(n->w->plan, object, playlist);
	arena_reset(&n->w->names);
}

static bool is_dash(const struct plan_item *item)
{
	return bytes_ends_with(object_of(item), BYTES_LIT(".mpd"));
}

static void read_playlist(struct warmer *w, const struct plan_item *item, int fd, uint64_t length)
{
	struct naming n = { w, order_content(w->now), object_of(item) };
	uint8_t *text = is_dash(item) ? NULL : playlist_read(fd, length, WARMER_PLAYLIST_MAX_BYTES);
	const char *trouble = NULL;
	if (is_dash(item))
		trouble = "only the manifest of a DASH content is fetched";
	else if (text == NULL)
		trouble = "this playlist could not be read";
	else if (hls_read(bytes_of(text, length), on_name, &n) != OK)
		trouble = "this is no HLS playlist";
	free(text);
	warmer_lock(w);
	if (trouble != NULL)
		order_say(w->now, trouble, object_of(item));
	else if (plan_left_out(w->plan) > 0)
		order_say(w->now, "the content has more objects than are fetched", object_of(item));
	warmer_unlock(w);
}

/* -- one object -- */

static void step(struct warmer *w);

static void pause_for(struct warmer *w, uint32_t ms)
{
	ev_now_update(w->loop);
	ev_timer_stop(w->loop, &w->pause);
	ev_timer_set(&w->pause, ms / 1000.0, 0.0);
	ev_timer_start(w->loop, &w->pause);
}

static void fetch_failed(struct warmer *w, struct plan_item *item, enum err e)
{
	if (plan_again(w->plan, item))
		pause_for(w, w->c.retry_ms);
	else
		note_failure(w, item, err_str(e));
}

static void add_entry(struct warmer *w)
{
	char object[RPC_CONTENT_MAX + 32];
	snprintf(object, sizeof(object), "%s/%s", w->now->s.content, media_entries[w->entry]);
	plan_add(w->plan, bytes_str(object), true);
}

/* Of an entry the next name is tried. */
static void fetch_not_found(struct warmer *w, struct plan_item *item)
{
	struct bytes object = object_of(item), content = order_content(w->now);
	bool entry = w->now->s.objects == 0 && object.n > content.n &&
	             bytes_eq(bytes_from(object, content.n + 1), bytes_str(media_entries[w->entry]));
	if (entry && w->entry + 1 < MEDIA_ENTRIES) {
		w->entry++;
		add_entry(w);
		return;
	}
	note_failure(w, item, entry ? "the content has none of the playlists to start with" : "not found");
}

static void take(struct warmer *w, struct plan_item *item, int fd, uint64_t length, bool fetched)
{
	note_object(w, length, fetched);
	if (item->playlist)
		read_playlist(w, item, fd, length);
}

static void on_ended(struct bring *bring, const struct bring_end *end)
{
	struct warm_fetch *f = CONTAINER_OF(bring, struct warm_fetch, bring);
	struct warmer *w = f->warmer;
	switch (end->outcome) {
	case BRING_WHOLE: take(w, f->item, end->fd, end->length, true); break;
	case BRING_NOT_FOUND: fetch_not_found(w, f->item); break;
	case BRING_FAILED: fetch_failed(w, f->item, end->error); break;
	case BRING_DROPPED: break;
	}
	step(w);
}

/* From the cache, or asked for. */
static void begin(struct warmer *w, struct warm_fetch *f, struct plan_item *item)
{
	struct cache_key key = { .origin = bytes_str(w->now->origin->name), .object = object_of(item) };
	struct cache_unit *unit = cache_look(w->c.cache, &key);
	uint64_t length = unit != NULL ? unit->meta->length : 0;
	key.slice = 1;
	if (unit == NULL && cache_holds(w->c.cache, &key, &length))
		unit = cache_look(w->c.cache, &key);
	bool fresh = unit != NULL && freshness_holds(unit->meta, w->c.now_wall_ms());
	if (fresh)
		take(w, item, unit->fd, length, false);
	cache_release(w->c.cache, unit);
	if (fresh)
		return;
	f->item = item;
	bring_begin(&f->bring, w->now->origin, order_content(w->now), object_of(item));
}

/* -- one order -- */

static void order_begin(struct warmer *w)
{
	struct cache_counters held;
	cache_count(w->c.cache, &held);
	warmer_lock(w);
	w->now = w->stopping ? NULL : orders_oldest_waiting(w);
	if (w->now != NULL) {
		w->now->s.state = RPC_WARM_RUNNING;
		w->now->began_ms = w->c.now_mono_ms();
		order_changed(w, w->now);
	}
	warmer_unlock(w);
	if (w->now == NULL)
		return;
	w->bytes_max = held.size_bytes / 2;
	for (size_t i = 0; i < WARMER_AT_ONCE; i++)
		w->fetches[i].bring.max_bytes = w->bytes_max;
	w->entry = 0;
	w->plan = plan_new(PLAN_OBJECTS_MAX);
	add_entry(w);
	w->c.changed(w->c.ctx);
}

static void order_end(struct warmer *w, enum rpc_warm_state state, const char *detail)
{
	for (size_t i = 0; i < WARMER_AT_ONCE; i++)
		bring_forget(&w->fetches[i].bring);
	ev_timer_stop(w->loop, &w->pause);
	warmer_lock(w);
	w->now->s.remaining = state == RPC_WARM_DONE ? remaining_of(w) : 0;
	w->now->s.state = state;
	if (detail != NULL)
		order_say(w->now, detail, order_content(w->now));
	w->count.done += state == RPC_WARM_DONE;
	w->count.stopped += state == RPC_WARM_STOPPED;
	order_changed(w, w->now);
	w->now = NULL;
	CHECK(pthread_cond_broadcast(&w->ended) == 0);
	warmer_unlock(w);
	plan_free(w->plan);
	w->plan = NULL;
	w->c.changed(w->c.ctx);
}

static bool is_to_stop(struct warmer *w)
{
	warmer_lock(w);
	bool stop = w->stopping || w->now->stop;
	warmer_unlock(w);
	return stop;
}

/* Fills that wait for a thread are viewers', as far as they are more than this one's own. */
static bool viewers_wait(const struct warmer *w)
{
	struct fills_counters f;
	size_t own = 0;
	fills_count(w->c.fills, &f);
	for (size_t i = 0; i < WARMER_AT_ONCE; i++)
		own += w->fetches[i].bring.state == BRING_ASKED || w->fetches[i].bring.state == BRING_FORGOTTEN;
	return f.queued > own;
}

static struct warm_fetch *idle_fetch(struct warmer *w)
{
	for (size_t i = 0; i < WARMER_AT_ONCE; i++)
		if (w->fetches[i].bring.state == BRING_IDLE)
			return &w->fetches[i];
	return NULL;
}

/* Whether it has come to its end, and how. */
static bool order_continues(struct warmer *w)
{
	if (is_to_stop(w)) {
		order_end(w, RPC_WARM_STOPPED, "it was purged meanwhile, or the node ends");
		return false;
	}
	if (w->now->s.bytes > w->bytes_max) {
		order_end(w, RPC_WARM_DONE, "half of the cache is filled, so the rest is left out");
		return false;
	}
	if (remaining_of(w) == 0) {
		order_end(w, RPC_WARM_DONE, NULL);
		return false;
	}
	return true;
}

/* Begins what may be begun; true: there may be more to do at once. */
static bool order_go_on(struct warmer *w)
{
	struct warm_fetch *f = idle_fetch(w);
	if (!order_continues(w))
		return true; /* the next order */
	if (f == NULL || ev_is_active(&w->pause) || plan_waiting(w->plan) == 0)
		return false;
	if (viewers_wait(w)) {
		pause_for(w, w->c.yield_ms);
		return false;
	}
	begin(w, f, plan_next(w->plan));
	return true;
}

static bool is_idle(const struct warmer *w)
{
	for (size_t i = 0; i < WARMER_AT_ONCE; i++)
		if (w->fetches[i].bring.state != BRING_IDLE)
			return false;
	return true;
}

static void step(struct warmer *w)
{
	do {
		if (w->now == NULL)
			order_begin(w);
	} while (w->now != NULL && order_go_on(w));
	if (w->now != NULL)
		note_remaining(w);
	warmer_lock(w);
	bool over = w->stopping && w->now == NULL && is_idle(w);
	warmer_unlock(w);
	if (over)
		ev_break(w->loop, EVBREAK_ALL);
}

/* -- the thread -- */

static void on_wake(struct letter *l)
{
	step(CONTAINER_OF(l, struct warmer, wake));
}

static void on_pause_over(struct ev_loop *loop, ev_timer *timer, int revents)
{
	(void)loop;
	(void)revents;
	step(OBJ_CAST(struct warmer, WARMER_MAGIC, timer->data));
}

static void *run(void *arg)
{
	struct warmer *w = OBJ_CAST(struct warmer, WARMER_MAGIC, arg);
	ev_ref(w->loop); /* a mailbox alone does not keep it running */
	ev_run(w->loop, 0);
	ev_unref(w->loop);
	return NULL;
}

static void dispose(struct warmer *w)
{
	mailbox_fini(&w->mailbox);
	ev_loop_destroy(w->loop);
	arena_fini(&w->names);
	CHECK(pthread_cond_destroy(&w->ended) == 0);
	CHECK(pthread_mutex_destroy(&w->lock) == 0);
	OBJ_FREE(w);
}

enum err warmer_start(const struct warmer_config *c, struct warmer **out)
{
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	if (loop == NULL)
		return ERR_NO_MEMORY;
	struct warmer *w = OBJ_NEW(struct warmer, WARMER_MAGIC);
	w->c = *c;
	w->c.retry_ms = c->retry_ms > 0 ? c->retry_ms : RETRY_DEFAULT_MS;
	w->c.yield_ms = c->yield_ms > 0 ? c->yield_ms : YIELD_DEFAULT_MS;
	w->loop = loop;
	mailbox_init(&w->mailbox, loop);
	w->wake.deliver = on_wake;
	ev_timer_init(&w->pause, on_pause_over, 0.0, 0.0);
	w->pause.data = w;
	arena_init(&w->names, NAMES_MAX_BYTES);
	for (size_t i = 0; i < WARMER_AT_ONCE; i++) {
		w->fetches[i].warmer = w;
		bring_init(&w->fetches[i].bring, w->c.fills, w->c.cache, &w->mailbox, on_ended);
	}
	CHECK(pthread_mutex_init(&w->lock, NULL) == 0);
	CHECK(pthread_cond_init(&w->ended, NULL) == 0);
	if (pthread_create(&w->thread, NULL, run, w) != 0) {
		dispose(w);
		return ERR_NO_MEMORY;
	}
	*out = w;
	return OK;
}

void warmer_stop(struct warmer *w)
{
	if (w == NULL)
		return;
	OBJ_CHECK(w, WARMER_MAGIC);
	warmer_lock(w);
	w->stopping = true;
	warmer_unlock(w);
	(void)mailbox_post(&w->mailbox, &w->wake);
	CHECK(pthread_join(w->thread, NULL) == 0);
	dispose(w);
}
