/* Memory of one request or one message: many small allocations, freed at once.
 *
 * Grows in blocks up to a bound; arena_reset keeps the first block, so that a connection's next
 * request allocates nothing. Not thread-safe: an arena belongs to one thread.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/bytes.h"

struct arena_block;

struct arena {
	struct arena_block *first;
	struct arena_block *current;
	size_t used; /* bytes given out since the last reset */
	size_t max;  /* bound on that */
};

void arena_init(struct arena *a, size_t max_bytes);
void arena_fini(struct arena *a);
void arena_reset(struct arena *a);

/* Zeroed and aligned for any type; NULL past the bound. */
MUST_USE void *arena_alloc(struct arena *a, size_t n);
/* An array of `count` elements; NULL past the bound or when the product overflows. */
MUST_USE void *arena_array(struct arena *a, size_t count, size_t size);
/* A copy; p is NULL past the bound (also for an empty source p is not NULL). */
MUST_USE struct bytes arena_dup(struct arena *a, struct bytes s);
/* A NUL-terminated copy; NULL past the bound. */
MUST_USE char *arena_str(struct arena *a, struct bytes s);
/* printf into the arena; NULL past the bound. */
MUST_USE char *arena_printf(struct arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
