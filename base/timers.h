/* A binary heap of deadlines. Time is an argument: a core asks timers_next() when it wants to be
 * woken, and the caller (libev, or the simulator's event heap) decides what a millisecond is.
 *
 * A timer is embedded in what it belongs to and armed at most once; arming an armed timer moves
 * it. Equal deadlines fire in the order they were armed, so that a seed replays.
 */
#ifndef BASE_TIMERS_H
#define BASE_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIMER_NEVER UINT64_MAX

struct timer {
	uint64_t at_ms;
	uint64_t order; /* breaks ties */
	size_t slot;    /* index in the heap + 1; 0 = not armed */
};

struct timers {
	struct timer **heap;
	size_t n;
	size_t cap;
	uint64_t armed; /* counts, for `order` */
};

void timers_init(struct timers *t);
void timers_fini(struct timers *t); /* armed timers are forgotten, not freed */
void timers_arm(struct timers *t, struct timer *timer, uint64_t at_ms);
void timers_disarm(struct timers *t, struct timer *timer); /* no-op when not armed */
bool timer_armed(const struct timer *timer);
/* The earliest deadline, or TIMER_NEVER. */
uint64_t timers_next(const struct timers *t);
/* Takes the earliest timer whose deadline is at or before now; NULL when there is none. */
struct timer *timers_pop(struct timers *t, uint64_t now_ms);

#endif
