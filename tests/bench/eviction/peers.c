/* FIFO, FIFO with a second chance, and LRU, in bytes: one chain from the next to go to the newest. */
#include "eviction.h"

#include "base/obj.h"

#include <stdlib.h>

#define CHAIN_MAGIC 0x63686169u

enum { NONE = UINT32_MAX };
enum on_use { STAYS, GETS_A_ROUND, BECOMES_NEWEST };

struct link {
	uint32_t older, newer;
	bool held, used;
};

struct chain {
	unsigned magic;
	const struct trace *trace;
	struct link *links; /* by object */
	uint32_t oldest, newest;
	uint64_t capacity_bytes, held_bytes;
	enum on_use on_use;
};

static void *make(const struct trace *t, uint64_t capacity_bytes, enum on_use on_use)
{
	struct chain *c = OBJ_NEW(struct chain, CHAIN_MAGIC);
	c->trace = t;
	c->capacity_bytes = capacity_bytes;
	c->on_use = on_use;
	c->oldest = c->newest = NONE;
	c->links = calloc(t->objects_n, sizeof(*c->links));
	CHECK(c->links != NULL);
	return c;
}

static void *make_fifo(const struct trace *t, uint64_t capacity_bytes)
{
	return make(t, capacity_bytes, STAYS);
}

static void *make_chance(const struct trace *t, uint64_t capacity_bytes)
{
	return make(t, capacity_bytes, GETS_A_ROUND);
}

static void *make_lru(const struct trace *t, uint64_t capacity_bytes)
{
	return make(t, capacity_bytes, BECOMES_NEWEST);
}

static void take(struct chain *c, uint32_t i)
{
	struct link *l = &c->links[i];
	*(l->older == NONE ? &c->oldest : &c->links[l->older].newer) = l->newer;
	*(l->newer == NONE ? &c->newest : &c->links[l->newer].older) = l->older;
}

static void append(struct chain *c, uint32_t i)
{
	struct link *l = &c->links[i];
	l->older = c->newest;
	l->newer = NONE;
	*(c->newest == NONE ? &c->oldest : &c->links[c->newest].newer) = i;
	c->newest = i;
}

static void evict(struct chain *c)
{
	uint32_t i = c->oldest;
	for (; c->on_use == GETS_A_ROUND && c->links[i].used; i = c->oldest) {
		c->links[i].used = false;
		take(c, i);
		append(c, i);
	}
	take(c, i);
	c->links[i].held = false;
	c->held_bytes -= c->trace->sizes_bytes[i];
}

static bool ask(void *self, uint32_t object)
{
	struct chain *c = OBJ_CAST(struct chain, CHAIN_MAGIC, self);
	struct link *l = &c->links[object];
	if (l->held) {
		l->used = true;
		if (c->on_use == BECOMES_NEWEST) {
			take(c, object);
			append(c, object);
		}
		return true;
	}
	uint64_t size = c->trace->sizes_bytes[object];
	if (size > c->capacity_bytes)
		return false;
	while (c->held_bytes + size > c->capacity_bytes)
		evict(c);
	*l = (struct link){ .held = true };
	append(c, object);
	c->held_bytes += size;
	return false;
}

static void end(void *self)
{
	struct chain *c = OBJ_CAST(struct chain, CHAIN_MAGIC, self);
	free(c->links);
	OBJ_FREE(c);
}

const struct contender peer_fifo = { "fifo", "FIFO", make_fifo, ask, end };
const struct contender peer_chance = { "chance", "FIFO, second chance", make_chance, ask, end };
const struct contender peer_lru = { "lru", "LRU", make_lru, ask, end };
