/* Which units left the small queue lately: S3-FIFO's ghost queue (Yang et al., SOSP '23, section 4.2), in
 * bytes.
 *
 * A table of fingerprints, eight to a bucket (a cache line), eight bytes each. A fingerprint remembers how
 * many bytes had left before it; it is known as long as fewer than `reach` have left since, which makes a
 * queue of the table. A full bucket forgets its oldest. One in some two million strangers is taken for a
 * ghost.
 *
 * Pure, no thread.
 */
#ifndef NODE_CACHE_GHOSTS_H
#define NODE_CACHE_GHOSTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GHOSTS_MIN = 1 << 6, GHOSTS_MAX = 1 << 22 }; /* 32 MiB at most */

struct ghosts {
	uint64_t *slots;
	size_t slots_n;    /* a power of two */
	uint64_t position; /* of the end of the queue, in blocks */
};

void ghosts_init(struct ghosts *g);
void ghosts_fini(struct ghosts *g);
/* Makes room for as many, up to GHOSTS_MAX; it never shrinks. */
void ghosts_fit(struct ghosts *g, size_t n);
/* key: of the unit, evenly spread over 64 bits. */
void ghosts_put(struct ghosts *g, uint64_t key, uint64_t size_bytes);
/* Whether it is among the last `reach_bytes` that left; forgets it. */
bool ghosts_take(struct ghosts *g, uint64_t key, uint64_t reach_bytes);

#endif
