/* Work that would hold up a loop, done aside: small pools of threads, one for each disk, so that a slow disk
 * keeps only those waiting who want something from it.
 *
 * Bounded by construction: a work is part of what asked for it, and is given at most once at a time. Threads
 * of a lane are made when it first has work, ASIDE_THREADS at most.
 *
 * Threading: aside_do and aside_forget from any thread; `run` is called on a thread of the pool, `done` by
 * the mailbox.
 */
#ifndef NODE_HTTP_EV_ASIDE_H
#define NODE_HTTP_EV_ASIDE_H

#include "base/err.h"
#include "node/ev_mailbox.h"

#include <stdint.h>

enum {
	ASIDE_LANES = 24,  /* past it disks share one */
	ASIDE_THREADS = 4, /* a lane: as many reads as a disk is asked for at once */
};

struct aside;

struct aside_work {
	struct mailbox *mailbox;
	void (*run)(struct aside_work *w);
	/* The work is over and the giver's again. */
	void (*done)(struct aside_work *w);
	/* In place of done, when the pool ends before it was delivered; from aside_free. */
	void (*drop)(struct aside_work *w);
	/* the pool's own */
	struct letter letter;
	struct aside *aside;
	unsigned lane;
	enum { ASIDE_QUEUED, ASIDE_RUNNING, ASIDE_RAN } state;
	struct aside_work *next, **prev;
};

struct aside *aside_new(void);
/* Joins the threads; what still waits is not run. Before the mailboxes end. */
void aside_stop(struct aside *a);
/* After aside_stop, and after the loops that would have delivered: drops what was given and is not done. */
void aside_free(struct aside *a);

/* Hands the work to the lane of `key` (of a file: its device). ERR_NO_MEMORY: no thread can be made;
 * ERR_CLOSED: the pool has stopped. Then nothing was taken. */
MUST_USE enum err aside_do(struct aside *a, uint64_t key, struct aside_work *w);
/* Takes back what no thread has begun. False: it runs or ran, and done() or drop() will come. */
bool aside_forget(struct aside *a, struct aside_work *w);

#endif
