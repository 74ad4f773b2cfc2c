#include "kvs/ring.h"

#include "base/check.h"
#include "base/hash.h"
#include "kvs/state.h"

#include <stdlib.h>
#include <string.h>

struct ring_slot {
	struct node_id id;
	void *member;
	uint64_t hash[RING_COUNT];
};

/* All nodes must agree on it. */
static const struct hash_key RING_KEY = { "warmcast overlay" };

void ring_init(struct ring *r)
{
	*r = (struct ring){ 0 };
}

void ring_fini(struct ring *r)
{
	free(r->slots);
	for (size_t k = 0; k < RING_COUNT; k++)
		free(r->order[k]);
	*r = (struct ring){ 0 };
}

size_t ring_size(const struct ring *r)
{
	return r->n;
}

static uint64_t hash_on(size_t k, const struct node_id *id)
{
	uint8_t text[1 + NODE_ID_BYTES] = { (uint8_t)k };
	memcpy(text + 1, id->b, NODE_ID_BYTES);
	return hash64(&RING_KEY, bytes_of(text, sizeof(text)));
}

static const struct ring_slot *slot_at(const struct ring *r, size_t k, size_t place)
{
	return &r->slots[r->order[k][place]];
}

/* The first place on ring k that is not before (hash, id). */
static size_t place_of(const struct ring *r, size_t k, uint64_t hash, const struct node_id *id)
{
	size_t from = 0, to = r->n;
	while (from < to) {
		size_t mid = from + (to - from) / 2;
		const struct ring_slot *s = slot_at(r, k, mid);
		if (s->hash[k] < hash || (s->hash[k] == hash && node_id_cmp(&s->id, id) < 0))
			from = mid + 1;
		else
			to = mid;
	}
	return from;
}

static bool stands_at(const struct ring *r, size_t k, size_t place, const struct node_id *id)
{
	return place < r->n && node_id_eq(&slot_at(r, k, place)->id, id);
}

void ring_add(struct ring *r, const struct node_id *id, void *member)
{
	CHECK(r->n < UINT32_MAX);
	r->slots = kvs_grow(r->slots, &r->slots_cap, r->n + 1, sizeof(*r->slots));
	struct ring_slot *s = &r->slots[r->n];
	s->id = *id;
	s->member = member;
	for (size_t k = 0; k < RING_COUNT; k++) {
		s->hash[k] = hash_on(k, id);
		size_t place = place_of(r, k, s->hash[k], id);
		CHECK(!stands_at(r, k, place, id));
		r->order[k] = kvs_grow(r->order[k], &r->order_cap[k], r->n + 1, sizeof(uint32_t));
		memmove(&r->order[k][place + 1], &r->order[k][place], (r->n - place) * sizeof(uint32_t));
		r->order[k][place] = (uint32_t)r->n;
	}
	r->n++;
}

bool ring_remove(struct ring *r, const struct node_id *id)
{
	size_t place[RING_COUNT];
	for (size_t k = 0; k < RING_COUNT; k++) {
		place[k] = place_of(r, k, hash_on(k, id), id);
		if (!stands_at(r, k, place[k], id))
			return false;
	}
	uint32_t hole = r->order[0][place[0]];
	uint32_t last = (uint32_t)(r->n - 1);
	const struct ring_slot *moves = &r->slots[last];
	for (size_t k = 0; k < RING_COUNT; k++) {
		r->order[k][place_of(r, k, moves->hash[k], &moves->id)] = hole;
		memmove(&r->order[k][place[k]], &r->order[k][place[k] + 1], (last - place[k]) * sizeof(uint32_t));
	}
	r->slots[hole] = *moves;
	r->n--;
	return true;
}

struct neighbours {
	const struct ring *ring;
	bool (*skip)(void *arg, const void *member);
	void *arg;
	uint32_t slots[RING_NEIGHBOURS_MAX]; /* by ascending id */
	size_t n;
};

static bool skipped(const struct neighbours *f, const struct ring_slot *s)
{
	return f->skip != NULL && f->skip(f->arg, s->member);
}

static void take(struct neighbours *f, uint32_t slot)
{
	const struct ring_slot *slots = f->ring->slots;
	size_t at = f->n;
	while (at > 0 && node_id_cmp(&slots[f->slots[at - 1]].id, &slots[slot].id) > 0)
		at--;
	if (at > 0 && f->slots[at - 1] == slot)
		return;
	CHECK(f->n < RING_NEIGHBOURS_MAX);
	memmove(&f->slots[at + 1], &f->slots[at], (f->n - at) * sizeof(uint32_t));
	f->slots[at] = slot;
	f->n++;
}

static void take_all(struct neighbours *f, const struct node_id *self)
{
	for (uint32_t i = 0; i < f->ring->n; i++)
		if (!node_id_eq(&f->ring->slots[i].id, self) && !skipped(f, &f->ring->slots[i]))
			take(f, i);
}

/* The nearest of `others` on ring k, from `place` on in steps of `step`, modulo the ring. */
static bool take_nearest(struct neighbours *f, size_t k, size_t place, size_t step, size_t others)
{
	const struct ring *r = f->ring;
	for (; others > 0; others--, place = (place + step) % r->n) {
		if (skipped(f, slot_at(r, k, place)))
			continue;
		take(f, r->order[k][place]);
		return true;
	}
	return false;
}

size_t ring_neighbours(const struct ring *r, const struct node_id *self,
    bool (*skip)(void *arg, const void *member), void *arg, void *out[RING_NEIGHBOURS_MAX])
{
	struct neighbours f = { .ring = r, .skip = skip, .arg = arg };
	size_t n = r->n;
	size_t place = place_of(r, 0, hash_on(0, self), self);
	size_t inside = stands_at(r, 0, place, self) ? 1 : 0;
	size_t others = n - inside;
	if (others <= RING_NEIGHBOURS_MAX) {
		take_all(&f, self);
	} else {
		for (size_t k = 0; k < RING_COUNT; k++) {
			place = place_of(r, k, hash_on(k, self), self);
			if (!take_nearest(&f, k, (place + inside) % n, 1, others))
				break;
			take_nearest(&f, k, (place + n - 1) % n, n - 1, others);
		}
	}
	for (size_t i = 0; i < f.n; i++)
		out[i] = r->slots[f.slots[i]].member;
	return f.n;
}
