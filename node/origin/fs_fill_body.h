/* Where the bytes of a fill go: a cache disk, or memory when they are not to be stored or no disk takes them.
 * A disk that fails on the way is left for memory without a gap (growing_move).
 *
 * Threading: one fill's own thread; struct ram is shared.
 */
#ifndef NODE_ORIGIN_FS_FILL_BODY_H
#define NODE_ORIGIN_FS_FILL_BODY_H

#include "node/cache/cache.h"
#include "node/http/growing.h"

/* The bound on what all fills together keep in memory, and others besides them; what a growing file keeps is
 * given back when its last reader has gone, which may be after the fills'. Any thread. */
struct ram;
struct ram *ram_new(uint64_t max_bytes);
struct ram *ram_ref(struct ram *r);
void ram_unref(struct ram *r);
/* False past the bound. */
bool ram_take(struct ram *r, uint64_t bytes);
void ram_give(struct ram *r, uint64_t bytes);

struct fill_body {
	struct cache *cache;
	struct ram *ram;
	uint64_t length, done;       /* bytes */
	struct cache_writer *writer; /* NULL: in memory */
	int fd;                      /* the growing's: borrowed from it */
	struct growing *growing;
	struct ram_charge **charge; /* a slot that the growing file frees */
	uint64_t published, published_mono_ms;
};

/* Makes the growing file (body->growing: one reference, the caller's). `store` false: memory. ERR_NO_SPACE:
 * not even in memory; ERR_IO: out of descriptors. */
MUST_USE enum err fill_body_begin(struct fill_body *b, struct cache *c, struct ram *r,
    const struct cache_key *k, const struct cache_meta *m, bool store);
/* At most length - done bytes. `pause`: more may be long in coming, tell readers now. */
MUST_USE enum err fill_body_put(struct fill_body *b, struct bytes data, bool pause);
/* All is there: stores it, if it is to be. True: it is in the cache. The growing file is left to finish. */
bool fill_body_commit(struct fill_body *b);
void fill_body_abort(struct fill_body *b);

#endif
