#include "node/origin/ev_fill.h"

#include "node/origin/curl_source.h"
#include "node/origin/fs_dir.h"

#include <sodium/randombytes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
	THREADS_DEFAULT = 8,
	QUEUE_DEFAULT = 1024,
	NEGATIVE_TTL_DEFAULT_MS = 5000,
	STALE_AFTER_DEFAULT_MS = 1000,
	GIVE_UP_AFTER_DEFAULT_MS = 8000, /* players give up on a first byte after 10 s */
	STALE_IF_ERROR_DEFAULT_MS = 24 * 3600 * 1000,
};

uint64_t fills_now_mono_ms(void)
{
	struct timespec t;
	CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* -- the table -- */

static struct fill **bucket_of(struct fills *fs, uint64_t hash)
{
	return &fs->buckets[hash % FILL_BUCKETS];
}

static uint64_t hash_of(const struct fills *fs, unsigned origin, struct bytes object)
{
	return hash64(&fs->hash_key, object) ^ hash_mix(origin + 1);
}

struct fill *fills_find(struct fills *fs, uint64_t hash, unsigned origin, struct bytes object, uint32_t slice)
{
	struct fill *f = *bucket_of(fs, hash);
	while (f != NULL &&
	       !(f->hash == hash && f->origin == origin && f->slice == slice && bytes_eq(f->object, object)))
		f = f->next;
	return f;
}

static struct fill *add(struct fills *fs, uint64_t hash, unsigned origin, struct bytes content,
    struct bytes object, uint32_t slice)
{
	struct fill *f = obj_alloc(sizeof(*f) + content.n + object.n, FILL_MAGIC);
	f->fills = fs;
	f->hash = hash;
	f->origin = origin;
	f->slice = slice;
	memcpy(f->text, object.p, object.n);
	if (content.n > 0)
		memcpy(f->text + object.n, content.p, content.n);
	f->object = bytes_of(f->text, object.n);
	f->content = bytes_of(f->text + object.n, content.n);
	f->key = (struct cache_key){ .origin = bytes_str(fs->config->origins[origin].name), .object = f->object };
	f->since_mono_ms = fills_now_mono_ms();
	f->next = *bucket_of(fs, hash);
	*bucket_of(fs, hash) = f;
	if (TAILQ_EMPTY(&fs->all)) /* else the watch looks by itself */
		CHECK(pthread_cond_signal(&fs->watch_work) == 0);
	TAILQ_INSERT_TAIL(&fs->all, f, all_link);
	fs->counters.started++;
	return f;
}

static void take_out_of_bucket(struct fills *fs, struct fill *f)
{
	struct fill **at = bucket_of(fs, f->hash);
	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
}

static void take_out(struct fills *fs, struct fill *f)
{
	if (!f->doomed)
		take_out_of_bucket(fs, f);
	TAILQ_REMOVE(&fs->all, f, all_link);
}

/* -- waiters -- */

static void link_waiter(struct fill *f, struct fill_waiter *w)
{
	w->fill = f;
	f->unwanted = false;
	w->since_mono_ms = fills_now_mono_ms();
	w->next = f->waiters;
	w->prev = &f->waiters;
	if (w->next != NULL)
		w->next->prev = &w->next;
	f->waiters = w;
}

static void unlink_waiter(struct fill_waiter *w)
{
	*w->prev = w->next;
	if (w->next != NULL)
		w->next->prev = w->prev;
	w->next = NULL;
	w->prev = NULL;
}

struct fill_waiter *fill_detach_peers(struct fill *f, uint64_t now_ms, uint64_t waited_ms)
{
	struct fill_waiter *detached = NULL;
	for (struct fill_waiter *w = f->waiters, *next; w != NULL; w = next) {
		next = w->next;
		if (!w->for_peer || now_ms - w->since_mono_ms < waited_ms)
			continue;
		unlink_waiter(w);
		w->next = detached;
		detached = w;
	}
	return detached;
}

/* Under the lock; from here on the waiters are about to be posted and cannot be forgotten. */
struct fill_waiter *fill_detach_all(struct fill *f)
{
	struct fill_waiter *all = f->waiters;
	f->waiters = NULL;
	for (struct fill_waiter *w = all; w != NULL; w = w->next)
		w->prev = NULL;
	return all;
}

/* Each gets a reference of its own. Under the lock: who is told by fill_forget that his letter is posted
 * may end his mailbox next. */
void fills_answer(struct fills *fs, struct fill_waiter *all, const struct fill_answer *a)
{
	for (struct fill_waiter *w = all, *next; w != NULL; w = next) {
		next = w->next;
		w->next = NULL;
		bool collapsed = w->answer.collapsed;
		w->answer = *a;
		w->answer.collapsed = collapsed;
		if (a->unit != NULL)
			w->answer.unit = cache_pin(fs->cache, a->unit);
		if (a->growing != NULL)
			w->answer.growing = growing_ref(a->growing);
		CHECK(mailbox_post(w->mailbox, &w->letter));
	}
}

void fill_grows(struct fill *f, struct growing *g, const struct cache_meta *meta, bool from_peer)
{
	struct fills *fs = f->fills;
	struct fill_answer a = { .outcome = FILL_GROWING, .growing = g, .meta = *meta, .from_peer = from_peer };
	a.meta.content = BYTES_NONE;
	fills_lock(fs);
	f->growing = growing_ref(g);
	f->meta = a.meta;
	f->from_peer = from_peer;
	struct fill_waiter *all = fill_detach_all(f);
	fills_answer(fs, all, &a);
	fills_unlock(fs);
}

void fill_ends(struct fill *f, const struct fill_answer *a)
{
	struct fills *fs = f->fills;
	fills_lock(fs);
	take_out(fs, f);
	struct fill_waiter *all = fill_detach_all(f);
	fills_answer(fs, all, a);
	fills_unlock(fs);
	growing_unref(f->growing);
	OBJ_FREE(f);
}

bool fill_drops_unawaited(struct fill *f)
{
	struct fills *fs = f->fills;
	fills_lock(fs);
	bool drops = f->waiters == NULL && !f->for_peer; /* another node asks again */
	if (drops)
		take_out(fs, f);
	fills_unlock(fs);
	if (drops)
		OBJ_FREE(f);
	return drops;
}

bool fill_gives_up(struct fill *f)
{
	fills_lock(f->fills);
	bool gives_up = f->fills->stopping || f->doomed;
	fills_unlock(f->fills);
	return gives_up;
}

bool fill_is_wanted(struct fill *f)
{
	fills_lock(f->fills);
	bool wanted = !f->unwanted;
	fills_unlock(f->fills);
	return wanted;
}

bool fill_is_doomed(struct fill *f)
{
	fills_lock(f->fills);
	bool doomed = f->doomed;
	fills_unlock(f->fills);
	return doomed;
}

/* Under the lock. Those that have not begun yet ask the origin store later than this. */
static void doom(struct fills *fs, struct fill *f)
{
	f->doomed = true;
	take_out_of_bucket(fs, f);
	struct fill_waiter *all = f->waiters;
	if (all == NULL)
		return;
	f->waiters = NULL;
	struct fill *again = add(fs, f->hash, f->origin, f->content, f->object, f->slice);
	memcpy(again->etag, f->etag, sizeof(again->etag));
	again->ahead = f->ahead;
	again->waiters = all;
	again->for_peer = f->for_peer;
	all->prev = &again->waiters;
	for (struct fill_waiter *w = all; w != NULL; w = w->next)
		w->fill = again;
	fills_push(again);
}

void fills_purge(struct fills *fs, struct bytes content)
{
	OBJ_CHECK(fs, FILLS_MAGIC);
	fills_lock(fs);
	struct fill *f = TAILQ_FIRST(&fs->all), *next;
	for (; f != NULL; f = next) {
		next = TAILQ_NEXT(f, all_link); /* what is added behind has not begun */
		if (f->started && !f->doomed && cache_purges_object(content, f->content, f->object))
			doom(fs, f);
	}
	fills_unlock(fs);
}

/* -- asking -- */

/* Configurations come and go by reload, names stay. CONFIG_LIST_MAX when there is none of that name. */
static unsigned origin_index(const struct fills *fs, const struct config_origin *origin)
{
	for (size_t i = 0; i < fs->config->origins_n; i++)
		if (strcmp(fs->config->origins[i].name, origin->name) == 0)
			return (unsigned)i;
	return CONFIG_LIST_MAX;
}

static void count_peer(struct fills *fs, const struct fill_waiter *w)
{
	fs->counters.for_peers += w->for_peer;
}

/* A node that asks must wait for no fill that waits for another node's: they might wait for each other. Nor
 * may it wait for threads that do. */
static bool may_join(struct fill *f, struct fill_waiter *w)
{
	if (!w->for_peer || f->growing != NULL)
		return true;
	if (f->elsewhere) {
		w->answer.outcome = FILL_FAILED;
		w->answer.error = ERR_BUSY;
		return false;
	}
	f->for_peer = true;
	if (f->in == &f->fills->queue) {
		fill_unqueue(f);
		fills_push(f);
	}
	return true;
}

/* Under the lock. True: it is answered. */
static bool join(struct fills *fs, struct fill *f, struct fill_waiter *w)
{
	if (!may_join(f, w))
		return true;
	fs->counters.joined++;
	w->answer.collapsed = true;
	f->ahead = f->ahead && w->ahead;
	if (f->growing == NULL) {
		link_waiter(f, w);
		return false;
	}
	w->answer.outcome = FILL_GROWING;
	w->answer.growing = growing_ref(f->growing);
	w->answer.meta = f->meta;
	w->answer.from_peer = f->from_peer;
	return true;
}

/* The fill that brings the slice: its own, or one that is known to bring the whole object. */
static struct fill *find_bringing(
    struct fills *fs, uint64_t hash, unsigned origin, struct bytes object, uint32_t slice)
{
	struct fill *f = fills_find(fs, hash, origin, object, slice);
	if (f != NULL || slice == 1)
		return f;
	f = fills_find(fs, hash, origin, object, 1);
	return f != NULL && f->growing != NULL && f->meta.total == 0 ? f : NULL;
}

static void note_etag(struct fill *f, const char *etag)
{
	if (etag != NULL && f->etag[0] == '\0')
		(void)snprintf(f->etag, sizeof(f->etag), "%s", etag);
}

/* Under the lock. True: a->... is the answer already; false: the waiter is in a fill. */
static bool want(struct fills *fs, unsigned origin, struct bytes content, struct bytes object, uint32_t slice,
    const char *etag, struct fill_waiter *w)
{
	uint64_t hash = hash_of(fs, origin, object);
	uint64_t wait_ms;
	count_peer(fs, w);
	if (fills_know_missing(fs, hash, origin, content, w, &wait_ms)) {
		fs->counters.negative_hits++;
		return true;
	}
	struct fill *f = find_bringing(fs, hash, origin, object, slice);
	if (f != NULL) {
		note_etag(f, etag);
		return join(fs, f, w);
	}
	if (fs->stopping || fs->counters.queued + fs->counters.parked >= fs->queue_max) {
		fs->counters.failed++;
		w->answer.outcome = FILL_FAILED;
		w->answer.error = fs->stopping ? ERR_CLOSED : ERR_FULL;
		return true;
	}
	f = add(fs, hash, origin, content, object, slice);
	note_etag(f, etag);
	f->ahead = w->ahead;
	f->for_peer = w->for_peer;
	link_waiter(f, w);
	if (wait_ms > 0)
		fill_parks(f, fills_now_mono_ms() + wait_ms);
	else
		fills_push(f);
	return false;
}

void fill_want(struct fills *fs, const struct config_origin *origin, struct bytes content,
    struct bytes object, struct fill_waiter *w)
{
	fill_want_slice(fs, origin, content, object, 1, NULL, w);
}

void fill_want_slice(struct fills *fs, const struct config_origin *origin, struct bytes content,
    struct bytes object, uint32_t slice, const char *etag, struct fill_waiter *w)
{
	OBJ_CHECK(fs, FILLS_MAGIC);
	w->answer = (struct fill_answer){ .error = OK };
	w->next = NULL;
	w->prev = NULL;
	unsigned index = origin_index(fs, origin);
	struct cache_key key = { .origin = bytes_str(origin->name), .object = object };
	bool answered = true;
	if (index == CONFIG_LIST_MAX || key.origin.n > CACHE_ORIGIN_MAX) {
		w->answer.outcome = FILL_FAILED;
		w->answer.error = ERR_INVALID;
	} else if (object.n == 0 || object.n > CACHE_OBJECT_MAX || content.n > CACHE_OBJECT_MAX) {
		w->answer.outcome = FILL_NOT_FOUND; /* no store has what we could not name */
	} else {
		uint32_t one = fills_cuts(fs, index, object) ? slice : 1;
		fills_lock(fs);
		answered = want(fs, index, content, object, one, etag, w);
		fills_unlock(fs);
	}
	if (answered)
		CHECK(mailbox_post(w->mailbox, &w->letter));
}

/* Under the lock: nobody waits for what has not begun. */
static void drop(struct fills *fs, struct fill *f)
{
	fill_unqueue(f);
	take_out(fs, f);
	OBJ_FREE(f);
}

bool fill_forget(struct fills *fs, struct fill_waiter *w)
{
	fills_lock(fs);
	bool waiting = w->prev != NULL;
	if (waiting) {
		unlink_waiter(w);
		w->fill->unwanted = w->fill->waiters == NULL;
		if (w->fill->unwanted && w->fill->in != NULL)
			drop(fs, w->fill);
	}
	fills_unlock(fs);
	return waiting;
}

/* -- threads -- */

static void *run(void *arg)
{
	struct fills *fs = OBJ_CAST(struct fills, FILLS_MAGIC, arg);
	fills_lock(fs);
	for (struct fill *f; (f = fills_pop(fs)) != NULL;) {
		bool own = f->own;
		fills_unlock(fs);
		fill_run(f);
		fills_lock(fs);
		fills_popped_ends(fs, own);
	}
	fills_unlock(fs);
	return NULL;
}

static void init_origins(struct fills *fs, const struct fills_config *c)
{
	for (size_t i = 0; i < c->config->origins_n; i++) {
		const struct config_origin *o = &c->config->origins[i];
		if (c->sources != NULL) {
			fs->origins[i].source = c->sources[i];
			continue;
		}
		switch (o->type) {
		case ORIGIN_DIR: fs->origins[i].source = fs_dir_new(o->path); break;
		case ORIGIN_HTTP:
		case ORIGIN_S3: fs->origins[i].source = curl_source_of(o, c->config->cluster); break;
		}
	}
}

static void init_locks(struct fills *fs)
{
	pthread_condattr_t attributes;
	CHECK(pthread_mutex_init(&fs->lock, NULL) == 0);
	CHECK(pthread_cond_init(&fs->work, NULL) == 0);
	CHECK(pthread_condattr_init(&attributes) == 0);
	CHECK(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
	CHECK(pthread_cond_init(&fs->watch_work, &attributes) == 0);
	CHECK(pthread_condattr_destroy(&attributes) == 0);
}

static void start_threads(struct fills *fs, unsigned threads)
{
	for (; fs->threads_n < threads; fs->threads_n++)
		if (pthread_create(&fs->threads[fs->threads_n], NULL, run, fs) != 0)
			break;
	fs->watching = pthread_create(&fs->watch, NULL, fills_watch, fs) == 0;
}

enum err fills_new(const struct fills_config *c, struct fills **out)
{
	if (c->threads > FILL_THREADS_MAX / 2 || c->config->origins_n > CONFIG_LIST_MAX)
		return ERR_INVALID;
	struct fills *fs = OBJ_NEW(struct fills, FILLS_MAGIC);
	fs->cache = c->cache;
	fs->config = c->config;
	fs->peers = c->peers;
	fs->now_wall_ms = c->now_wall_ms;
	fs->negative_ttl_ms = c->negative_ttl_ms > 0 ? c->negative_ttl_ms : NEGATIVE_TTL_DEFAULT_MS;
	fs->stale_after_ms = c->stale_after_ms > 0 ? c->stale_after_ms : STALE_AFTER_DEFAULT_MS;
	fs->give_up_after_ms = c->give_up_after_ms > 0 ? c->give_up_after_ms : GIVE_UP_AFTER_DEFAULT_MS;
	fs->queue_max = c->queue_max > 0 ? c->queue_max : QUEUE_DEFAULT;
	fs->stale_if_error_ms = c->stale_if_error_ms > 0 ? c->stale_if_error_ms : STALE_IF_ERROR_DEFAULT_MS;
	fs->ram = ram_new(c->config->ram_bytes);
	init_origins(fs, c);
	uint64_t seed;
	randombytes_buf(&seed, sizeof(seed));
	randombytes_buf(fs->hash_key.b, sizeof(fs->hash_key.b));
	prng_init(&fs->prng, seed);
	TAILQ_INIT(&fs->queue);
	TAILQ_INIT(&fs->peer_queue);
	TAILQ_INIT(&fs->parked);
	TAILQ_INIT(&fs->all);
	init_locks(fs);
	fs->own_max = c->threads > 0 ? c->threads : THREADS_DEFAULT;
	start_threads(fs, fs->own_max * (fs->peers != NULL ? 2 : 1));
	if (fs->threads_n == 0 || !fs->watching) {
		fills_free(fs);
		return ERR_NO_MEMORY;
	}
	*out = fs;
	return OK;
}

static void stop_threads(struct fills *fs)
{
	fills_lock(fs);
	fs->stopping = true;
	CHECK(pthread_cond_broadcast(&fs->work) == 0);
	CHECK(pthread_cond_signal(&fs->watch_work) == 0);
	fills_unlock(fs);
	for (size_t i = 0; i < fs->config->origins_n; i++)
		if (fs->origins[i].source->stop != NULL)
			fs->origins[i].source->stop(fs->origins[i].source);
	if (fs->peers != NULL)
		peers_stop(fs->peers);
	for (unsigned i = 0; i < fs->threads_n; i++)
		CHECK(pthread_join(fs->threads[i], NULL) == 0);
	if (fs->watching)
		CHECK(pthread_join(fs->watch, NULL) == 0);
}

void fills_free(struct fills *fs)
{
	if (fs == NULL)
		return;
	OBJ_CHECK(fs, FILLS_MAGIC);
	stop_threads(fs);
	const struct fill_answer closed = { .outcome = FILL_FAILED, .error = ERR_CLOSED };
	/* No thread is left: what there is waits for one. */
	for (struct fill *f; (f = TAILQ_FIRST(&fs->all)) != NULL;) {
		fill_unqueue(f);
		fill_ends(f, &closed);
	}
	for (size_t i = 0; i < fs->config->origins_n; i++)
		fs->origins[i].source->free(fs->origins[i].source);
	ram_unref(fs->ram);
	CHECK(pthread_cond_destroy(&fs->work) == 0);
	CHECK(pthread_cond_destroy(&fs->watch_work) == 0);
	CHECK(pthread_mutex_destroy(&fs->lock) == 0);
	OBJ_FREE(fs);
}

struct ram *fills_ram(const struct fills *f)
{
	return f->ram;
}

void fills_count(const struct fills *f, struct fills_counters *out)
{
	struct fills *fs = OBJ_CAST(struct fills, FILLS_MAGIC, (void *)(uintptr_t)f);
	fills_lock(fs);
	*out = fs->counters;
	fills_unlock(fs);
	struct peers_counters peers = { 0 };
	if (fs->peers != NULL)
		peers_count(fs->peers, &peers);
	out->threads = fs->own_max;
	out->peer_misses = peers.misses;
	out->peer_failures = peers.failures;
	out->hedged = peers.hedged;
	out->fills_asked = peers.fills_asked;
	out->fills_awaited = peers.fills_awaited;
}
