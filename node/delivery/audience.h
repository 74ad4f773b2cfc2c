/* Which contents have viewers on this node, and how many each: what a drain makes copies of first, and a plan
 * of an upgrade keeps a holder of (V5). Pure.
 *
 * A content stands in it as long as it has a viewer, so there are never more of them than sessions.
 *
 * Threading: one caller at a time.
 */
#ifndef NODE_DELIVERY_AUDIENCE_H
#define NODE_DELIVERY_AUDIENCE_H

#include "base/arena.h"
#include "base/err.h"

struct audience_content;

struct audience {
	struct audience_content **buckets; /* a power of two, NULL until the first content */
	size_t buckets_n;
	size_t n;
};

void audience_init(struct audience *a);
void audience_fini(struct audience *a);

/* One viewer more, and one less. */
struct audience_content *audience_enter(struct audience *a, struct bytes origin, struct bytes content);
void audience_leave(struct audience *a, struct audience_content *c);

/* A content and its viewers. */
struct watched {
	struct bytes origin, content; /* the origin store's name */
	uint32_t viewers;
};

/* All of them, copied to the arena, in no order. ERR_NO_MEMORY: it holds less. */
MUST_USE enum err audience_list(
    const struct audience *a, struct arena *arena, struct watched **out, size_t *n);

/* For qsort: who has the most viewers first, then by name. */
int watched_cmp(const void *x, const void *y);

#endif
