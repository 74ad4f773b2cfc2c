/* A file that is being filled while viewers read it (D5).
 *
 * One filler publishes how many bytes are there; any number of readers, on any worker, send up to
 * that length and never up to the end of the file. When a reader has caught up it leaves a letter
 * and is woken by the next progress. A fill that fails resets its readers; it never ends as if
 * complete.
 *
 * Threading: growing_publish, growing_finish and growing_move by the one filler; all else from any
 * thread. Reference counted; the last reference closes the descriptors.
 */
#ifndef NODE_HTTP_GROWING_H
#define NODE_HTTP_GROWING_H

#include "base/err.h"
#include "node/ev_mailbox.h"

#include <stdint.h>

enum growing_state { GROWING_OPEN, GROWING_WHOLE, GROWING_FAILED };

struct growing;

/* Takes the descriptor. `total_bytes` is the length the source announced. */
struct growing *growing_new(int fd, uint64_t total_bytes);
struct growing *growing_ref(struct growing *g);
void growing_unref(struct growing *g);
/* How many references there are now. */
unsigned growing_refs(const struct growing *g);
/* Called when the last reference has gone, by whoever let it go: what was kept for it (memory) is free again.
 * Set by the filler before anybody else has the growing. */
void growing_on_free(struct growing *g, void (*freed)(void *arg), void *arg);

/* `published` only rises, never past the total. Tell at most every 64 KiB or 5 ms. */
void growing_publish(struct growing *g, uint64_t published);
/* GROWING_WHOLE (published must be the total) or GROWING_FAILED; wakes every reader. */
void growing_finish(struct growing *g, enum growing_state end);
/* The bytes so far stand in `fd` too and the rest will: readers go on there (a cache disk ran full).
 * Takes fd; the former one stays open until the last reference goes. At most once. */
void growing_move(struct growing *g, int fd);

/* What may be read now. Read `fd` after `published` was read: it holds at least that much. */
struct growing_view {
	int fd;
	uint64_t published;
	uint64_t total;
	enum growing_state state;
};
struct growing_view growing_look(struct growing *g);

struct growing_waiter {
	struct letter letter; /* deliver() set by the owner */
	struct mailbox *mailbox;
	struct growing_waiter *next;
	struct growing_waiter **prev; /* NULL when not waiting */
};

/* Wakes `w` (once, through its mailbox) when published > seen or the state is no longer open; at
 * once when that is so already. */
void growing_wait(struct growing *g, struct growing_waiter *w, uint64_t seen);
/* After return the letter will not be posted any more; one posted before is still delivered. */
void growing_forget(struct growing *g, struct growing_waiter *w);

#endif
