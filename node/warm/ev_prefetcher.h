/* Fetches the next objects of viewers who play what is not here: what their players name (CMCD nor), else
 * what follows in the playlist that the cache holds. HLS; of others what players name only.
 *
 * Never at the cost of a viewer's own miss: a fill is begun only while none waits for a thread and half of
 * the threads are free, PREFETCHER_AT_ONCE at once. Who stops playing says nothing more, and what he wished
 * is forgotten.
 *
 * Bounded: PREFETCHER_HEARD_MAX words of viewers that were not looked at yet, past it one is dropped; of
 * playlists PREFETCHER_PLAYLIST_MAX_BYTES; node/warm/prefetch.h.
 *
 * Threading: a thread with a loop of its own. What is hooked into the delivery role comes from its workers.
 */
#ifndef NODE_WARM_EV_PREFETCHER_H
#define NODE_WARM_EV_PREFETCHER_H

#include "node/delivery/delivery.h"
#include "node/origin/fill.h"

enum { PREFETCHER_AT_ONCE = 4, PREFETCHER_HEARD_MAX = 256, PREFETCHER_PLAYLIST_MAX_BYTES = 2 << 20 };

struct prefetcher;

struct prefetcher_config {
	struct fills *fills;
	struct cache *cache;
	const struct config *config; /* prefetch_objects */
	struct delivery *delivery;
	uint64_t (*now_mono_ms)(void);
	uint32_t yield_ms; /* 0 = default 50 */
};

/* Hooks itself in; before the delivery role answers anybody. */
MUST_USE enum err prefetcher_start(const struct prefetcher_config *c, struct prefetcher **out);
/* After the servers, before the fills. NULL is fine. */
void prefetcher_stop(struct prefetcher *p);

struct prefetcher_counters {
	uint64_t objects, bytes; /* fetched */
	uint64_t failed;         /* not there, or not to be had */
	uint64_t stale;          /* wished, and not begun in time */
	uint64_t unheard;        /* words dropped */
};
void prefetcher_count(struct prefetcher *p, struct prefetcher_counters *out);

#endif
