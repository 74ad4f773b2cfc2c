#include "node/delivery/audience.h"

#include "base/check.h"
#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_BUCKETS = 64 };

/* Names come out of signed tokens: no viewer chooses one. */
static const struct hash_key audience_key = { "warmcast-watched" };

struct audience_content {
	struct audience_content *next; /* of the same bucket */
	uint64_t hash;
	uint32_t viewers;
	struct bytes origin, content; /* in `text` */
	uint8_t text[];
};

void audience_init(struct audience *a)
{
	*a = (struct audience){ 0 };
}

void audience_fini(struct audience *a)
{
	for (size_t i = 0; i < a->buckets_n; i++) {
		while (a->buckets[i] != NULL) {
			struct audience_content *c = a->buckets[i];
			a->buckets[i] = c->next;
			free(c);
		}
	}
	free(a->buckets);
	audience_init(a);
}

static uint64_t hash_of(struct bytes origin, struct bytes content)
{
	return hash_mix(hash64(&audience_key, origin)) ^ hash64(&audience_key, content);
}

static struct audience_content **bucket_of(const struct audience *a, uint64_t hash)
{
	return &a->buckets[hash & (a->buckets_n - 1)];
}

static void grow(struct audience *a)
{
	struct audience bigger = { .buckets_n = a->buckets_n == 0 ? FIRST_BUCKETS : a->buckets_n * 2, .n = a->n };
	bigger.buckets = calloc(bigger.buckets_n, sizeof(struct audience_content *));
	CHECK(bigger.buckets != NULL);
	for (size_t i = 0; i < a->buckets_n; i++) {
		while (a->buckets[i] != NULL) {
			struct audience_content *c = a->buckets[i];
			struct audience_content **to = bucket_of(&bigger, c->hash);
			a->buckets[i] = c->next;
			c->next = *to;
			*to = c;
		}
	}
	free(a->buckets);
	*a = bigger;
}

static struct bytes put_text(uint8_t *to, struct bytes text)
{
	if (text.n > 0)
		memcpy(to, text.p, text.n);
	return bytes_of(to, text.n);
}

static struct audience_content *add(
    struct audience *a, uint64_t hash, struct bytes origin, struct bytes content)
{
	if (a->n == a->buckets_n)
		grow(a);
	struct audience_content *c = calloc(1, sizeof(*c) + origin.n + content.n);
	CHECK(c != NULL);
	c->hash = hash;
	c->origin = put_text(c->text, origin);
	c->content = put_text(c->text + origin.n, content);
	struct audience_content **bucket = bucket_of(a, hash);
	c->next = *bucket;
	*bucket = c;
	a->n++;
	return c;
}

struct audience_content *audience_enter(struct audience *a, struct bytes origin, struct bytes content)
{
	uint64_t hash = hash_of(origin, content);
	struct audience_content *c = a->buckets_n == 0 ? NULL : *bucket_of(a, hash);
	while (c != NULL && (c->hash != hash || !bytes_eq(c->origin, origin) || !bytes_eq(c->content, content)))
		c = c->next;
	if (c == NULL)
		c = add(a, hash, origin, content);
	c->viewers++;
	return c;
}

void audience_leave(struct audience *a, struct audience_content *c)
{
	CHECK(c->viewers > 0);
	if (--c->viewers > 0)
		return;
	struct audience_content **at = bucket_of(a, c->hash);
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	a->n--;
	free(c);
}

enum err audience_list(const struct audience *a, struct arena *arena, struct watched **out, size_t *n)
{
	struct watched *list = arena_array(arena, a->n > 0 ? a->n : 1, sizeof(*list));
	size_t at = 0;
	if (list == NULL)
		return ERR_NO_MEMORY;
	for (size_t i = 0; i < a->buckets_n; i++) {
		for (const struct audience_content *c = a->buckets[i]; c != NULL; c = c->next) {
			struct watched *w = &list[at++];
			*w = (struct watched){ arena_dup(arena, c->origin), arena_dup(arena, c->content), c->viewers };
			if (w->origin.p == NULL || w->content.p == NULL)
				return ERR_NO_MEMORY;
		}
	}
	*out = list;
	*n = at;
	return OK;
}

int watched_cmp(const void *x, const void *y)
{
	const struct watched *a = x, *b = y;
	if (a->viewers != b->viewers)
		return a->viewers > b->viewers ? -1 : 1;
	int c = bytes_cmp(a->origin, b->origin);
	return c != 0 ? c : bytes_cmp(a->content, b->content);
}
