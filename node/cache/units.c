#include "node/cache/units.h"

#include "base/obj.h"

#include <string.h>

enum { BUCKETS_START = 64 };

static struct bytes keep(uint8_t **at, struct bytes s)
{
	uint8_t *p = *at;
	if (s.n > 0)
		memcpy(p, s.p, s.n);
	*at += s.n;
	return bytes_of(p, s.n);
}

struct unit *unit_new(const struct record *r, unsigned disk)
{
	size_t text = r->key.origin.n + r->key.object.n + r->content.n + r->etag.n;
	struct unit *u = obj_alloc(sizeof(*u) + text, UNIT_MAGIC);
	u->record = *r;
	uint8_t *at = u->text;
	u->record.key.origin = keep(&at, r->key.origin);
	u->record.key.object = keep(&at, r->key.object);
	u->record.content = keep(&at, r->content);
	u->record.etag = keep(&at, r->etag);
	record_unit_id(&u->record.key, &u->id);
	u->disk = disk;
	u->fd = -1;
	return u;
}

void unit_free(struct unit *u)
{
	if (u == NULL)
		return;
	CHECK(!u->held && u->pins == 0 && u->fd < 0 && !u->idle && u->content == NULL &&
	      u->policy.place == POLICY_OUT);
	OBJ_FREE(u);
}

uint64_t unit_key64(const struct unit *u)
{
	uint64_t key;
	memcpy(&key, u->id.b, sizeof(key));
	return key;
}

void unit_meta(const struct unit *u, struct cache_meta *out)
{
	const struct record *r = &u->record;
	struct cache_meta m = { .content = r->content,
		.length = r->length,
		.total = r->total,
		.modified_s = r->modified_s,
		.answered_wall_ms = r->answered_wall_ms,
		.ttl_ms = r->ttl_ms };
	memcpy(m.etag, r->etag.p, r->etag.n);
	*out = m;
}

void units_init(struct units *t)
{
	t->buckets = calloc(BUCKETS_START, sizeof(struct unit *));
	CHECK(t->buckets != NULL);
	t->mask = BUCKETS_START - 1;
	t->n = 0;
	t->empty = 0;
}

void units_fini(struct units *t)
{
	free(t->buckets);
	t->buckets = NULL;
}

/* The id is a hash already; its first byte chooses the shard. */
static size_t bucket_of(const struct units *t, const struct unit_id *id)
{
	uint64_t h;
	memcpy(&h, id->b + UNIT_ID_BYTES - sizeof(h), sizeof(h));
	return (size_t)h & t->mask;
}

struct unit *units_at(const struct units *t, const struct unit_id *id)
{
	struct unit *u = t->buckets[bucket_of(t, id)];
	while (u != NULL && memcmp(u->id.b, id->b, UNIT_ID_BYTES) != 0)
		u = u->next;
	return u;
}

struct unit *units_find(const struct units *t, const struct unit_id *id, const struct cache_key *k)
{
	struct unit *u = units_at(t, id);
	if (u == NULL || u->record.key.slice != k->slice || !bytes_eq(u->record.key.origin, k->origin) ||
	    !bytes_eq(u->record.key.object, k->object))
		return NULL;
	return u;
}

static void grow_to(struct units *t, size_t mask)
{
	struct units wider = { .mask = mask, .n = t->n };
	wider.buckets = calloc(wider.mask + 1, sizeof(struct unit *));
	CHECK(wider.buckets != NULL);
	for (size_t i = 0; i <= t->mask; i++) {
		struct unit *next;
		for (struct unit *u = t->buckets[i]; u != NULL; u = next) {
			next = u->next;
			size_t b = bucket_of(&wider, &u->id);
			u->next = wider.buckets[b];
			wider.buckets[b] = u;
		}
	}
	free(t->buckets);
	*t = wider;
}

void units_reserve(struct units *t, size_t n)
{
	size_t mask = t->mask;
	while (mask < n)
		mask = mask * 2 + 1;
	if (mask > t->mask)
		grow_to(t, mask);
}

void units_put(struct units *t, struct unit *u)
{
	OBJ_CHECK(u, UNIT_MAGIC);
	CHECK(!u->held && units_at(t, &u->id) == NULL);
	if (t->n > t->mask)
		grow_to(t, t->mask * 2 + 1);
	size_t b = bucket_of(t, &u->id);
	u->next = t->buckets[b];
	t->buckets[b] = u;
	if (b < t->empty)
		t->empty = b;
	u->held = true;
	t->n++;
}

void units_take(struct units *t, struct unit *u)
{
	OBJ_CHECK(u, UNIT_MAGIC);
	struct unit **at = &t->buckets[bucket_of(t, &u->id)];
	while (*at != NULL && *at != u)
		at = &(*at)->next;
	CHECK(*at == u);
	*at = u->next;
	u->next = NULL;
	u->held = false;
	t->n--;
}

struct unit *units_any(struct units *t)
{
	if (t->n == 0)
		return NULL;
	while (t->buckets[t->empty] == NULL)
		t->empty++;
	return t->buckets[t->empty];
}

void units_each(const struct units *t, void (*each)(void *arg, struct unit *u), void *arg)
{
	for (size_t i = 0; i <= t->mask; i++)
		for (struct unit *u = t->buckets[i]; u != NULL; u = u->next)
			each(arg, u);
}
