#include "node/warm/prefetch.h"

#include "base/obj.h"
#include "node/cache/cache.h"
#include "node/warm/hls.h"
#include "node/warm/resolve.h"

#include <stdlib.h>
#include <string.h>

#define PREFETCH_MAGIC 0x70726566u

enum { VIEWER_TEXT_MAX = (PREFETCH_AHEAD_MAX + 2) * (CACHE_OBJECT_MAX + 16) };

unsigned prefetch_depth(unsigned most, bool has_buffer, uint32_t buffer_ms)
{
	unsigned depth = most;
	if (has_buffer && buffer_ms >= PREFETCH_FULL_MS)
		depth = 1;
	else if (has_buffer && buffer_ms >= PREFETCH_CALM_MS)
		depth = 2;
	return depth < most ? depth : most;
}

/* -- playlists -- */

struct following {
	struct bytes content, base, object, last_name;
	unsigned most;
	struct arena *arena;
	struct arena names;
	struct bytes *out;
	size_t n;
	bool found;
};

static size_t last_slash(struct bytes s)
{
	size_t i = s.n;
	while (i > 0 && s.p[i - 1] != '/')
		i--;
	return i;
}

/* Whether the name can be the object's, which most are not: told without resolving them. */
static bool may_be(const struct following *f, struct bytes uri)
{
	return bytes_index(uri, '%') < uri.n || bytes_index(uri, '?') < uri.n || bytes_index(uri, '#') < uri.n ||
	       bytes_ends_with(uri, f->last_name);
}

static void on_item(void *arg, const struct hls_item *i)
{
	struct following *f = arg;
	struct bytes object;
	if (i->kind != HLS_SEGMENT || (f->found ? f->n >= f->most : !may_be(f, i->uri)))
		return;
	arena_reset(&f->names);
	if (warm_resolve(f->content, f->base, i->uri, &f->names, &object) != OK)
		return;
	bool same = bytes_eq(object, f->object);
	if (same || !f->found) {
		f->found |= same;
		return;
	}
	if (f->n > 0 && bytes_eq(f->out[f->n - 1], object)) /* another part of it */
		return;
	struct bytes kept = arena_dup(f->arena, object);
	if (kept.p != NULL)
		f->out[f->n++] = kept;
}

bool prefetch_following(struct bytes playlist, struct bytes content, struct bytes base, struct bytes object,
    unsigned most, struct arena *a, struct bytes following[PREFETCH_AHEAD_MAX], size_t *n)
{
	struct following f = { .content = content,
		.base = base,
		.object = object,
		.last_name = bytes_from(object, last_slash(object)),
		.most = most < PREFETCH_AHEAD_MAX ? most : PREFETCH_AHEAD_MAX,
		.arena = a,
		.out = following };
	arena_init(&f.names, 8 * CACHE_OBJECT_MAX);
	bool found = hls_read(playlist, on_item, &f) == OK && f.found;
	arena_fini(&f.names);
	*n = found ? f.n : 0;
	return found;
}

/* -- viewers -- */

struct viewer {
	struct rpc_session_id id;
	bool known;
	uint64_t said_ms;
	const struct config_origin *origin;
	struct bytes content, playlist;
	struct bytes objects[PREFETCH_AHEAD_MAX];
	size_t n, taken;
	uint32_t buffer_ms;
	struct arena text;
};

struct prefetch {
	unsigned magic;
	struct viewer viewers[PREFETCH_VIEWERS_MAX];
	size_t waiting; /* viewers with something left to take */
	uint64_t stale;
};

struct prefetch *prefetch_new(void)
{
	struct prefetch *p = OBJ_NEW(struct prefetch, PREFETCH_MAGIC);
	for (size_t i = 0; i < PREFETCH_VIEWERS_MAX; i++)
		arena_init(&p->viewers[i].text, VIEWER_TEXT_MAX);
	return p;
}

void prefetch_free(struct prefetch *p)
{
	if (p == NULL)
		return;
	OBJ_CHECK(p, PREFETCH_MAGIC);
	for (size_t i = 0; i < PREFETCH_VIEWERS_MAX; i++)
		arena_fini(&p->viewers[i].text);
	OBJ_FREE(p);
}

static const struct viewer *find(const struct prefetch *p, const struct rpc_session_id *id)
{
	for (size_t i = 0; i < PREFETCH_VIEWERS_MAX; i++)
		if (p->viewers[i].known && memcmp(p->viewers[i].id.b, id->b, sizeof(id->b)) == 0)
			return &p->viewers[i];
	return NULL;
}

/* His own, an empty one, or that of whoever spoke longest ago. */
static struct viewer *place_of(struct prefetch *p, const struct rpc_session_id *id)
{
	const struct viewer *known = find(p, id);
	if (known != NULL)
		return &p->viewers[known - p->viewers];
	struct viewer *oldest = &p->viewers[0];
	for (size_t i = 0; i < PREFETCH_VIEWERS_MAX; i++) {
		struct viewer *v = &p->viewers[i];
		if (!v->known)
			return v;
		if (v->said_ms < oldest->said_ms)
			oldest = v;
	}
	return oldest;
}

static bool wishes(const struct viewer *v)
{
	return v->known && v->taken < v->n;
}

static void drop_wishes(struct prefetch *p, struct viewer *v)
{
	CHECK(!wishes(v) || p->waiting > 0);
	p->waiting -= wishes(v);
	v->n = v->taken = 0;
}

struct bytes prefetch_playlist(const struct prefetch *p, const struct rpc_session_id *viewer)
{
	OBJ_CHECK(p, PREFETCH_MAGIC);
	const struct viewer *v = find(p, viewer);
	return v != NULL ? v->playlist : BYTES_NONE;
}

void prefetch_put(struct prefetch *p, const struct prefetch_wish *w, uint64_t now_ms)
{
	OBJ_CHECK(p, PREFETCH_MAGIC);
	struct viewer *v = place_of(p, &w->viewer);
	drop_wishes(p, v);
	arena_reset(&v->text);
	v->known = true;
	v->id = w->viewer;
	v->said_ms = now_ms;
	v->origin = w->origin;
	v->buffer_ms = w->buffer_ms;
	v->content = arena_dup(&v->text, w->content);
	v->playlist = arena_dup(&v->text, w->playlist);
	for (size_t i = 0; i < w->n && i < PREFETCH_AHEAD_MAX; i++) {
		struct bytes object = arena_dup(&v->text, w->objects[i]);
		if (object.p == NULL || v->content.p == NULL)
			break;
		v->objects[v->n++] = object;
	}
	p->waiting += wishes(v);
}

/* The fewer he has had of what he wished, then the less he has buffered. */
static bool goes_before(const struct viewer *a, const struct viewer *b)
{
	return a->taken != b->taken ? a->taken < b->taken : a->buffer_ms < b->buffer_ms;
}

bool prefetch_take(struct prefetch *p, uint64_t now_ms, struct prefetch_object *out)
{
	OBJ_CHECK(p, PREFETCH_MAGIC);
	struct viewer *best = NULL;
	for (size_t i = 0; i < PREFETCH_VIEWERS_MAX && p->waiting > 0; i++) {
		struct viewer *v = &p->viewers[i];
		if (wishes(v) && now_ms - v->said_ms > PREFETCH_STALE_MS) {
			p->stale += v->n - v->taken;
			drop_wishes(p, v);
		}
		if (wishes(v) && (best == NULL || goes_before(v, best)))
			best = v;
	}
	if (best == NULL)
		return false;
	*out = (struct prefetch_object){ best->origin, best->content, best->objects[best->taken++] };
	p->waiting -= !wishes(best);
	return true;
}

bool prefetch_waits(const struct prefetch *p)
{
	OBJ_CHECK(p, PREFETCH_MAGIC);
	return p->waiting > 0;
}

uint64_t prefetch_stale(const struct prefetch *p)
{
	OBJ_CHECK(p, PREFETCH_MAGIC);
	return p->stale;
}
