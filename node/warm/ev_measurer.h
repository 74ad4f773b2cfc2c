/* Reads the playlists that the cache holds, to find out how much of each content is there and how many bits a
 * second it takes (node/cache/cache.h: cache_next_unmeasured).
 *
 * Nothing of it is kept on disk: after a start the playlists are read again, one content after the other, and
 * until then the node's own location entries of before still tell it. HLS only: of a content under a DASH
 * manifest nothing is known.
 *
 * Gentle: off the way of viewers and fills, and at most a quarter of a core. Bounded: CACHE_PLAYLISTS_MAX
 * playlists a content, MEASURER_PLAYLIST_MAX_BYTES each, MEASURER_VARIANTS_MAX variants; what is past these
 * is not looked at.
 *
 * Threading: a thread of its own.
 */
#ifndef NODE_WARM_EV_MEASURER_H
#define NODE_WARM_EV_MEASURER_H

#include "node/cache/cache.h"

enum { MEASURER_PLAYLIST_MAX_BYTES = 2 << 20, MEASURER_VARIANTS_MAX = 256 };

struct measurer;

MUST_USE enum err measurer_start(struct cache *cache, struct measurer **out);
void measurer_stop(struct measurer *m); /* before the cache is closed; NULL is fine */
/* How many contents were measured so far. */
uint64_t measurer_count(const struct measurer *m);

/* One content, by whoever calls it: what the thread does. `arena` takes what is to be remembered meanwhile.
 */
void measure_content(
    struct cache *cache, const struct cache_unmeasured *u, struct arena *arena, struct cache_measure *out);

#endif
