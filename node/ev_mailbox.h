/* How one thread hands something to a libev loop of another: a many-producer, one-consumer list of
 * intrusive letters and one ev_async.
 *
 * Bounded by construction: a letter is part of the object it speaks of, and is in at most one
 * mailbox at a time, so a mailbox never holds more than there are such objects.
 *
 * Threading: mailbox_post from any thread; the letters are delivered on the loop's thread, in order
 * of posting. A letter may be posted again as soon as its deliver() has been entered.
 */
#ifndef NODE_EV_MAILBOX_H
#define NODE_EV_MAILBOX_H

#include <ev.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct letter {
	struct letter *next;
	atomic_bool posted;
	void (*deliver)(struct letter *l);
};

struct mailbox {
	struct ev_loop *loop;
	ev_async wake;
	pthread_mutex_t lock;
	struct letter *first;
	struct letter **end;
	struct letter *due; /* taken out, being delivered: the loop's own */
};

void mailbox_init(struct mailbox *m, struct ev_loop *loop);
/* Call on the loop's thread, when no producer is left; letters not yet delivered are dropped. */
void mailbox_fini(struct mailbox *m);
/* Returns false, and does nothing, when the letter is posted already: its delivery is still to come. */
bool mailbox_post(struct mailbox *m, struct letter *l);
/* Takes the letter back if it waits here, so that what it is part of may be freed. Call on the loop's thread
 * (from a deliver() too), when nobody posts this letter any more. */
void mailbox_withdraw(struct mailbox *m, struct letter *l);

#endif
