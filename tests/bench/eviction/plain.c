/* S3-FIFO as the paper's algorithm 1 has it, in objects whatever their size, written apart from the shipped
 * one: where all objects are of one size, the two should miss alike. The ghosts are exact. */
#include "eviction.h"

#include "base/obj.h"

#include <stdlib.h>

#define PLAIN_MAGIC 0x706c6e73u

enum place { NOWHERE, IN_S, IN_M };

struct ring {
	uint32_t *objects;
	size_t first, n, room;
};

struct plain {
	unsigned magic;
	size_t capacity, ghosts_max;
	struct ring s, m;
	uint8_t *places, *freqs; /* by object */
	uint64_t *left;          /* by object: its number among those that became ghosts; 0: it is none */
	uint64_t left_n;
};

static void *filled(size_t n, size_t size)
{
	void *p = calloc(n, size);
	CHECK(p != NULL);
	return p;
}

static void push(struct ring *r, uint32_t object)
{
	CHECK(r->n < r->room);
	r->objects[(r->first + r->n++) % r->room] = object;
}

static uint32_t pull(struct ring *r)
{
	CHECK(r->n > 0);
	uint32_t object = r->objects[r->first];
	r->first = (r->first + 1) % r->room;
	r->n--;
	return object;
}

static void *make(const struct trace *t, uint64_t capacity_bytes)
{
	struct plain *c = OBJ_NEW(struct plain, PLAIN_MAGIC);
	uint64_t mean_bytes = t->footprint_bytes / t->asked_n;
	c->capacity = (size_t)(capacity_bytes / mean_bytes);
	c->ghosts_max = c->capacity - c->capacity / 10;
	c->s.room = c->m.room = c->capacity + 1;
	c->s.objects = filled(c->s.room, sizeof(uint32_t));
	c->m.objects = filled(c->m.room, sizeof(uint32_t));
	c->places = filled(t->objects_n, 1);
	c->freqs = filled(t->objects_n, 1);
	c->left = filled(t->objects_n, sizeof(uint64_t));
	return c;
}

static void evict_m(struct plain *c)
{
	while (c->m.n > 0) {
		uint32_t t = pull(&c->m);
		if (c->freqs[t] == 0) {
			c->places[t] = NOWHERE;
			return;
		}
		c->freqs[t]--;
		push(&c->m, t);
	}
}

static void evict_s(struct plain *c)
{
	while (c->s.n > 0) {
		uint32_t t = pull(&c->s);
		if (c->freqs[t] <= 1) {
			c->places[t] = NOWHERE;
			c->left[t] = ++c->left_n;
			return;
		}
		if (c->m.n >= c->capacity - c->capacity / 10)
			evict_m(c);
		c->places[t] = IN_M;
		c->freqs[t] = 0;
		push(&c->m, t);
	}
}

static bool is_ghost(const struct plain *c, uint32_t object)
{
	return c->left[object] > 0 && c->left_n - c->left[object] < c->ghosts_max;
}

static bool ask(void *self, uint32_t object)
{
	struct plain *c = OBJ_CAST(struct plain, PLAIN_MAGIC, self);
	if (c->places[object] != NOWHERE) {
		if (c->freqs[object] < 3)
			c->freqs[object]++;
		return true;
	}
	bool back = is_ghost(c, object);
	c->left[object] = 0;
	while (c->s.n + c->m.n >= c->capacity) {
		if (c->s.n * 10 >= c->capacity)
			evict_s(c);
		else
			evict_m(c);
	}
	c->freqs[object] = 0;
	c->places[object] = back ? IN_M : IN_S;
	push(back ? &c->m : &c->s, object);
	return false;
}

static void end(void *self)
{
	struct plain *c = OBJ_CAST(struct plain, PLAIN_MAGIC, self);
	free(c->s.objects);
	free(c->m.objects);
	free(c->places);
	free(c->freqs);
	free(c->left);
	OBJ_FREE(c);
}

const struct contender plain = { "plain", "S3-FIFO of the paper, by count", make, ask, end };
