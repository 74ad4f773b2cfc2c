#include "node/ev_mailbox.h"

#include "base/check.h"

static void on_wake(struct ev_loop *loop, ev_async *w, int revents)
{
	(void)loop;
	(void)revents;
	struct mailbox *m = w->data;
	CHECK(pthread_mutex_lock(&m->lock) == 0);
	m->due = m->first;
	m->first = NULL;
	m->end = &m->first;
	CHECK(pthread_mutex_unlock(&m->lock) == 0);
	while (m->due != NULL) {
		/* Unlinked first: once `posted` is cleared another thread may post the letter again, and
		 * deliver() may free what it is part of. */
		struct letter *l = m->due;
		m->due = l->next;
		atomic_store(&l->posted, false);
		l->deliver(l);
	}
}

void mailbox_init(struct mailbox *m, struct ev_loop *loop)
{
	m->loop = loop;
	m->first = NULL;
	m->end = &m->first;
	m->due = NULL;
	CHECK(pthread_mutex_init(&m->lock, NULL) == 0);
	ev_async_init(&m->wake, on_wake);
	m->wake.data = m;
	ev_async_start(loop, &m->wake);
	ev_unref(loop); /* a mailbox alone does not keep a loop running */
}

void mailbox_fini(struct mailbox *m)
{
	ev_ref(m->loop);
	ev_async_stop(m->loop, &m->wake);
	CHECK(pthread_mutex_destroy(&m->lock) == 0);
}

bool mailbox_post(struct mailbox *m, struct letter *l)
{
	if (atomic_exchange(&l->posted, true))
		return false;
	CHECK(pthread_mutex_lock(&m->lock) == 0);
	l->next = NULL;
	*m->end = l;
	m->end = &l->next;
	/* Under the lock: once the letter can be seen, its loop may end and the mailbox with it. */
	ev_async_send(m->loop, &m->wake);
	CHECK(pthread_mutex_unlock(&m->lock) == 0);
	return true;
}

/* False when it is not in that list. */
static bool unlink_letter(struct letter **list, struct letter *l)
{
	while (*list != NULL && *list != l)
		list = &(*list)->next;
	if (*list == NULL)
		return false;
	*list = l->next;
	return true;
}

void mailbox_withdraw(struct mailbox *m, struct letter *l)
{
	CHECK(pthread_mutex_lock(&m->lock) == 0);
	bool found = unlink_letter(&m->first, l);
	if (found) {
		m->end = &m->first;
		while (*m->end != NULL)
			m->end = &(*m->end)->next;
	}
	CHECK(pthread_mutex_unlock(&m->lock) == 0);
	if (found || unlink_letter(&m->due, l))
		atomic_store(&l->posted, false);
}
