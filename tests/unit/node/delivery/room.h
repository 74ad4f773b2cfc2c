/* A gate for so many sessions, whatever they claim. */
#ifndef DELIVERY_TEST_ROOM_H
#define DELIVERY_TEST_ROOM_H

#include "node/delivery/sessions.h"

#include <stdatomic.h>

struct room {
	_Atomic size_t left;
	struct session_claim last; /* of who asked; looked at by tests of one thread */
	struct session_gate gate;
};

static bool room_admit(void *ctx, const struct session_claim *claim, uint64_t now_mono_ms)
{
	struct room *r = ctx;
	(void)now_mono_ms;
	if (claim != NULL)
		r->last = *claim;
	size_t n = atomic_load(&r->left);
	while (n > 0)
		if (atomic_compare_exchange_weak(&r->left, &n, n - 1))
			return true;
	return false;
}

static void room_leave(void *ctx, const struct session_end *ends, size_t n)
{
	struct room *r = ctx;
	(void)ends;
	atomic_fetch_add(&r->left, n);
}

static inline const struct session_gate *room_gate(struct room *r, size_t n)
{
	atomic_store(&r->left, n);
	r->gate = (struct session_gate){ room_admit, room_leave, r };
	return &r->gate;
}

#endif
