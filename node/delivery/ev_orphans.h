/* Jobs whose asker left while a letter to them was under way: each ends when that letter comes, or, when no
 * worker is left to deliver it, with the delivery.
 *
 * Threading: any; one lock, held for a few instructions. An orphan is a part of its job, which owns it.
 */
#ifndef NODE_DELIVERY_EV_ORPHANS_H
#define NODE_DELIVERY_EV_ORPHANS_H

#include <pthread.h>

struct orphan {
	struct orphan *next, **prev;
	void (*end)(struct orphan *o); /* frees the job */
};

struct orphans {
	pthread_mutex_t lock;
	struct orphan *first;
};

void orphans_init(struct orphans *list);
/* Ends those that are left. */
void orphans_fini(struct orphans *list);

void orphans_add(struct orphans *list, struct orphan *o, void (*end)(struct orphan *o));
/* Its letter came. */
void orphans_end(struct orphans *list, struct orphan *o);

#endif
