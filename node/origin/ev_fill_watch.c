/* The fills' clock: what is parked begins when it is due, and who waits too long is answered.
 *
 * An origin store that hangs holds its thread until the kernel lets go; the viewers who wait are answered all
 * the same: out of an old unit when there is one, with a failure when there is none (D6). The fill itself
 * goes on, and ends when it ends. */
#include "node/origin/ev_fill.h"

#include <string.h>
#include <time.h>

enum {
	LOOK_EVERY_MS = 100,
	PENDING_AFTER_MS =
	    600, /* told to another node, which takes a second without an answer for a failure (D7) */
};

/* Under the lock. */
static void answer_peers(struct fills *fs, uint64_t now)
{
	const struct fill_answer pending = { .outcome = FILL_PENDING };
	struct fill *f;
	TAILQ_FOREACH(f, &fs->all, all_link)
	{
		struct fill_waiter *waiting = f->for_peer ? fill_detach_peers(f, now, PENDING_AFTER_MS) : NULL;
		fills_answer(fs, waiting, &pending);
	}
}

/* What is needed of a fill that may be gone once the lock was given up. */
struct look {
	uint64_t hash;
	unsigned origin;
	uint32_t slice;
	const char *origin_name;
	char etag[CACHE_VALIDATOR_MAX + 1];
	size_t object_n;
	uint8_t object[CACHE_OBJECT_MAX];
	bool give_up;
};

/* Under the lock: the next fill whose waiters have waited long enough; false when there is none now. */
static bool next_look(struct fills *fs, uint64_t now, struct look *out)
{
	struct fill *f;
	TAILQ_FOREACH(f, &fs->all, all_link)
	{
		uint64_t age = now - f->since_mono_ms;
		if (now < f->since_mono_ms || (age < fs->stale_after_ms && age < fs->give_up_after_ms))
			return false; /* the others are younger */
		if (f->waiters == NULL || now - f->looked_mono_ms < LOOK_EVERY_MS)
			continue;
		f->looked_mono_ms = now;
		*out = (struct look){ .hash = f->hash,
			.origin = f->origin,
			.slice = f->slice,
			.origin_name = fs->config->origins[f->origin].name,
			.object_n = f->object.n,
			.give_up = age >= fs->give_up_after_ms };
		memcpy(out->object, f->object.p, f->object.n);
		memcpy(out->etag, f->etag, sizeof(out->etag));
		return true;
	}
	return false;
}

static void answer_late(struct fills *fs, const struct look *l)
{
	struct bytes object = bytes_of(l->object, l->object_n);
	struct cache_key k = { .origin = bytes_str(l->origin_name), .object = object };
	struct cache_unit *old = fills_look(fs, &k, l->slice, l->etag);
	if (old != NULL && !fills_may_stand_in(fs, old)) {
		cache_release(fs->cache, old);
		old = NULL;
	}
	if (old == NULL && !l->give_up)
		return;
	struct fill_answer a = { .outcome = FILL_HIT, .unit = old, .stale = true };
	if (old == NULL)
		a = (struct fill_answer){ .outcome = FILL_FAILED, .error = ERR_TIMEOUT };
	fills_lock(fs);
	struct fill *f = fills_find(fs, l->hash, l->origin, object, l->slice);
	struct fill_waiter *all = f != NULL ? fill_detach_all(f) : NULL;
	fs->counters.failed += old == NULL && all != NULL;
	fs->counters.stale += old != NULL && all != NULL;
	fills_answer(fs, all, &a);
	fills_unlock(fs);
	cache_release(fs->cache, old);
}

/* Under the lock. Sleeps for good while there is nothing to watch. */
static void rest(struct fills *fs, uint64_t parked_until)
{
	if (TAILQ_EMPTY(&fs->all)) {
		CHECK(pthread_cond_wait(&fs->watch_work, &fs->lock) == 0);
		return;
	}
	uint64_t due = fills_now_mono_ms() + LOOK_EVERY_MS;
	due = parked_until < due ? parked_until : due;
	struct timespec until = { .tv_sec = (time_t)(due / 1000), .tv_nsec = (long)(due % 1000) * 1000000 };
	(void)pthread_cond_timedwait(&fs->watch_work, &fs->lock, &until);
}

void *fills_watch(void *arg)
{
	struct fills *fs = OBJ_CAST(struct fills, FILLS_MAGIC, arg);
	struct look l;
	fills_lock(fs);
	while (!fs->stopping) {
		uint64_t now = fills_now_mono_ms(), parked_until = fills_unpark(fs, now);
		if (!next_look(fs, now, &l)) {
			answer_peers(fs, now);
			rest(fs, parked_until);
			continue;
		}
		fills_unlock(fs);
		answer_late(fs, &l);
		fills_lock(fs);
	}
	fills_unlock(fs);
	return NULL;
}
