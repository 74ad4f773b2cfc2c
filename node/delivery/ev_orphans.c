#include "node/delivery/ev_orphans.h"

#include "base/check.h"

void orphans_init(struct orphans *list)
{
	list->first = NULL;
	CHECK(pthread_mutex_init(&list->lock, NULL) == 0);
}

void orphans_fini(struct orphans *list)
{
	while (list->first != NULL)
		orphans_end(list, list->first);
	CHECK(pthread_mutex_destroy(&list->lock) == 0);
}

void orphans_add(struct orphans *list, struct orphan *o, void (*end)(struct orphan *o))
{
	o->end = end;
	CHECK(pthread_mutex_lock(&list->lock) == 0);
	o->next = list->first;
	o->prev = &list->first;
	if (o->next != NULL)
		o->next->prev = &o->next;
	list->first = o;
	CHECK(pthread_mutex_unlock(&list->lock) == 0);
}

void orphans_end(struct orphans *list, struct orphan *o)
{
	CHECK(pthread_mutex_lock(&list->lock) == 0);
	*o->prev = o->next;
	if (o->next != NULL)
		o->next->prev = o->prev;
	CHECK(pthread_mutex_unlock(&list->lock) == 0);
	o->end(o);
}
