#include "sim.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

/* How many of the oldest are looked through for one that is held elsewhere too. */
enum { SPARE_DEPTH = 64 };

void cache_init(struct cache *c, const struct setup *s, uint32_t places)
{
	*c = (struct cache){ .length_s = s->length_s, .places = places, .oldest = NONE, .newest = NONE };
	c->slots = calloc(s->contents, sizeof(*c->slots));
	CHECK(c->slots != NULL);
}

void cache_fini(struct cache *c)
{
	free(c->slots);
}

static void list_remove(struct cache *c, uint32_t i)
{
	struct slot *s = &c->slots[i];
	*(s->older == NONE ? &c->oldest : &c->slots[s->older].newer) = s->newer;
	*(s->newer == NONE ? &c->newest : &c->slots[s->newer].older) = s->older;
}

static void list_append(struct cache *c, uint32_t i)
{
	struct slot *s = &c->slots[i];
	s->older = c->newest;
	s->newer = NONE;
	*(c->newest == NONE ? &c->oldest : &c->slots[c->newest].newer) = i;
	c->newest = i;
}

static uint32_t victim(const struct cache *c, const struct elsewhere *e)
{
	uint32_t i = c->oldest;
	for (unsigned d = 0; e != NULL && d < SPARE_DEPTH && i != NONE; d++, i = c->slots[i].newer)
		if ((e->holders[i] & ~e->self) != 0)
			return i;
	return c->oldest;
}

/* What is watched is never evicted: the cache may then be over its places. */
static uint32_t make_room(struct cache *c, const struct elsewhere *e)
{
	if (c->used < c->places || c->oldest == NONE)
		return NONE;
	uint32_t i = victim(c, e);
	list_remove(c, i);
	c->slots[i] = (struct slot){ 0 };
	c->used--;
	return i;
}

static uint32_t reached_ms(const struct reach *r, uint64_t now_us)
{
	uint64_t since_ms = now_us > r->since_us ? (now_us - r->since_us) / 1000 : 0;
	uint32_t growing = since_ms < r->to_ms ? (uint32_t)since_ms : r->to_ms;
	return growing > r->done_ms ? growing : r->done_ms;
}

/* Who comes later follows those ahead at the same pace, and finds all that they will have fetched. */
static uint32_t follow(struct reach *r, const struct arrival *a)
{
	uint32_t hit = a->watched_ms < r->to_ms ? a->watched_ms : r->to_ms;
	if (a->watched_ms > r->to_ms)
		*r = (struct reach){ reached_ms(r, a->at_us), a->watched_ms, a->at_us };
	return hit;
}

struct entered cache_enter(struct cache *c, const struct arrival *a, const struct elsewhere *elsewhere)
{
	struct entered out = { .evicted = NONE };
	struct slot *s = &c->slots[a->content];
	out.share_permille = s->held ? cache_share_permille(c, a->content, a->at_us) : 0;
	if (!s->held) {
		out.evicted = make_room(c, elsewhere);
		out.filled = true;
		s->held = true;
		c->used++;
		if (c->used > c->used_max)
			c->used_max = c->used;
	} else if (s->viewers == 0) {
		list_remove(c, a->content);
	}
	s->viewers++;
	s->read_us = a->at_us;
	out.hit_ms = follow(&s->reach[a->rendition], a);
	return out;
}

void cache_leave(struct cache *c, uint32_t content, uint64_t now_us)
{
	struct slot *s = &c->slots[content];
	CHECK(s->viewers > 0);
	s->read_us = now_us;
	if (--s->viewers == 0)
		list_append(c, content);
}

uint32_t cache_evict_age_s(const struct cache *c, uint64_t now_us)
{
	if (c->used < c->places)
		return UINT32_MAX;
	return c->oldest == NONE ? 0 : (uint32_t)((now_us - c->slots[c->oldest].read_us) / 1000000);
}

uint16_t cache_share_permille(const struct cache *c, uint32_t content, uint64_t now_us)
{
	const struct slot *s = &c->slots[content];
	uint64_t ms = (3 * (uint64_t)reached_ms(&s->reach[0], now_us) + reached_ms(&s->reach[1], now_us)) / 4;
	uint64_t permille = ms / c->length_s;
	return permille < 1 ? 1 : permille > 1000 ? 1000 : (uint16_t)permille;
}
