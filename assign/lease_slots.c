#include "assign/lease_slots.h"

#include "base/check.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { CACHE_LINE_BYTES = 64 };

struct slot {
	alignas(CACHE_LINE_BYTES) _Atomic uint64_t state;
	_Atomic uint64_t until_ms;
	_Atomic uint64_t incarnation;
	_Atomic uint32_t missed;
};

struct lease_slots {
	struct slot slots[LEASE_SLOTS];
};

static uint64_t state_of(uint32_t batch, uint32_t next, uint32_t limit)
{
	return (uint64_t)batch << 32 | (uint64_t)next << 16 | limit;
}

static uint32_t batch_of(uint64_t state)
{
	return (uint32_t)(state >> 32);
}

static uint32_t next_of(uint64_t state)
{
	return (uint32_t)(state >> 16) & 0xffff;
}

static uint32_t limit_of(uint64_t state)
{
	return (uint32_t)state & 0xffff;
}

struct lease_slots *lease_slots_new(void)
{
	struct lease_slots *s = aligned_alloc(CACHE_LINE_BYTES, sizeof(*s));
	CHECK(s != NULL);
	for (size_t i = 0; i < LEASE_SLOTS; i++) {
		atomic_init(&s->slots[i].state, 0);
		atomic_init(&s->slots[i].until_ms, 0);
		atomic_init(&s->slots[i].incarnation, 0);
		atomic_init(&s->slots[i].missed, 0);
	}
	return s;
}

void lease_slots_free(struct lease_slots *s)
{
	free(s);
}

/* -- workers -- */

bool lease_slots_miss(struct lease_slots *s, uint32_t slot)
{
	if (slot >= LEASE_SLOTS)
		return false;
	return atomic_fetch_add_explicit(&s->slots[slot].missed, 1, memory_order_relaxed) == 0;
}

enum lease_take lease_slots_take(
    struct lease_slots *s, uint32_t slot, uint64_t now_ms, struct lease_place *place)
{
	if (slot >= LEASE_SLOTS)
		return LEASE_DRY;
	struct slot *at = &s->slots[slot];
	uint64_t state = atomic_load_explicit(&at->state, memory_order_acquire);
	while (next_of(state) < limit_of(state)) {
		uint64_t incarnation = atomic_load_explicit(&at->incarnation, memory_order_relaxed);
		if (now_ms >= atomic_load_explicit(&at->until_ms, memory_order_relaxed))
			break;
		uint64_t taken = state_of(batch_of(state), next_of(state) + 1, limit_of(state));
		if (!atomic_compare_exchange_weak_explicit(
		        &at->state, &state, taken, memory_order_acq_rel, memory_order_acquire))
			continue;
		*place = (struct lease_place){ incarnation, batch_of(state), next_of(state) };
		return LEASE_TAKEN;
	}
	return lease_slots_miss(s, slot) ? LEASE_DRY_WAKE : LEASE_DRY;
}

uint32_t lease_slots_left(const struct lease_slots *s, uint32_t slot, uint64_t now_ms)
{
	if (slot >= LEASE_SLOTS)
		return 0;
	const struct slot *at = &s->slots[slot];
	uint64_t state = atomic_load_explicit(&at->state, memory_order_acquire);
	if (now_ms >= atomic_load_explicit(&at->until_ms, memory_order_relaxed))
		return 0;
	return limit_of(state) - next_of(state);
}

bool lease_slots_ran_dry(const struct lease_slots *s, uint32_t slot)
{
	return slot < LEASE_SLOTS && atomic_load_explicit(&s->slots[slot].missed, memory_order_relaxed) > 0;
}

/* -- control -- */

void lease_slots_publish(struct lease_slots *s, uint32_t slot, const struct lease_batch *b)
{
	CHECK(slot < LEASE_SLOTS && b->batch > 0 && b->limit > 0 && b->limit <= LEASE_LIMIT_MAX);
	struct slot *at = &s->slots[slot];
	CHECK(atomic_load_explicit(&at->state, memory_order_relaxed) == 0);
	atomic_store_explicit(&at->incarnation, b->incarnation, memory_order_relaxed);
	atomic_store_explicit(&at->until_ms, b->until_ms, memory_order_relaxed);
	atomic_store_explicit(&at->state, state_of(b->batch, 0, b->limit), memory_order_release);
}

uint32_t lease_slots_withdraw(struct lease_slots *s, uint32_t slot)
{
	CHECK(slot < LEASE_SLOTS);
	return next_of(atomic_exchange_explicit(&s->slots[slot].state, 0, memory_order_acq_rel));
}

uint32_t lease_slots_used(const struct lease_slots *s, uint32_t slot)
{
	CHECK(slot < LEASE_SLOTS);
	return next_of(atomic_load_explicit(&s->slots[slot].state, memory_order_relaxed));
}

uint32_t lease_slots_hear(struct lease_slots *s, uint32_t slot)
{
	CHECK(slot < LEASE_SLOTS);
	return atomic_exchange_explicit(&s->slots[slot].missed, 0, memory_order_relaxed);
}
