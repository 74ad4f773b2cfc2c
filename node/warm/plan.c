#include "node/warm/plan.h"

#include "base/hash.h"
#include "base/obj.h"

#include <stdlib.h>
#include <string.h>

#define PLAN_MAGIC 0x706c616eu

/* Names come from playlists, which the owner of the content wrote: no adversary picks buckets. */
static const struct hash_key plan_key = { "warmcast-plan-1" };

/* A line of items, by index; one that was tried is put in again. */
struct line {
	uint32_t *at;
	size_t first, n, cap;
};

struct plan {
	unsigned magic;
	size_t objects_max, n, left_out;
	struct plan_item **items; /* known, objects_max */
	uint32_t *buckets;        /* open addressing: index + 1, 0 empty */
	size_t mask;
	struct line playlists, objects;
};

struct plan *plan_new(size_t objects_max)
{
	struct plan *p = OBJ_NEW(struct plan, PLAN_MAGIC);
	CHECK(objects_max > 0 && objects_max <= PLAN_OBJECTS_MAX);
	p->objects_max = objects_max;
	size_t buckets = 16;
	while (buckets < 2 * objects_max)
		buckets *= 2;
	p->mask = buckets - 1;
	p->items = calloc(objects_max, sizeof(struct plan_item *));
	p->buckets = calloc(buckets, sizeof(p->buckets[0]));
	CHECK(p->items != NULL && p->buckets != NULL);
	return p;
}

void plan_free(struct plan *p)
{
	if (p == NULL)
		return;
	OBJ_CHECK(p, PLAN_MAGIC);
	for (size_t i = 0; i < p->n; i++)
		free(p->items[i]);
	free(p->items);
	free(p->buckets);
	free(p->playlists.at);
	free(p->objects.at);
	OBJ_FREE(p);
}

/* -- lines -- */

static void line_put(struct line *l, uint32_t index)
{
	if (l->n == l->cap && l->first > l->cap / 2) {
		memmove(l->at, l->at + l->first, (l->n - l->first) * sizeof(l->at[0]));
		l->n -= l->first;
		l->first = 0;
	} else if (l->n == l->cap) {
		l->cap = l->cap == 0 ? 64 : 2 * l->cap;
		l->at = realloc(l->at, l->cap * sizeof(l->at[0]));
		CHECK(l->at != NULL);
	}
	l->at[l->n++] = index;
}

static bool line_take(struct line *l, uint32_t *index)
{
	if (l->first == l->n)
		return false;
	*index = l->at[l->first++];
	return true;
}

/* -- items -- */

static struct bytes name_of(const struct plan_item *item)
{
	return bytes_of(item->object, item->object_n);
}

/* The bucket that has the object, or the empty one where it belongs. */
static uint32_t *bucket_of(struct plan *p, struct bytes object)
{
	size_t at = hash64(&plan_key, object) & p->mask;
	while (p->buckets[at] != 0 && !bytes_eq(name_of(p->items[p->buckets[at] - 1]), object))
		at = (at + 1) & p->mask;
	return &p->buckets[at];
}

void plan_add(struct plan *p, struct bytes object, bool playlist)
{
	OBJ_CHECK(p, PLAN_MAGIC);
	uint32_t *bucket = bucket_of(p, object);
	if (*bucket != 0)
		return;
	if (p->n == p->objects_max) {
		p->left_out++;
		return;
	}
	struct plan_item *item = calloc(1, sizeof(*item) + object.n);
	CHECK(item != NULL);
	item->playlist = playlist;
	item->object_n = object.n;
	if (object.n > 0)
		memcpy(item->object, object.p, object.n);
	p->items[p->n] = item;
	line_put(playlist ? &p->playlists : &p->objects, (uint32_t)p->n);
	*bucket = (uint32_t)++p->n;
}

struct plan_item *plan_next(struct plan *p)
{
	uint32_t index;
	OBJ_CHECK(p, PLAN_MAGIC);
	if (!line_take(&p->playlists, &index) && !line_take(&p->objects, &index))
		return NULL;
	p->items[index]->tries++;
	return p->items[index];
}

bool plan_again(struct plan *p, struct plan_item *item)
{
	OBJ_CHECK(p, PLAN_MAGIC);
	if (item->tries >= PLAN_TRIES_MAX)
		return false;
	uint32_t *bucket = bucket_of(p, name_of(item));
	CHECK(*bucket != 0);
	line_put(item->playlist ? &p->playlists : &p->objects, *bucket - 1);
	return true;
}

size_t plan_waiting(const struct plan *p)
{
	return p->playlists.n - p->playlists.first + p->objects.n - p->objects.first;
}

size_t plan_left_out(const struct plan *p)
{
	return p->left_out;
}
