/* Which part of an object a fill is about: the whole of it, or one slice (D5). */
#include "node/origin/ev_fill.h"
#include "node/origin/freshness.h"

#include <string.h>

bool fills_cuts(const struct fills *fs, unsigned origin, struct bytes object)
{
	enum object_class class = freshness_class(fs->config, object);
	return fs->origins[origin].source->open_part != NULL && class != CLASS_PLAYLIST && class != CLASS_KEY;
}

struct cache_unit *fills_look(struct fills *fs, struct cache_key *k, uint32_t slice, const char *etag)
{
	const uint32_t slices[] = { 0, slice };
	for (size_t i = 0; i < 2; i++) {
		k->slice = slices[i];
		struct cache_unit *u = cache_look(fs->cache, k);
		if (u != NULL && (*etag == '\0' || strcmp(etag, u->meta->etag) == 0))
			return u;
		cache_release(fs->cache, u);
	}
	return NULL;
}

static void etag_of(struct fill *f, char out[CACHE_VALIDATOR_MAX + 1])
{
	fills_lock(f->fills);
	memcpy(out, f->etag, sizeof(f->etag));
	fills_unlock(f->fills);
}

bool fill_expects(struct fill *f, const char *etag)
{
	char expected[CACHE_VALIDATOR_MAX + 1];
	etag_of(f, expected);
	return expected[0] == '\0' || strcmp(expected, etag) == 0;
}

struct cache_unit *fill_held(struct fill *f)
{
	char etag[CACHE_VALIDATOR_MAX + 1];
	etag_of(f, etag);
	return fills_look(f->fills, &f->key, f->slice, etag);
}

/* What a store that knows no ranges brings of a later slice begins at the first byte: who asks for that may
 * stream it to many. */
enum err fill_open(struct fill *f, struct origin_source *s, void **handle, struct origin_info *info,
    struct origin_part *part)
{
	if (!fills_cuts(f->fills, f->origin, f->object)) {
		enum err e = s->open(s, f->object, handle, info);
		if (e == OK)
			*part = (struct origin_part){ 0, info->length };
		return e;
	}
	void *opened;
	struct origin_info found;
	struct origin_part brought;
	enum err e = s->open_part(s, f->object, slice_start(f->slice), &opened, &found, &brought);
	if (e != OK)
		return e;
	if (brought.start != slice_start(f->slice)) {
		s->close(s, opened);
		return ERR_INVALID;
	}
	*handle = opened;
	*info = found;
	*part = brought;
	return OK;
}

enum err fill_takes(
    struct fill *f, const struct origin_info *info, const struct origin_part *part, struct cache_meta *meta)
{
	bool whole = part->length == info->length;
	if (!whole && info->length > SLICED_BYTES_MAX)
		return ERR_TOO_BIG;
	meta->length = part->length;
	meta->total = whole ? 0 : info->length;
	f->key.slice = whole ? 0 : f->slice;
	return OK;
}

void fill_replaces(struct fill *f, const struct cache_meta *meta, const struct cache_unit *held)
{
	struct cache_key whole = { .origin = f->key.origin, .object = f->object };
	if (meta->total == 0)
		return;
	if (!fill_expects(f, meta->etag) || (held != NULL && strcmp(held->meta->etag, meta->etag) != 0))
		cache_remove_others(f->fills->cache, &whole, meta->total, meta->etag);
	else
		cache_remove(f->fills->cache, &whole); /* it would be found before any slice */
}

void fill_is_missing(struct fill *f)
{
	struct cache_key k = { .origin = f->key.origin, .object = f->object };
	cache_remove(f->fills->cache, &k);
	k.slice = f->slice;
	cache_remove(f->fills->cache, &k);
}
