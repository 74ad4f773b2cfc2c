#include "node/tally.h"

#include "base/check.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct tally {
	size_t nodes_n;
	struct {
		struct node_id id;
		uint32_t slot;
	} nodes[TALLY_SLOTS]; /* control's, sorted by id */
	/* second << 32 | sessions counted in it */
	_Atomic uint64_t buckets[TALLY_SLOTS][TALLY_SECONDS];
};

struct tally *tally_new(void)
{
	struct tally *t = calloc(1, sizeof(*t));
	CHECK(t != NULL);
	return t;
}

void tally_free(struct tally *t)
{
	free(t);
}

uint32_t tally_slot(struct tally *t, const struct node_id *node)
{
	size_t low = 0, high = t->nodes_n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (node_id_cmp(&t->nodes[middle].id, node) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < t->nodes_n && node_id_eq(&t->nodes[low].id, node))
		return t->nodes[low].slot;
	if (t->nodes_n == TALLY_SLOTS)
		return TALLY_NO_SLOT;
	memmove(&t->nodes[low + 1], &t->nodes[low], (t->nodes_n - low) * sizeof(t->nodes[0]));
	t->nodes[low].id = *node;
	t->nodes[low].slot = (uint32_t)t->nodes_n++;
	return t->nodes[low].slot;
}

void tally_add(struct tally *t, uint32_t slot, uint64_t now_s)
{
	CHECK(slot <= TALLY_NO_SLOT && now_s <= UINT32_MAX);
	if (slot == TALLY_NO_SLOT)
		return;
	_Atomic uint64_t *b = &t->buckets[slot][now_s % TALLY_SECONDS];
	uint64_t was = atomic_load_explicit(b, memory_order_relaxed), next;
	do {
		/* A thread whose second is over already must not wipe the bucket's later one. */
		if (was >> 32 > now_s)
			return;
		next = was >> 32 == now_s ? was + 1 : (now_s << 32) + 1;
	} while (
	    !atomic_compare_exchange_weak_explicit(b, &was, next, memory_order_relaxed, memory_order_relaxed));
}

uint32_t tally_recent(const struct tally *t, uint32_t slot, uint64_t now_s, uint32_t window_s)
{
	CHECK(slot <= TALLY_NO_SLOT);
	if (slot == TALLY_NO_SLOT)
		return 0;
	uint64_t sum = 0;
	for (uint64_t back = 0; back < window_s && back < TALLY_SECONDS && back <= now_s; back++) {
		uint64_t v =
		    atomic_load_explicit(&t->buckets[slot][(now_s - back) % TALLY_SECONDS], memory_order_relaxed);
		if (v >> 32 == now_s - back)
			sum += (uint32_t)v;
	}
	return sum < UINT32_MAX ? (uint32_t)sum : UINT32_MAX;
}
