/* A long fill whose last reader has left: it goes on for who may come next, unless it would keep a thread and
 * the origin store busy for long. */
#include "node/origin/ev_fill.h"

enum {
	LONELY_MS = 2000, /* a player that seeks is back sooner */
	LONG_MS = 10000,
	OWN_REFS = 2, /* the table's and the filler's */
};

bool fill_abandons(struct fill *f, uint64_t done, uint64_t length)
{
	uint64_t now = fills_now_mono_ms();
	bool over = false;
	fills_lock(f->fills);
	if (f->begun_mono_ms == 0)
		f->begun_mono_ms = now;
	if (f->waiters != NULL || growing_refs(f->growing) > OWN_REFS) {
		f->lonely_mono_ms = 0;
	} else if (f->lonely_mono_ms == 0) {
		f->lonely_mono_ms = now;
	} else if (!f->doomed && now - f->lonely_mono_ms >= LONELY_MS) {
		/* At the pace that it has had so far. */
		uint64_t took_ms = now - f->begun_mono_ms, left = length - done;
		over = done == 0 || (double)left / (double)done * (double)took_ms > LONG_MS;
	}
	if (over) {
		fill_leaves_bucket(f); /* who comes now begins anew */
		f->doomed = true;
		f->fills->counters.abandoned++;
	}
	fills_unlock(f->fills);
	return over;
}
