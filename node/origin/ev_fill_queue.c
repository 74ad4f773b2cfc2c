/* Which fill is next. What other nodes wait for has threads of its own: those for this node's viewers may
 * all wait for other nodes, and these for this one. */
#include "node/origin/ev_fill.h"

/* What is parked does not wait for a thread. */
static uint64_t *count_of(struct fills *fs, const struct fill_queue *q)
{
	return q == &fs->parked ? &fs->counters.parked : &fs->counters.queued;
}

static void put(struct fill *f, struct fill_queue *q)
{
	CHECK(f->in == NULL);
	TAILQ_INSERT_TAIL(q, f, queue_link);
	f->in = q;
	f->started = false;
	f->elsewhere = false;
	++*count_of(f->fills, q);
}

void fills_push(struct fill *f)
{
	struct fills *fs = f->fills;
	put(f, f->for_peer && fs->peers != NULL ? &fs->peer_queue : &fs->queue);
	CHECK(pthread_cond_signal(&fs->work) == 0);
}

void fill_unqueue(struct fill *f)
{
	CHECK(f->in != NULL);
	TAILQ_REMOVE(f->in, f, queue_link);
	--*count_of(f->fills, f->in);
	f->in = NULL;
}

void fill_parks(struct fill *f, uint64_t due_mono_ms)
{
	put(f, &f->fills->parked);
	f->due_mono_ms = due_mono_ms;
	CHECK(pthread_cond_signal(&f->fills->watch_work) == 0);
}

uint64_t fills_unpark(struct fills *fs, uint64_t now_mono_ms)
{
	uint64_t next = UINT64_MAX;
	struct fill *f = TAILQ_FIRST(&fs->parked), *after;
	for (; f != NULL; f = after) {
		after = TAILQ_NEXT(f, queue_link);
		if (f->due_mono_ms <= now_mono_ms) {
			fill_unqueue(f);
			fills_push(f);
		} else if (f->due_mono_ms < next) {
			next = f->due_mono_ms;
		}
	}
	return next;
}

static struct fill *first(struct fills *fs)
{
	if (!TAILQ_EMPTY(&fs->peer_queue))
		return TAILQ_FIRST(&fs->peer_queue);
	return fs->own_running < fs->own_max ? TAILQ_FIRST(&fs->queue) : NULL;
}

struct fill *fills_pop(struct fills *fs)
{
	struct fill *f = NULL;
	while (!fs->stopping && (f = first(fs)) == NULL)
		CHECK(pthread_cond_wait(&fs->work, &fs->lock) == 0);
	if (f == NULL)
		return NULL;
	f->own = f->in == &fs->queue;
	fill_unqueue(f);
	f->started = true;
	fs->own_running += f->own;
	fs->counters.running++;
	return f;
}

void fills_popped_ends(struct fills *fs, bool own)
{
	fs->own_running -= own;
	fs->counters.running--;
}
