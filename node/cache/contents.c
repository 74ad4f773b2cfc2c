#include "node/cache/contents.h"

#include "base/hash.h"
#include "base/obj.h"

#include <string.h>

enum { BUCKETS_START = 64 };

static const char *const entry_names[CONTENT_ENTRIES] = { "master.m3u8", "index.m3u8", "manifest.mpd" };

/* The table is this process's own, and content ids are the operator's, not the viewers': a fixed key serves.
 */
static const struct hash_key table_key = { { 'c', 'o', 'n', 't', 'e', 'n', 't', 's' } };

struct content {
	struct content *next;
	TAILQ_ENTRY(content) changed_link;
	bool changed;
	uint64_t hash;
	uint64_t bytes;
	uint32_t objects;
	uint32_t entries[CONTENT_ENTRIES];
	struct bytes origin, name;
	uint8_t text[];
};

void contents_init(struct contents *t)
{
	*t = (struct contents){ .mask = BUCKETS_START - 1 };
	t->buckets = calloc(BUCKETS_START, sizeof(struct content *));
	CHECK(t->buckets != NULL);
	TAILQ_INIT(&t->changed);
}

void contents_fini(struct contents *t)
{
	for (size_t i = 0; i <= t->mask; i++) {
		struct content *next;
		for (struct content *c = t->buckets[i]; c != NULL; c = next) {
			next = c->next;
			CHECK(c->objects == 0);
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

static void forget(struct contents *t, struct content *c)
{
	struct content **at = &t->buckets[(size_t)c->hash & t->mask];
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	t->n--;
	free(c);
}

static bool mark(struct contents *t, struct content *c)
{
	if (c->changed)
		return false;
	bool first = TAILQ_EMPTY(&t->changed);
	c->changed = true;
	TAILQ_INSERT_TAIL(&t->changed, c, changed_link);
	return first;
}

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

bool contents_add(struct contents *t, struct unit *u)
{
	CHECK(u->content == NULL);
	struct content *c = find_or_make(t, u->record.key.origin, u->record.content);
	u->content = c;
	c->bytes += u->record.length;
	c->objects++;
	unsigned entry = entry_of(u);
	if (entry < CONTENT_ENTRIES)
		c->entries[entry]++;
	t->units++;
	t->bytes += u->record.length;
	return mark(t, c);
}

bool contents_remove(struct contents *t, struct unit *u)
{
	struct content *c = u->content;
	CHECK(c != NULL && c->objects > 0);
	u->content = NULL;
	c->bytes -= u->record.length;
	c->objects--;
	unsigned entry = entry_of(u);
	if (entry < CONTENT_ENTRIES)
		c->entries[entry]--;
	t->units--;
	t->bytes -= u->record.length;
	return mark(t, c);
}

bool contents_tell(struct contents *t, struct contents_told *out)
{
	struct content *c = TAILQ_FIRST(&t->changed);
	if (c == NULL)
		return false;
	TAILQ_REMOVE(&t->changed, c, changed_link);
	c->changed = false;
	memcpy(out->origin, c->origin.p, c->origin.n);
	if (c->name.n > 0)
		memcpy(out->content, c->name.p, c->name.n);
	out->news = (struct cache_content_news){ .origin = bytes_of(out->origin, c->origin.n),
		.content = bytes_of(out->content, c->name.n),
		.bytes = c->bytes,
		.objects = c->objects };
	for (unsigned i = CONTENT_ENTRIES; i-- > 0;)
		if (c->entries[i] > 0)
			out->news.entry = bytes_str(entry_names[i]);
	if (c->objects == 0)
		forget(t, c);
	return true;
}
