/* What is still to be fetched of one content, and what was: playlists first, since they name the rest; each
 * object once. Pure.
 *
 * Bounded: PLAN_OBJECTS_MAX objects; what is named past it is counted and left out.
 */
#ifndef NODE_WARM_PLAN_H
#define NODE_WARM_PLAN_H

#include "base/bytes.h"

enum { PLAN_OBJECTS_MAX = 20000, PLAN_TRIES_MAX = 3 };

struct plan;

struct plan_item {
	bool playlist;
	unsigned tries; /* begun so often */
	size_t object_n;
	uint8_t object[]; /* content/path */
};

struct plan *plan_new(size_t objects_max); /* aborts when out of memory */
void plan_free(struct plan *p);            /* NULL is fine */
/* Once named, for ever known: a second time nothing happens. */
void plan_add(struct plan *p, struct bytes object, bool playlist);
/* The next one to fetch, which stays the plan's; NULL: none is left. Counts as a try. */
struct plan_item *plan_next(struct plan *p);
/* It goes to the end of its line, unless it was tried PLAN_TRIES_MAX times: false. */
bool plan_again(struct plan *p, struct plan_item *item);
/* How many wait, how many were left out. */
size_t plan_waiting(const struct plan *p);
size_t plan_left_out(const struct plan *p);

#endif
