#include "node/delivery/hot.h"

#include "base/obj.h"
#include "node/delivery/gzip.h"

#include <string.h>

#define HOT_MAGIC 0x686f7420u
#define TABLE_MAGIC 0x686f7474u

enum { BUCKETS_FIRST = 64, HEAD_BYTES = 1024 /* is reserved for each */ };

struct hot_table {
	unsigned magic;
	struct hot_config c;
	struct hot **buckets;
	size_t mask, n;
	TAILQ_HEAD(hot_order, hot) order; /* the newest first */
	struct hot *hand;                 /* NULL: at the oldest */
	uint64_t bytes;
	uint32_t ghosts[HOT_GHOSTS]; /* parts of hashes, each where another part says */
};

static uint64_t hash_of(const struct hot_table *t, struct bytes origin, struct bytes object)
{
	uint64_t h = hash64(&t->c.key, object);
	/* There are few origin stores, and their names are the operator's. */
	for (size_t i = 0; i < origin.n; i++)
		h = h * 31 + origin.p[i];
	return h;
}

struct hot_table *hot_table_new(const struct hot_config *c)
{
	struct hot_table *t = OBJ_NEW(struct hot_table, TABLE_MAGIC);
	t->c = *c;
	t->buckets = calloc(BUCKETS_FIRST, sizeof(t->buckets[0]));
	CHECK(t->buckets != NULL);
	t->mask = BUCKETS_FIRST - 1;
	TAILQ_INIT(&t->order);
	return t;
}

void hot_table_free(struct hot_table *t)
{
	if (t == NULL)
		return;
	OBJ_CHECK(t, TABLE_MAGIC);
	struct hot *h;
	while ((h = TAILQ_FIRST(&t->order)) != NULL) {
		CHECK(h->refs == 1);
		hot_drop(t, h);
	}
	CHECK(t->bytes == 0);
	free(t->buckets);
	OBJ_FREE(t);
}

/* -- memory -- */

static bool charge(struct hot_table *t, uint64_t bytes)
{
	if (bytes > t->c.max_bytes || t->bytes > t->c.max_bytes - bytes)
		return false;
	if (t->c.take != NULL && !t->c.take(t->c.ctx, bytes))
		return false;
	t->bytes += bytes;
	return true;
}

static void uncharge(struct hot_table *t, uint64_t bytes)
{
	CHECK(t->bytes >= bytes);
	t->bytes -= bytes;
	if (t->c.give != NULL)
		t->c.give(t->c.ctx, bytes);
}

static void free_bytes(struct bytes *b)
{
	free((void *)(uintptr_t)b->p);
	*b = BYTES_NONE;
}

struct hot *hot_ref(struct hot *h)
{
	OBJ_CHECK(h, HOT_MAGIC);
	h->refs++;
	return h;
}

void hot_unref(struct hot *h)
{
	OBJ_CHECK(h, HOT_MAGIC);
	CHECK(h->refs > 0);
	if (--h->refs > 0)
		return;
	CHECK(!h->held);
	uncharge(h->table, h->charged_bytes);
	for (unsigned i = 0; i < HOT_CODINGS; i++) {
		free_bytes(&h->body[i]);
		free_bytes(&h->head[i].text);
	}
	OBJ_FREE(h);
}

/* Lets the next leave; false when nothing is held. */
static bool make_room(struct hot_table *t)
{
	struct hot *h = t->hand != NULL ? t->hand : TAILQ_LAST(&t->order, hot_order);
	if (h == NULL)
		return false;
	while (h->used) {
		h->used = false;
		h = TAILQ_PREV(h, hot_order, order);
		if (h == NULL)
			h = TAILQ_LAST(&t->order, hot_order);
	}
	t->hand = h;
	hot_drop(t, h); /* moves the hand on */
	return true;
}

/* Within the bound, if need be by letting others leave. One that is being sent frees nothing at once, so
 * there are only so many tries. */
static bool find_room(struct hot_table *t, uint64_t bytes)
{
	enum { TRIES = 64 };
	if (bytes > t->c.max_bytes)
		return false;
	for (unsigned i = 0; i < TRIES; i++) {
		if (charge(t, bytes))
			return true;
		if (!make_room(t))
			return false;
	}
	return false;
}

/* -- the table -- */

static struct hot **slot_of(const struct hot_table *t, uint64_t hash)
{
	return &t->buckets[hash & t->mask];
}

static void grow(struct hot_table *t)
{
	struct hot_table wider = { .mask = t->mask * 2 + 1 };
	struct hot *h;
	wider.buckets = calloc(wider.mask + 1, sizeof(wider.buckets[0]));
	CHECK(wider.buckets != NULL);
	TAILQ_FOREACH(h, &t->order, order)
	{
		struct hot **slot = slot_of(&wider, h->hash);
		h->next = *slot;
		*slot = h;
	}
	free(t->buckets);
	t->buckets = wider.buckets;
	t->mask = wider.mask;
}

static struct hot *look(const struct hot_table *t, uint64_t hash, struct bytes origin, struct bytes object)
{
	struct hot *h = *slot_of(t, hash);
	while (h != NULL && (h->hash != hash || !bytes_eq(h->object, object) || !bytes_eq(h->origin, origin)))
		h = h->next;
	return h;
}

struct hot *hot_find(struct hot_table *t, struct bytes origin, struct bytes object)
{
	OBJ_CHECK(t, TABLE_MAGIC);
	if (t->n == 0)
		return NULL;
	struct hot *h = look(t, hash_of(t, origin, object), origin, object);
	if (h != NULL)
		h->used = true;
	return h;
}

bool hot_seen(struct hot_table *t, struct bytes origin, struct bytes object)
{
	uint64_t hash = hash_of(t, origin, object);
	uint32_t *at = &t->ghosts[hash % HOT_GHOSTS], part = (uint32_t)(hash >> 32) | 1;
	bool seen = *at == part;
	*at = part;
	return seen;
}

static struct hot *make(struct hot_table *t, struct bytes origin, struct bytes object)
{
	struct hot *h = obj_alloc(sizeof(*h) + origin.n + object.n, HOT_MAGIC);
	h->table = t;
	memcpy(h->text, origin.p, origin.n);
	memcpy(h->text + origin.n, object.p, object.n);
	h->origin = bytes_of(h->text, origin.n);
	h->object = bytes_of(h->text + origin.n, object.n);
	h->hash = hash_of(t, origin, object);
	h->refs = 1; /* the table's */
	return h;
}

struct hot *hot_put(struct hot_table *t, struct bytes origin, struct bytes object,
    const struct cache_meta *meta, const struct cache_watch *watch, struct bytes body)
{
	OBJ_CHECK(t, TABLE_MAGIC);
	struct hot *old = look(t, hash_of(t, origin, object), origin, object);
	if (old != NULL)
		hot_drop(t, old);
	uint64_t bytes = sizeof(struct hot) + origin.n + object.n + body.n + HEAD_BYTES;
	if (!find_room(t, bytes)) {
		free_bytes(&body);
		return NULL;
	}
	struct hot *h = make(t, origin, object);
	h->charged_bytes = bytes;
	h->body[HOT_IDENTITY] = body;
	hot_update(h, meta, watch);
	if (t->n > t->mask)
		grow(t);
	struct hot **slot = slot_of(t, h->hash);
	h->next = *slot;
	*slot = h;
	TAILQ_INSERT_HEAD(&t->order, h, order);
	h->held = true;
	t->n++;
	return h;
}

void hot_drop(struct hot_table *t, struct hot *h)
{
	OBJ_CHECK(t, TABLE_MAGIC);
	OBJ_CHECK(h, HOT_MAGIC);
	CHECK(h->held && h->table == t);
	struct hot **at = slot_of(t, h->hash);
	while (*at != h)
		at = &(*at)->next;
	*at = h->next;
	if (t->hand == h)
		t->hand = TAILQ_PREV(h, hot_order, order);
	TAILQ_REMOVE(&t->order, h, order);
	h->held = false;
	t->n--;
	hot_unref(h);
}

struct hot_counts hot_count(const struct hot_table *t)
{
	return (struct hot_counts){ t->n, t->bytes };
}

/* -- what is held -- */

void hot_update(struct hot *h, const struct cache_meta *meta, const struct cache_watch *watch)
{
	bool same = meta->answered_wall_ms == h->meta.answered_wall_ms && meta->ttl_ms == h->meta.ttl_ms;
	h->meta = *meta;
	h->meta.content = BYTES_NONE;
	h->watch = *watch;
	for (unsigned i = 0; i < HOT_CODINGS && !same; i++)
		h->head[i].until_wall_ms = 0;
}

bool hot_pack(struct hot *h)
{
	struct bytes packed;
	if (h->body[HOT_GZIP].n > 0 || h->incompressible)
		return !h->incompressible;
	h->incompressible = true;
	if (gzip_pack(h->body[HOT_IDENTITY], &packed) != OK)
		return false;
	if (!charge(h->table, packed.n + HEAD_BYTES)) {
		free_bytes(&packed);
		return false;
	}
	h->charged_bytes += packed.n + HEAD_BYTES;
	h->body[HOT_GZIP] = packed;
	h->incompressible = false;
	return true;
}

void hot_set_head(struct hot *h, enum hot_coding coding, const struct hot_head *head)
{
	struct hot_head *own = &h->head[coding];
	/* One object's heads differ in a few digits. */
	uint8_t *p = (uint8_t *)(uintptr_t)own->text.p;
	if (own->text.n != head->text.n)
		p = realloc(p, head->text.n);
	CHECK(p != NULL);
	memcpy(p, head->text.p, head->text.n);
	*own = *head;
	own->text = bytes_of(p, head->text.n);
}
