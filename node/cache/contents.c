#include "node/cache/contents.h"

#include "base/hash.h"
#include "base/obj.h"

#include <string.h>

enum {
	BUCKETS_START = 64,
	STEP_PERMILLE = 125,  /* of the share: what is told at once */
	STEADY_PERMILLE = 15, /* a share that goes to and fro over a step is told when it is past it by that */
	STEP_PART = 8,        /* the same of objects and kbit/s */
	MEASURE_PART = 64,    /* of the segments: so many more or less are worth a measure */
};

static const char *const entry_names[CONTENT_ENTRIES] = { "master.m3u8", "index.m3u8", "manifest.mpd" };

/* The table is this process's own, and content ids are the operator's, not the viewers': a fixed key serves.
 */
static const struct hash_key table_key = { { 'c', 'o', 'n', 't', 'e', 'n', 't', 's' } };

/* What is told of a content. */
struct holding {
	uint32_t objects, share_permille, kbps;
	unsigned entry; /* CONTENT_ENTRIES: none */
	bool measured;
};

/* A place in one line at a time. */
struct waiting {
	struct contents_line *line; /* NULL: in none */
	uint64_t due_ms;
};

struct content {
	struct content *next;
	TAILQ_ENTRY(content) tell_link, measure_link;
	struct waiting tell, measure;
	uint64_t hash;
	uint64_t bytes;
	uint32_t objects;
	uint32_t entries[CONTENT_ENTRIES];
	struct unit **playlists;
	uint32_t playlists_n, playlists_cap;
	bool measured;
	struct cache_measure measure_of;
	uint32_t measured_objects; /* that were held then */
	bool is_told;
	struct holding told;
	struct bytes origin, name;
	uint8_t text[];
};

void contents_init(struct contents *t)
{
	*t = (struct contents){ .mask = BUCKETS_START - 1 };
	t->buckets = calloc(BUCKETS_START, sizeof(struct content *));
	CHECK(t->buckets != NULL);
	TAILQ_INIT(&t->changed);
	TAILQ_INIT(&t->later);
	TAILQ_INIT(&t->soon);
	TAILQ_INIT(&t->late);
}

void contents_fini(struct contents *t)
{
	for (size_t i = 0; i <= t->mask; i++) {
		struct content *next;
		for (struct content *c = t->buckets[i]; c != NULL; c = next) {
			next = c->next;
			CHECK(c->objects == 0);
			free(c->playlists);
			free(c);
		}
	}
	free(t->buckets);
	t->buckets = NULL;
}

static uint64_t hash_of(struct bytes origin, struct bytes name)
{
	return hash_mix(hash64(&table_key, origin)) ^ hash64(&table_key, name);
}

static struct content *find(const struct contents *t, uint64_t hash, struct bytes origin, struct bytes name)
{
	struct content *c = t->buckets[(size_t)hash & t->mask];
	while (c != NULL && !(c->hash == hash && bytes_eq(c->name, name) && bytes_eq(c->origin, origin)))
		c = c->next;
	return c;
}

static void grow(struct contents *t)
{
	size_t mask = t->mask * 2 + 1;
	struct content **wider = calloc(mask + 1, sizeof(struct content *));
	CHECK(wider != NULL);
	for (size_t i = 0; i <= t->mask; i++) {
		struct content *next;
		for (struct content *c = t->buckets[i]; c != NULL; c = next) {
			next = c->next;
			c->next = wider[(size_t)c->hash & mask];
			wider[(size_t)c->hash & mask] = c;
		}
	}
	free(t->buckets);
	t->buckets = wider;
	t->mask = mask;
}

static struct content *find_or_make(struct contents *t, struct bytes origin, struct bytes name)
{
	uint64_t hash = hash_of(origin, name);
	struct content *c = find(t, hash, origin, name);
	if (c != NULL)
		return c;
	if (t->n > t->mask)
		grow(t);
	c = calloc(1, sizeof(*c) + origin.n + name.n);
	CHECK(c != NULL);
	c->hash = hash;
	memcpy(c->text, origin.p, origin.n);
	if (name.n > 0)
		memcpy(c->text + origin.n, name.p, name.n);
	c->origin = bytes_of(c->text, origin.n);
	c->name = bytes_of(c->text + origin.n, name.n);
	c->next = t->buckets[(size_t)hash & t->mask];
	t->buckets[(size_t)hash & t->mask] = c;
	t->n++;
	return c;
}

/* -- lines -- */

static void leave_measure(struct content *c)
{
	if (c->measure.line != NULL)
		TAILQ_REMOVE(c->measure.line, c, measure_link);
	c->measure.line = NULL;
}

static void leave_tell(struct content *c)
{
	if (c->tell.line != NULL)
		TAILQ_REMOVE(c->tell.line, c, tell_link);
	c->tell.line = NULL;
}

static void forget(struct contents *t, struct content *c)
{
	struct content **at = &t->buckets[(size_t)c->hash & t->mask];
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	t->n--;
	leave_tell(c);
	leave_measure(c);
	free(c->playlists);
	free(c);
}

/* -- what is worth telling -- */

static unsigned entry_held(const struct content *c)
{
	unsigned i = 0;
	while (i < CONTENT_ENTRIES && c->entries[i] == 0)
		i++;
	return i;
}

/* Without a playlist nothing can be measured any more: what is gone since counts for as much as the rest. */
static uint32_t share_now(const struct content *c)
{
	uint32_t share = c->measure_of.share_permille;
	if (!c->measured || c->playlists_n > 0 || c->objects >= c->measured_objects || share == 0)
		return c->measured ? share : 0;
	uint32_t left = (uint32_t)((uint64_t)share * c->objects / c->measured_objects);
	return left > 0 ? left : 1;
}

static struct holding holding_of(const struct content *c)
{
	return (struct holding){ .objects = c->objects,
		.share_permille = share_now(c),
		.kbps = c->measured ? c->measure_of.kbps : 0,
		.entry = entry_held(c),
		.measured = c->measured };
}

static uint32_t between(uint32_t a, uint32_t b)
{
	return a > b ? a - b : b - a;
}

static bool is_part(uint32_t was, uint32_t is)
{
	return (uint64_t)between(was, is) * STEP_PART >= (was > STEP_PART ? was : STEP_PART);
}

static bool is_share_step(uint32_t was, uint32_t is)
{
	return was / STEP_PERMILLE != is / STEP_PERMILLE && between(was, is) >= STEADY_PERMILLE;
}

static bool is_step(const struct content *c, const struct holding *is)
{
	const struct holding *was = &c->told;
	if (!c->is_told || (was->objects == 0) != (is->objects == 0) || was->entry != is->entry ||
	    was->measured != is->measured || is_part(was->kbps, is->kbps))
		return true;
	if (is->share_permille == 0 || was->share_permille == 0)
		return is->share_permille != was->share_permille || is_part(was->objects, is->objects);
	return is_share_step(was->share_permille, is->share_permille);
}

static unsigned mark_tell(struct contents *t, struct content *c, uint64_t now_ms)
{
	struct holding is = holding_of(c);
	if (c->tell.line == &t->changed)
		return 0;
	if (is_step(c, &is)) {
		bool first = TAILQ_EMPTY(&t->changed);
		leave_tell(c);
		c->tell.line = &t->changed;
		TAILQ_INSERT_TAIL(&t->changed, c, tell_link);
		return first ? CONTENTS_NEWS : 0;
	}
	if (c->tell.line == NULL) {
		c->tell = (struct waiting){ &t->later, now_ms + CONTENTS_TELL_LATE_MS };
		TAILQ_INSERT_TAIL(&t->later, c, tell_link);
	}
	return 0;
}

/* -- what is worth a measure -- */

static bool is_measure_worth(const struct content *c)
{
	uint64_t changed = between(c->objects, c->measured_objects);
	return !c->measured || (changed > 0 && changed * MEASURE_PART >= c->measure_of.segments);
}

static unsigned mark_measure(struct contents *t, struct content *c, bool playlist, uint64_t now_ms)
{
	if (c->playlists_n == 0) {
		leave_measure(c);
		return 0;
	}
	bool soon = playlist || is_measure_worth(c);
	if (c->measure.line == &t->soon || (c->measure.line == &t->late && !soon))
		return 0;
	struct contents_line *line = soon ? &t->soon : &t->late;
	bool first = TAILQ_EMPTY(line);
	leave_measure(c);
	c->measure =
	    (struct waiting){ line, now_ms + (soon ? CONTENTS_MEASURE_SOON_MS : CONTENTS_MEASURE_LATE_MS) };
	TAILQ_INSERT_TAIL(line, c, measure_link);
	return first ? CONTENTS_UNMEASURED : 0;
}

/* -- units come and go -- */

/* Which of the entry playlists the unit is, or CONTENT_ENTRIES: content/NAME, nothing deeper. */
static unsigned entry_of(const struct unit *u)
{
	struct bytes object = u->record.key.object, content = u->record.content;
	if (u->record.key.slice != 0 || object.n <= content.n || !bytes_starts_with(object, content) ||
	    object.p[content.n] != '/')
		return CONTENT_ENTRIES;
	unsigned i = 0;
	while (i < CONTENT_ENTRIES && !bytes_eq(bytes_from(object, content.n + 1), bytes_str(entry_names[i])))
		i++;
	return i;
}

static bool is_playlist(const struct unit *u)
{
	return u->record.key.slice == 0 && bytes_ends_with(u->record.key.object, BYTES_LIT(".m3u8"));
}

static void add_playlist(struct content *c, struct unit *u)
{
	if (c->playlists_n == c->playlists_cap) {
		c->playlists_cap = c->playlists_cap == 0 ? 4 : c->playlists_cap * 2;
		c->playlists = realloc(c->playlists, c->playlists_cap * sizeof(struct unit *));
		CHECK(c->playlists != NULL);
	}
	c->playlists[c->playlists_n++] = u;
}

static void remove_playlist(struct content *c, const struct unit *u)
{
	uint32_t i = 0;
	while (i < c->playlists_n && c->playlists[i] != u)
		i++;
	CHECK(i < c->playlists_n);
	c->playlists[i] = c->playlists[--c->playlists_n];
}

static unsigned mark(struct contents *t, struct content *c, bool playlist, uint64_t now_ms)
{
	return mark_measure(t, c, playlist, now_ms) | mark_tell(t, c, now_ms);
}

unsigned contents_add(struct contents *t, struct unit *u, uint64_t now_ms)
{
	CHECK(u->content == NULL);
	struct content *c = find_or_make(t, u->record.key.origin, u->record.content);
	u->content = c;
	c->bytes += u->record.length;
	c->objects++;
	unsigned entry = entry_of(u);
	if (entry < CONTENT_ENTRIES)
		c->entries[entry]++;
	bool playlist = is_playlist(u);
	if (playlist)
		add_playlist(c, u);
	t->units++;
	t->bytes += u->record.length;
	return mark(t, c, playlist, now_ms);
}

unsigned contents_remove(struct contents *t, struct unit *u, uint64_t now_ms)
{
	struct content *c = u->content;
	CHECK(c != NULL && c->objects > 0);
	u->content = NULL;
	c->bytes -= u->record.length;
	c->objects--;
	unsigned entry = entry_of(u);
	if (entry < CONTENT_ENTRIES)
		c->entries[entry]--;
	bool playlist = is_playlist(u);
	if (playlist)
		remove_playlist(c, u);
	t->units--;
	t->bytes -= u->record.length;
	return mark(t, c, playlist, now_ms);
}

/* -- telling -- */

static struct content *next_told(const struct contents *t, uint64_t now_ms)
{
	struct content *c = TAILQ_FIRST(&t->changed), *later = TAILQ_FIRST(&t->later);
	return c == NULL && later != NULL && later->tell.due_ms <= now_ms ? later : c;
}

bool contents_has_news(const struct contents *t, uint64_t now_ms)
{
	return next_told(t, now_ms) != NULL;
}

bool contents_tell(struct contents *t, uint64_t now_ms, struct contents_told *out)
{
	struct content *c = next_told(t, now_ms);
	if (c == NULL)
		return false;
	leave_tell(c);
	memcpy(out->origin, c->origin.p, c->origin.n);
	if (c->name.n > 0)
		memcpy(out->content, c->name.p, c->name.n);
	bool fewer = c->is_told && c->objects < c->told.objects;
	c->told = holding_of(c);
	c->is_told = true;
	out->news = (struct cache_content_news){ .origin = bytes_of(out->origin, c->origin.n),
		.content = bytes_of(out->content, c->name.n),
		.bytes = c->bytes,
		.objects = c->objects,
		.entry = c->told.entry < CONTENT_ENTRIES ? bytes_str(entry_names[c->told.entry]) : BYTES_NONE,
		.fewer = fewer,
		.measured = c->told.measured,
		.share_permille = c->told.share_permille,
		.kbps = c->told.kbps };
	if (c->objects == 0)
		forget(t, c);
	return true;
}

/* -- measuring -- */

static size_t name_playlists(
    const struct content *c, struct arena *a, struct bytes names[CACHE_PLAYLISTS_MAX])
{
	size_t n = 0;
	for (; n < c->playlists_n && n < CACHE_PLAYLISTS_MAX; n++) {
		names[n] = arena_dup(a, c->playlists[n]->record.key.object);
		if (names[n].p == NULL)
			return 0;
	}
	return n;
}

size_t contents_playlists(const struct contents *t, struct bytes origin, struct bytes content,
    struct arena *a, struct bytes names[CACHE_PLAYLISTS_MAX])
{
	const struct content *c = find(t, hash_of(origin, content), origin, content);
	return c != NULL ? name_playlists(c, a, names) : 0;
}

/* The one that is due first; NULL: none is waiting. */
static struct content *next_measured(const struct contents *t)
{
	struct content *soon = TAILQ_FIRST(&t->soon), *late = TAILQ_FIRST(&t->late);
	return soon == NULL || (late != NULL && late->measure.due_ms < soon->measure.due_ms) ? late : soon;
}

bool contents_next_unmeasured(
    struct contents *t, uint64_t now_ms, struct arena *a, struct cache_unmeasured *out, uint64_t *at_ms)
{
	struct content *c = next_measured(t);
	if (c == NULL || c->measure.due_ms > now_ms) {
		*at_ms = c == NULL ? UINT64_MAX : c->measure.due_ms;
		return false;
	}
	struct cache_unmeasured u = { .objects = c->objects };
	leave_measure(c);
	u.origin = arena_dup(a, c->origin);
	u.content = arena_dup(a, c->name);
	u.playlists_n = name_playlists(c, a, u.playlists);
	if (u.origin.p == NULL || u.content.p == NULL || u.playlists_n == 0) {
		c->measure = (struct waiting){ &t->late, now_ms + CONTENTS_MEASURE_LATE_MS };
		TAILQ_INSERT_TAIL(&t->late, c, measure_link);
		*at_ms = now_ms;
		return false;
	}
	*out = u;
	return true;
}

unsigned contents_measured(struct contents *t, struct bytes origin, struct bytes content, uint32_t objects,
    const struct cache_measure *m, uint64_t now_ms)
{
	struct content *c = find(t, hash_of(origin, content), origin, content);
	if (c == NULL || c->objects == 0)
		return 0;
	c->measured = true;
	c->measure_of = *m;
	c->measured_objects = objects;
	return (c->objects != objects ? mark_measure(t, c, false, now_ms) : 0) | mark_tell(t, c, now_ms);
}
