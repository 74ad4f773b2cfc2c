#include "node/cache/ghosts.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

/* A slot is 24 bits of fingerprint over 40 bits of position; 0 is empty, because positions begin at 1. They
 * begin anew after 4 PiB, when a ghost that nobody overwrote would come alive once more. */
enum { WAYS = 8, POSITION_BITS = 40, BLOCK_BYTES = 4096 };

static const uint64_t position_mask = ((uint64_t)1 << POSITION_BITS) - 1;

static uint64_t blocks_of(uint64_t size_bytes)
{
	return size_bytes / BLOCK_BYTES + (size_bytes % BLOCK_BYTES != 0);
}

static uint64_t *make_slots(size_t n)
{
	uint64_t *slots = calloc(n, sizeof(*slots));
	CHECK(slots != NULL);
	return slots;
}

void ghosts_init(struct ghosts *g)
{
	*g = (struct ghosts){ .slots = make_slots(GHOSTS_MIN), .slots_n = GHOSTS_MIN, .position = 1 };
}

void ghosts_fini(struct ghosts *g)
{
	free(g->slots);
	*g = (struct ghosts){ 0 };
}

/* The bit of the key that tells the two new halves apart is not kept, so each ghost goes into both: the one
 * that nobody asks for is overwritten when it is the oldest. */
void ghosts_fit(struct ghosts *g, size_t n)
{
	while (g->slots_n < n && g->slots_n < GHOSTS_MAX) {
		uint64_t *wider = make_slots(g->slots_n * 2);
		memcpy(wider, g->slots, g->slots_n * sizeof(*wider));
		memcpy(wider + g->slots_n, g->slots, g->slots_n * sizeof(*wider));
		free(g->slots);
		g->slots = wider;
		g->slots_n *= 2;
	}
}

static uint64_t *bucket_of(const struct ghosts *g, uint64_t key)
{
	return g->slots + (key & (g->slots_n / WAYS - 1)) * WAYS;
}

static uint64_t age_blocks(const struct ghosts *g, uint64_t slot)
{
	return (g->position - slot) & position_mask;
}

static bool is_of(uint64_t slot, uint64_t key)
{
	return slot != 0 && slot >> POSITION_BITS == key >> POSITION_BITS;
}

void ghosts_put(struct ghosts *g, uint64_t key, uint64_t size_bytes)
{
	uint64_t *bucket = bucket_of(g, key), *into = &bucket[0];
	for (unsigned i = 0; i < WAYS; i++) {
		if (bucket[i] == 0 || is_of(bucket[i], key)) {
			into = &bucket[i];
			break;
		}
		if (age_blocks(g, bucket[i]) > age_blocks(g, *into))
			into = &bucket[i];
	}
	*into = (key & ~position_mask) | (g->position & position_mask);
	g->position += blocks_of(size_bytes);
}

bool ghosts_take(struct ghosts *g, uint64_t key, uint64_t reach_bytes)
{
	uint64_t *bucket = bucket_of(g, key);
	for (unsigned i = 0; i < WAYS; i++) {
		if (!is_of(bucket[i], key))
			continue;
		bool known = age_blocks(g, bucket[i]) <= blocks_of(reach_bytes);
		bucket[i] = 0;
		return known;
	}
	return false;
}
