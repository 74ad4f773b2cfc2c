/* What is held of each content, behind its lock: for the location entries and for who measures contents. */
#include "node/cache/fs_cache.h"

#include "base/obj.h"

/* Under the lock, so that who takes a wake back is not called any more after that. */
void cache_contents_changed(struct cache *c, unsigned changes)
{
	if (changes == 0)
		return;
	cache_lock(&c->contents_lock);
	if ((changes & CONTENTS_NEWS) != 0 && c->wake != NULL)
		c->wake(c->wake_arg);
	if ((changes & CONTENTS_UNMEASURED) != 0 && c->wake_measurer != NULL)
		c->wake_measurer(c->wake_measurer_arg);
	cache_unlock(&c->contents_lock);
}

void cache_contents_due(struct cache *c)
{
	cache_lock(&c->contents_lock);
	if (c->wake != NULL && contents_has_news(&c->contents, cache_now_mono_ms()))
		c->wake(c->wake_arg);
	cache_unlock(&c->contents_lock);
}

size_t cache_poll_news(
    struct cache *c, size_t max, void (*news)(void *arg, const struct cache_content_news *n), void *arg)
{
	size_t n = 0;
	struct contents_told one;
	for (; n < max; n++) {
		cache_lock(&c->contents_lock);
		bool any = contents_tell(&c->contents, cache_now_mono_ms(), &one);
		cache_unlock(&c->contents_lock);
		if (!any)
			break;
		news(arg, &one.news);
	}
	return n;
}

void cache_on_news(struct cache *c, void (*wake)(void *arg), void *arg)
{
	cache_lock(&c->contents_lock);
	c->wake = wake;
	c->wake_arg = arg;
	cache_unlock(&c->contents_lock);
}

void cache_on_unmeasured(struct cache *c, void (*wake)(void *arg), void *arg)
{
	cache_lock(&c->contents_lock);
	c->wake_measurer = wake;
	c->wake_measurer_arg = arg;
	cache_unlock(&c->contents_lock);
}

bool cache_next_unmeasured(
    struct cache *c, struct arena *a, struct cache_unmeasured *out, uint64_t *at_mono_ms)
{
	OBJ_CHECK(c, CACHE_MAGIC);
	cache_lock(&c->contents_lock);
	bool any = contents_next_unmeasured(&c->contents, cache_now_mono_ms(), a, out, at_mono_ms);
	cache_unlock(&c->contents_lock);
	return any;
}

void cache_measured(struct cache *c, struct bytes origin, struct bytes content, uint32_t objects,
    const struct cache_measure *m)
{
	OBJ_CHECK(c, CACHE_MAGIC);
	cache_lock(&c->contents_lock);
	unsigned changes = contents_measured(&c->contents, origin, content, objects, m, cache_now_mono_ms());
	cache_unlock(&c->contents_lock);
	cache_contents_changed(c, changes);
}

size_t cache_playlists(struct cache *c, struct bytes origin, struct bytes content, struct arena *a,
    struct bytes names[CACHE_PLAYLISTS_MAX])
{
	OBJ_CHECK(c, CACHE_MAGIC);
	cache_lock(&c->contents_lock);
	size_t n = contents_playlists(&c->contents, origin, content, a, names);
	cache_unlock(&c->contents_lock);
	return n;
}

/* The object's length, as the unit of that very key has it; 0 total: it is a whole one. */
static bool holds_unit(struct cache *c, const struct cache_key *k, uint64_t *length, uint64_t *total)
{
	struct unit_id id;
	record_unit_id(k, &id);
	struct shard *s = cache_shard(c, &id);
	cache_lock(&s->lock);
	const struct unit *u = units_find(&s->units, &id, k);
	if (u != NULL) {
		*length = u->record.length;
		*total = u->record.total;
	}
	cache_unlock(&s->lock);
	return u != NULL;
}

bool cache_holds(struct cache *c, const struct cache_key *k, uint64_t *length_bytes)
{
	struct cache_key each = { .origin = k->origin, .object = k->object };
	uint64_t length, total, of_slice;
	OBJ_CHECK(c, CACHE_MAGIC);
	if (!record_key_fits(k))
		return false;
	if (holds_unit(c, &each, &length, &total)) {
		*length_bytes = length;
		return true;
	}
	each.slice = 1;
	if (!holds_unit(c, &each, &length, &total))
		return false;
	while (slice_start(++each.slice) < total)
		if (!holds_unit(c, &each, &length, &of_slice) || of_slice != total)
			return false;
	*length_bytes = total;
	return true;
}
