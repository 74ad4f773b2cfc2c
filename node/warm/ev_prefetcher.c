#include "node/warm/ev_prefetcher.h"

#include "base/hash.h"
#include "base/obj.h"
#include "node/warm/ev_bring.h"
#include "node/warm/fs_playlist.h"
#include "node/warm/prefetch.h"
#include "node/warm/resolve.h"

#include <ev.h>
#include <sodium/randombytes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define PREFETCHER_MAGIC 0x70726665u

enum {
	YIELD_DEFAULT_MS = 50,
	MARKS = 4096,
	TEXT_MAX_BYTES = 1 << 20,
	OBJECT_MAX_BYTES = 64 << 20, /* what is larger is no segment, and is fetched as it is watched */
};

/* What a viewer's request said, on its way from his worker. */
struct heard {
	struct heard *next;
	struct delivery_played played; /* its slices point into text */
	uint8_t text[];
};

/* One object on its way. */
struct ahead {
	struct bring bring;
	struct prefetcher *prefetcher;
	uint64_t mark;
};

struct prefetcher {
	unsigned magic;
	struct prefetcher_config c;
	pthread_t thread;
	struct ev_loop *loop;
	struct mailbox mailbox;
	struct letter wake;
	struct hash_key hash_key;
	/* What was fetched ahead and nobody has asked for yet: hashes, each in the place that it says. A
	 * collision forgets one. */
	_Atomic uint64_t marks[MARKS];

	pthread_mutex_t lock;
	struct heard *first, **end;
	size_t heard_n;
	struct prefetcher_counters count;
	bool stopping;

	/* The thread's own. */
	struct prefetch *wishes;
	struct ahead fetches[PREFETCHER_AT_ONCE];
	struct arena text;
	ev_timer pause;
};

static void lock_prefetcher(struct prefetcher *p)
{
	CHECK(pthread_mutex_lock(&p->lock) == 0);
}

static void unlock_prefetcher(struct prefetcher *p)
{
	CHECK(pthread_mutex_unlock(&p->lock) == 0);
}

/* -- what was fetched ahead -- */

static uint64_t mark_of(const struct prefetcher *p, struct bytes origin, struct bytes object)
{
	uint64_t h = hash64(&p->hash_key, object) ^ hash_mix(hash64(&p->hash_key, origin));
	return h != 0 ? h : 1;
}

static bool take_mark(struct prefetcher *p, uint64_t mark)
{
	_Atomic uint64_t *slot = &p->marks[mark % MARKS];
	uint64_t expected = mark;
	return atomic_load_explicit(slot, memory_order_relaxed) == mark &&
	       atomic_compare_exchange_strong(slot, &expected, 0);
}

/* -- hooked into the delivery role, on its workers -- */

static bool was_ahead(void *ctx, struct bytes origin, struct bytes object)
{
	struct prefetcher *p = OBJ_CAST(struct prefetcher, PREFETCHER_MAGIC, ctx);
	return take_mark(p, mark_of(p, origin, object));
}

static struct bytes keep(uint8_t **to, struct bytes s)
{
	if (s.n > 0)
		memcpy(*to, s.p, s.n);
	*to += s.n;
	return bytes_of(*to - s.n, s.n);
}

static struct heard *heard_of(const struct delivery_played *played)
{
	const struct cmcd *cmcd = &played->cmcd;
	struct heard *h = malloc(sizeof(*h) + played->content.n + played->object.n + cmcd->next.n);
	CHECK(h != NULL);
	uint8_t *to = h->text;
	h->next = NULL;
	h->played = *played;
	h->played.content = keep(&to, played->content);
	h->played.object = keep(&to, played->object);
	h->played.cmcd.next = keep(&to, cmcd->next);
	return h;
}

static void on_played(void *ctx, const struct delivery_played *played)
{
	struct prefetcher *p = OBJ_CAST(struct prefetcher, PREFETCHER_MAGIC, ctx);
	struct heard *h = heard_of(played);
	lock_prefetcher(p);
	bool full = p->heard_n == PREFETCHER_HEARD_MAX;
	p->count.unheard += full;
	if (!full) {
		*p->end = h;
		p->end = &h->next;
		p->heard_n++;
	}
	unlock_prefetcher(p);
	if (full)
		free(h);
	else
		(void)mailbox_post(&p->mailbox, &p->wake);
}

/* -- what a viewer wishes -- */

struct search {
	const struct delivery_played *played;
	unsigned most;
	struct bytes objects[PREFETCH_AHEAD_MAX];
	size_t n;
	struct bytes playlist; /* in which he was found */
};

static bool search_in(struct prefetcher *p, struct search *s, struct bytes playlist)
{
	struct cache_key key = { .origin = bytes_str(s->played->origin->name), .object = playlist };
	struct cache_unit *unit = playlist.n > 0 ? cache_look(p->c.cache, &key) : NULL;
	if (unit == NULL)
		return false;
	uint64_t n = unit->meta->length;
	uint8_t *text = playlist_read(unit->fd, n, PREFETCHER_PLAYLIST_MAX_BYTES);
	cache_release(p->c.cache, unit);
	bool found = text != NULL && prefetch_following(bytes_of(text, n), s->played->content, playlist,
	                                 s->played->object, s->most, &p->text, s->objects, &s->n);
	free(text);
	if (found)
		s->playlist = playlist;
	return found;
}

/* Where he was found last, else in any of the content. */
static void search(struct prefetcher *p, struct search *s)
{
	struct bytes names[CACHE_PLAYLISTS_MAX];
	struct bytes last = arena_dup(&p->text, prefetch_playlist(p->wishes, &s->played->session));
	if (last.p == NULL || search_in(p, s, last))
		return;
	size_t n =
	    cache_playlists(p->c.cache, bytes_str(s->played->origin->name), s->played->content, &p->text, names);
	for (size_t i = 0; i < n; i++)
		if (!bytes_eq(names[i], last) && search_in(p, s, names[i]))
			return;
}

/* What the player names comes first. */
static void add_named(struct prefetcher *p, struct search *s)
{
	const struct delivery_played *played = s->played;
	struct bytes object;
	if (played->cmcd.next.n == 0 ||
	    warm_resolve(played->content, played->object, played->cmcd.next, &p->text, &object) != OK)
		return;
	for (size_t i = 0; i < s->n; i++)
		if (bytes_eq(s->objects[i], object))
			return;
	s->n = s->n < s->most ? s->n : s->most - 1;
	memmove(s->objects + 1, s->objects, s->n * sizeof(s->objects[0]));
	s->objects[0] = object;
	s->n++;
}

static bool is_held(struct prefetcher *p, const struct config_origin *origin, struct bytes object)
{
	uint64_t length;
	struct cache_key key = { .origin = bytes_str(origin->name), .object = object };
	return cache_holds(p->c.cache, &key, &length);
}

static void take_in(struct prefetcher *p, const struct delivery_played *played)
{
	const struct cmcd *cmcd = &played->cmcd;
	struct search s = {
		.played = played,
		.most = prefetch_depth(p->c.config->prefetch_objects, cmcd->has_buffer, cmcd->buffer_ms),
	};
	arena_reset(&p->text);
	search(p, &s);
	add_named(p, &s);
	size_t n = 0;
	for (size_t i = 0; i < s.n; i++)
		if (!is_held(p, played->origin, s.objects[i]))
			s.objects[n++] = s.objects[i];
	struct prefetch_wish w = { .viewer = played->session,
		.origin = played->origin,
		.content = played->content,
		.playlist = s.playlist,
		.objects = s.objects,
		.n = n,
		.buffer_ms = cmcd->buffer_ms };
	prefetch_put(p->wishes, &w, p->c.now_mono_ms());
}

static struct heard *next_heard(struct prefetcher *p)
{
	lock_prefetcher(p);
	struct heard *h = p->stopping ? NULL : p->first;
	if (h != NULL) {
		p->first = h->next;
		p->heard_n--;
		if (p->first == NULL)
			p->end = &p->first;
	}
	unlock_prefetcher(p);
	return h;
}

/* -- fetching -- */

static struct ahead *idle_fetch(struct prefetcher *p)
{
	for (size_t i = 0; i < PREFETCHER_AT_ONCE; i++)
		if (p->fetches[i].bring.state == BRING_IDLE)
			return &p->fetches[i];
	return NULL;
}

static bool threads_are_free(const struct prefetcher *p)
{
	struct fills_counters f;
	fills_count(p->c.fills, &f);
	return f.queued == 0 && f.running < f.threads / 2;
}

static bool is_under_way(const struct prefetcher *p, uint64_t mark)
{
	for (size_t i = 0; i < PREFETCHER_AT_ONCE; i++)
		if (p->fetches[i].bring.state != BRING_IDLE && p->fetches[i].mark == mark)
			return true;
	return false;
}

static void begin(struct prefetcher *p, struct ahead *a, const struct prefetch_object *o)
{
	uint64_t mark = mark_of(p, bytes_str(o->origin->name), o->object);
	if (is_held(p, o->origin, o->object) || is_under_way(p, mark))
		return;
	a->mark = mark;
	atomic_store(&p->marks[mark % MARKS], mark);
	bring_begin(&a->bring, o->origin, o->content, o->object);
}

static void pause_for(struct prefetcher *p, uint32_t ms)
{
	ev_now_update(p->loop);
	ev_timer_stop(p->loop, &p->pause);
	ev_timer_set(&p->pause, ms / 1000.0, 0.0);
	ev_timer_start(p->loop, &p->pause);
}

static bool is_stopping(struct prefetcher *p)
{
	lock_prefetcher(p);
	bool stopping = p->stopping;
	unlock_prefetcher(p);
	return stopping;
}

static void go_on(struct prefetcher *p)
{
	struct prefetch_object o;
	struct ahead *a;
	while ((a = idle_fetch(p)) != NULL && !is_stopping(p)) {
		if (!prefetch_waits(p->wishes))
			break;
		if (!threads_are_free(p)) {
			pause_for(p, p->c.yield_ms);
			break;
		}
		if (prefetch_take(p->wishes, p->c.now_mono_ms(), &o))
			begin(p, a, &o);
	}
	lock_prefetcher(p);
	p->count.stale = prefetch_stale(p->wishes);
	unlock_prefetcher(p);
}

static bool is_idle(const struct prefetcher *p)
{
	for (size_t i = 0; i < PREFETCHER_AT_ONCE; i++)
		if (p->fetches[i].bring.state != BRING_IDLE)
			return false;
	return true;
}

static void end_if_stopped(struct prefetcher *p)
{
	if (!is_stopping(p))
		return;
	for (size_t i = 0; i < PREFETCHER_AT_ONCE; i++)
		bring_forget(&p->fetches[i].bring);
	if (is_idle(p))
		ev_break(p->loop, EVBREAK_ALL);
}

static void on_ended(struct bring *bring, const struct bring_end *end)
{
	struct ahead *a = CONTAINER_OF(bring, struct ahead, bring);
	struct prefetcher *p = a->prefetcher;
	bool whole = end->outcome == BRING_WHOLE;
	if (!whole)
		(void)take_mark(p, a->mark);
	lock_prefetcher(p);
	p->count.objects += whole;
	p->count.bytes += whole ? end->length : 0;
	p->count.failed += end->outcome == BRING_FAILED || end->outcome == BRING_NOT_FOUND;
	unlock_prefetcher(p);
	go_on(p);
	end_if_stopped(p);
}

/* -- the thread -- */

static void on_wake(struct letter *l)
{
	struct prefetcher *p = CONTAINER_OF(l, struct prefetcher, wake);
	struct heard *h;
	while ((h = next_heard(p)) != NULL) {
		take_in(p, &h->played);
		free(h);
	}
	go_on(p);
	end_if_stopped(p);
}

static void on_pause_over(struct ev_loop *loop, ev_timer *timer, int revents)
{
	(void)loop;
	(void)revents;
	go_on(OBJ_CAST(struct prefetcher, PREFETCHER_MAGIC, timer->data));
}

static void *run(void *arg)
{
	struct prefetcher *p = OBJ_CAST(struct prefetcher, PREFETCHER_MAGIC, arg);
	ev_ref(p->loop); /* a mailbox alone does not keep it running */
	ev_run(p->loop, 0);
	ev_unref(p->loop);
	return NULL;
}

static void dispose(struct prefetcher *p)
{
	while (p->first != NULL) {
		struct heard *next = p->first->next;
		free(p->first);
		p->first = next;
	}
	mailbox_fini(&p->mailbox);
	ev_loop_destroy(p->loop);
	prefetch_free(p->wishes);
	arena_fini(&p->text);
	CHECK(pthread_mutex_destroy(&p->lock) == 0);
	OBJ_FREE(p);
}

static void init(struct prefetcher *p, const struct prefetcher_config *c)
{
	p->c = *c;
	p->c.yield_ms = c->yield_ms > 0 ? c->yield_ms : YIELD_DEFAULT_MS;
	mailbox_init(&p->mailbox, p->loop);
	p->wake.deliver = on_wake;
	p->end = &p->first;
	randombytes_buf(p->hash_key.b, sizeof(p->hash_key.b));
	p->wishes = prefetch_new();
	arena_init(&p->text, TEXT_MAX_BYTES);
	ev_timer_init(&p->pause, on_pause_over, 0.0, 0.0);
	p->pause.data = p;
	for (size_t i = 0; i < PREFETCHER_AT_ONCE; i++) {
		p->fetches[i].prefetcher = p;
		bring_init(&p->fetches[i].bring, c->fills, c->cache, &p->mailbox, on_ended);
		p->fetches[i].bring.is_ahead = true;
		p->fetches[i].bring.max_bytes = OBJECT_MAX_BYTES;
	}
	CHECK(pthread_mutex_init(&p->lock, NULL) == 0);
}

enum err prefetcher_start(const struct prefetcher_config *c, struct prefetcher **out)
{
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	if (loop == NULL)
		return ERR_NO_MEMORY;
	struct prefetcher *p = OBJ_NEW(struct prefetcher, PREFETCHER_MAGIC);
	p->loop = loop;
	init(p, c);
	if (pthread_create(&p->thread, NULL, run, p) != 0) {
		dispose(p);
		return ERR_NO_MEMORY;
	}
	if (c->config->prefetch_objects > 0)
		delivery_hook(c->delivery, &(struct delivery_hooks){ was_ahead, on_played, p });
	*out = p;
	return OK;
}

void prefetcher_stop(struct prefetcher *p)
{
	if (p == NULL)
		return;
	OBJ_CHECK(p, PREFETCHER_MAGIC);
	delivery_hook(p->c.delivery, NULL);
	lock_prefetcher(p);
	p->stopping = true;
	unlock_prefetcher(p);
	(void)mailbox_post(&p->mailbox, &p->wake);
	CHECK(pthread_join(p->thread, NULL) == 0);
	dispose(p);
}

void prefetcher_count(struct prefetcher *p, struct prefetcher_counters *out)
{
	lock_prefetcher(p);
	*out = p->count;
	unlock_prefetcher(p);
}
