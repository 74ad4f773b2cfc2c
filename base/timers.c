#include "base/timers.h"

#include "base/check.h"

#include <stdlib.h>

void timers_init(struct timers *t)
{
	*t = (struct timers){ 0 };
}

void timers_fini(struct timers *t)
{
	free(t->heap);
	*t = (struct timers){ 0 };
}

static bool before(const struct timer *a, const struct timer *b)
{
	return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

static void place(struct timers *t, size_t i, struct timer *timer)
{
	t->heap[i] = timer;
	timer->slot = i + 1;
}

static void sift_up(struct timers *t, size_t i, struct timer *timer)
{
	while (i > 0 && before(timer, t->heap[(i - 1) / 2])) {
		place(t, i, t->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	place(t, i, timer);
}

static void sift_down(struct timers *t, size_t i, struct timer *timer)
{
	for (;;) {
		size_t child = 2 * i + 1;
		if (child >= t->n)
			break;
		if (child + 1 < t->n && before(t->heap[child + 1], t->heap[child]))
			child++;
		if (!before(t->heap[child], timer))
			break;
		place(t, i, t->heap[child]);
		i = child;
	}
	place(t, i, timer);
}

void timers_arm(struct timers *t, struct timer *timer, uint64_t at_ms)
{
	timers_disarm(t, timer);
	if (t->n == t->cap) {
		t->cap = t->cap == 0 ? 16 : t->cap * 2;
		t->heap = realloc(t->heap, t->cap * sizeof(struct timer *));
		CHECK(t->heap != NULL);
	}
	timer->at_ms = at_ms;
	timer->order = ++t->armed;
	sift_up(t, t->n++, timer);
}

void timers_disarm(struct timers *t, struct timer *timer)
{
	if (timer->slot == 0)
		return;
	size_t i = timer->slot - 1;
	CHECK(i < t->n && t->heap[i] == timer);
	timer->slot = 0;
	struct timer *last = t->heap[--t->n];
	if (last == timer)
		return;
	if (i > 0 && before(last, t->heap[(i - 1) / 2]))
		sift_up(t, i, last);
	else
		sift_down(t, i, last);
}

bool timer_armed(const struct timer *timer)
{
	return timer->slot != 0;
}

uint64_t timers_next(const struct timers *t)
{
	return t->n == 0 ? TIMER_NEVER : t->heap[0]->at_ms;
}

struct timer *timers_pop(struct timers *t, uint64_t now_ms)
{
	if (t->n == 0 || t->heap[0]->at_ms > now_ms)
		return NULL;
	struct timer *timer = t->heap[0];
	timers_disarm(t, timer);
	return timer;
}
