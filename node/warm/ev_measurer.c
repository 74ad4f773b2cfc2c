#include "node/warm/ev_measurer.h"

#include "base/obj.h"
#include "node/warm/fs_playlist.h"
#include "node/warm/hls.h"
#include "node/warm/resolve.h"
#include "node/warm/share.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#define MEASURER_MAGIC 0x6d656173u

enum { NAMES_MAX_BYTES = 64 * 1024, KEPT_MAX_BYTES = 1 << 20, REST_TIMES = 3 };

struct measurer {
	unsigned magic;
	struct cache *cache;
	pthread_t thread;
	_Atomic uint64_t measured;
	struct arena kept;

	pthread_mutex_t lock;
	pthread_cond_t wake; /* CLOCK_MONOTONIC */
	bool woken, stopping;
};

/* -- one content -- */

struct variant {
	struct bytes object; /* in the arena */
	uint32_t bps;
};

struct measuring {
	struct cache *cache;
	const struct cache_unmeasured *u;
	struct arena *kept;
	struct arena names; /* of one name */
	struct bytes base;  /* the playlist that is read */
	struct variant variants[MEASURER_VARIANTS_MAX];
	size_t variants_n;
	/* of one media playlist */
	struct share_segment *segments;
	size_t segments_n, segments_cap;
	struct bytes last; /* uri of the last segment: several may be parts of one object */
	struct share_segment last_segment;
	uint64_t held_bytes, held_ms;
};

static bool resolve(struct measuring *m, struct bytes uri, struct bytes *object)
{
	return warm_resolve(m->u->content, m->base, uri, &m->names, object) == OK;
}

static struct variant *find_variant(struct measuring *m, struct bytes object)
{
	for (size_t i = 0; i < m->variants_n; i++)
		if (bytes_eq(m->variants[i].object, object))
			return &m->variants[i];
	return NULL;
}

static void on_variant(void *arg, const struct hls_item *i)
{
	struct measuring *m = arg;
	struct bytes object;
	if (i->kind != HLS_VARIANT || !resolve(m, i->uri, &object))
		return;
	uint32_t bps = i->average_bps > 0 ? i->average_bps : i->peak_bps;
	struct variant *v = find_variant(m, object);
	if (v == NULL && m->variants_n < MEASURER_VARIANTS_MAX) {
		struct bytes kept = arena_dup(m->kept, object);
		if (kept.p != NULL) {
			v = &m->variants[m->variants_n++];
			*v = (struct variant){ .object = kept };
		}
	}
	if (v != NULL && bps > v->bps)
		v->bps = bps;
	arena_reset(&m->names);
}

static void put_segment(struct measuring *m, struct share_segment s)
{
	if (m->segments_n == SHARE_SEGMENTS_MAX)
		return;
	if (m->segments_n == m->segments_cap) {
		m->segments_cap = m->segments_cap == 0 ? 256 : 2 * m->segments_cap;
		m->segments = realloc(m->segments, m->segments_cap * sizeof(m->segments[0]));
		CHECK(m->segments != NULL);
	}
	m->segments[m->segments_n++] = s;
}

static void on_segment(void *arg, const struct hls_item *i)
{
	struct measuring *m = arg;
	struct cache_key key = { .origin = m->u->origin };
	uint64_t length = 0;
	if (i->kind != HLS_SEGMENT)
		return;
	bool again = m->last.n > 0 && bytes_eq(m->last, i->uri);
	struct share_segment s = { .duration_ms = i->duration_ms, .held = again && m->last_segment.held };
	if (!again && resolve(m, i->uri, &key.object))
		s.held = cache_holds(m->cache, &key, &length);
	m->held_bytes += length;
	m->held_ms += s.held ? s.duration_ms : 0;
	m->last = i->uri;
	m->last_segment = s;
	put_segment(m, s);
	arena_reset(&m->names);
}

static void read_playlist(
    struct measuring *m, struct bytes object, void (*item)(void *arg, const struct hls_item *i))
{
	struct cache_key key = { .origin = m->u->origin, .object = object };
	struct cache_unit *unit = cache_look(m->cache, &key);
	if (unit == NULL)
		return;
	uint64_t n = unit->meta->length;
	uint8_t *text = playlist_read(unit->fd, n, MEASURER_PLAYLIST_MAX_BYTES);
	cache_release(m->cache, unit);
	m->base = object;
	m->segments_n = 0;
	m->last = BYTES_NONE;
	m->held_bytes = m->held_ms = 0;
	enum err e = text != NULL ? hls_read(bytes_of(text, n), item, m) : OK;
	(void)e; /* a playlist that is none names nothing */
	free(text);
}

/* Beside the variants that a multivariant playlist names, what is held is sound or the like: unless none of
 * them is held, as when that playlist is of another time. */
static bool is_counted(struct measuring *m, struct bytes object, bool any_known, uint32_t *bps)
{
	const struct variant *v = find_variant(m, object);
	*bps = v != NULL ? v->bps : 0;
	return v != NULL || !any_known;
}

static uint32_t kbps_of(uint64_t bits, uint64_t ms)
{
	uint64_t kbps = ms > 0 ? bits / ms : 0;
	return kbps < UINT32_MAX ? (uint32_t)kbps : UINT32_MAX;
}

static void look_at_segments(struct measuring *m, struct share *share, struct cache_measure *out)
{
	bool any_known = false;
	for (size_t i = 0; i < m->u->playlists_n; i++)
		any_known |= find_variant(m, m->u->playlists[i]) != NULL;
	for (size_t i = 0; i < m->u->playlists_n; i++) {
		uint32_t bps;
		if (!is_counted(m, m->u->playlists[i], any_known, &bps))
			continue;
		read_playlist(m, m->u->playlists[i], on_segment);
		if (m->segments_n == 0)
			continue;
		share_add(share, bps, m->segments, m->segments_n);
		out->segments += (uint32_t)m->segments_n;
		uint32_t kbps = kbps_of(m->held_bytes * 8, m->held_ms);
		if (m->variants_n == 0 && kbps > out->kbps)
			out->kbps = kbps;
	}
}

void measure_content(
    struct cache *cache, const struct cache_unmeasured *u, struct arena *arena, struct cache_measure *out)
{
	struct measuring *m = calloc(1, sizeof(*m));
	CHECK(m != NULL);
	struct share share;
	m->cache = cache;
	m->u = u;
	m->kept = arena;
	arena_init(&m->names, NAMES_MAX_BYTES);
	share_init(&share);
	*out = (struct cache_measure){ 0 };
	for (size_t i = 0; i < u->playlists_n; i++)
		read_playlist(m, u->playlists[i], on_variant);
	for (size_t i = 0; i < m->variants_n; i++) {
		uint32_t kbps = kbps_of(m->variants[i].bps, 1000);
		share_name(&share, m->variants[i].bps);
		out->kbps = kbps > out->kbps ? kbps : out->kbps;
	}
	look_at_segments(m, &share, out);
	out->share_permille = share_permille(&share);
	/* Nothing but playlists: of whatever they name there is nothing. */
	if (out->share_permille == 0 && u->objects <= u->playlists_n && m->variants_n > 0)
		out->share_permille = 1;
	arena_fini(&m->names);
	free(m->segments);
	free(m);
}

/* -- the thread -- */

static uint64_t now_mono_ms(void)
{
	struct timespec t;
	CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void lock_measurer(struct measurer *m)
{
	CHECK(pthread_mutex_lock(&m->lock) == 0);
}

static void unlock_measurer(struct measurer *m)
{
	CHECK(pthread_mutex_unlock(&m->lock) == 0);
}

/* From any thread. */
static void on_unmeasured(void *arg)
{
	struct measurer *m = OBJ_CAST(struct measurer, MEASURER_MAGIC, arg);
	lock_measurer(m);
	m->woken = true;
	CHECK(pthread_cond_signal(&m->wake) == 0);
	unlock_measurer(m);
}

/* False: it is to end. `heeds`: woken before that, it goes on. */
static bool wait_until(struct measurer *m, uint64_t at_ms, bool heeds)
{
	struct timespec until = { .tv_sec = (time_t)(at_ms / 1000), .tv_nsec = (long)(at_ms % 1000) * 1000000 };
	lock_measurer(m);
	while (!m->stopping && !(heeds && m->woken) && now_mono_ms() < at_ms) {
		if (at_ms == UINT64_MAX)
			CHECK(pthread_cond_wait(&m->wake, &m->lock) == 0);
		else
			(void)pthread_cond_timedwait(&m->wake, &m->lock, &until);
	}
	if (heeds)
		m->woken = false;
	bool goes_on = !m->stopping;
	unlock_measurer(m);
	return goes_on;
}

static void *run(void *arg)
{
	struct measurer *m = OBJ_CAST(struct measurer, MEASURER_MAGIC, arg);
	bool goes_on = true;
	while (goes_on) {
		struct cache_unmeasured u;
		struct cache_measure is;
		uint64_t began_ms = now_mono_ms(), at_ms;
		arena_reset(&m->kept);
		if (!cache_next_unmeasured(m->cache, &m->kept, &u, &at_ms)) {
			goes_on = wait_until(m, at_ms, true);
			continue;
		}
		measure_content(m->cache, &u, &m->kept, &is);
		cache_measured(m->cache, u.origin, u.content, u.objects, &is);
		atomic_fetch_add_explicit(&m->measured, 1, memory_order_relaxed);
		uint64_t ended_ms = now_mono_ms();
		goes_on = wait_until(m, ended_ms + REST_TIMES * (ended_ms - began_ms), false);
	}
	return NULL;
}

uint64_t measurer_count(const struct measurer *m)
{
	return m != NULL ? atomic_load_explicit(&m->measured, memory_order_relaxed) : 0;
}

static void dispose(struct measurer *m)
{
	arena_fini(&m->kept);
	CHECK(pthread_cond_destroy(&m->wake) == 0);
	CHECK(pthread_mutex_destroy(&m->lock) == 0);
	OBJ_FREE(m);
}

enum err measurer_start(struct cache *cache, struct measurer **out)
{
	struct measurer *m = OBJ_NEW(struct measurer, MEASURER_MAGIC);
	pthread_condattr_t attributes;
	m->cache = cache;
	arena_init(&m->kept, KEPT_MAX_BYTES);
	CHECK(pthread_mutex_init(&m->lock, NULL) == 0);
	CHECK(pthread_condattr_init(&attributes) == 0);
	CHECK(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
	CHECK(pthread_cond_init(&m->wake, &attributes) == 0);
	CHECK(pthread_condattr_destroy(&attributes) == 0);
	cache_on_unmeasured(cache, on_unmeasured, m);
	if (pthread_create(&m->thread, NULL, run, m) != 0) {
		cache_on_unmeasured(cache, NULL, NULL);
		dispose(m);
		return ERR_NO_MEMORY;
	}
	*out = m;
	return OK;
}

void measurer_stop(struct measurer *m)
{
	if (m == NULL)
		return;
	OBJ_CHECK(m, MEASURER_MAGIC);
	cache_on_unmeasured(m->cache, NULL, NULL);
	lock_measurer(m);
	m->stopping = true;
	CHECK(pthread_cond_signal(&m->wake) == 0);
	unlock_measurer(m);
	CHECK(pthread_join(m->thread, NULL) == 0);
	dispose(m);
}
