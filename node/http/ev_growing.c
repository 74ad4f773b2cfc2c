#include "base/obj.h"
#include "node/http/growing.h"

#include <pthread.h>
#include <unistd.h>

#define GROWING_MAGIC 0x67726f77u

/* One mutex guards all of it: looking costs some 20 ns against the sendfile of up to a MiB that
 * follows, and a letter can be promised not to come any more only under a lock. Order of locks:
 * growing, then a mailbox. */
struct growing {
	unsigned magic;
	atomic_uint refs;
	pthread_mutex_t lock;
	struct growing_view now;
	int former_fd; /* -1: never moved */
	struct growing_waiter *waiters;
	void (*freed)(void *arg);
	void *freed_arg;
};

struct growing *growing_new(int fd, uint64_t total_bytes)
{
	struct growing *g = OBJ_NEW(struct growing, GROWING_MAGIC);
	atomic_init(&g->refs, 1);
	CHECK(pthread_mutex_init(&g->lock, NULL) == 0);
	g->now = (struct growing_view){ .fd = fd, .total = total_bytes, .state = GROWING_OPEN };
	g->former_fd = -1;
	return g;
}

struct growing *growing_ref(struct growing *g)
{
	OBJ_CHECK(g, GROWING_MAGIC);
	CHECK(atomic_fetch_add(&g->refs, 1) > 0);
	return g;
}

void growing_unref(struct growing *g)
{
	if (g == NULL)
		return;
	OBJ_CHECK(g, GROWING_MAGIC);
	unsigned before = atomic_fetch_sub(&g->refs, 1);
	CHECK(before > 0);
	if (before > 1)
		return;
	CHECK(g->waiters == NULL);
	close(g->now.fd);
	if (g->former_fd >= 0)
		close(g->former_fd);
	CHECK(pthread_mutex_destroy(&g->lock) == 0);
	if (g->freed != NULL)
		g->freed(g->freed_arg);
	OBJ_FREE(g);
}

unsigned growing_refs(const struct growing *g)
{
	return atomic_load(&g->refs);
}

void growing_on_free(struct growing *g, void (*freed)(void *arg), void *arg)
{
	OBJ_CHECK(g, GROWING_MAGIC);
	CHECK(g->freed == NULL);
	g->freed = freed;
	g->freed_arg = arg;
}

static void lock(struct growing *g)
{
	OBJ_CHECK(g, GROWING_MAGIC);
	CHECK(pthread_mutex_lock(&g->lock) == 0);
}

static void unlock(struct growing *g)
{
	CHECK(pthread_mutex_unlock(&g->lock) == 0);
}

static void detach(struct growing_waiter *w)
{
	*w->prev = w->next;
	if (w->next != NULL)
		w->next->prev = w->prev;
	w->next = NULL;
	w->prev = NULL;
}

static void wake_all(struct growing *g)
{
	while (g->waiters != NULL) {
		struct growing_waiter *w = g->waiters;
		detach(w);
		mailbox_post(w->mailbox, &w->letter);
	}
}

void growing_publish(struct growing *g, uint64_t published)
{
	lock(g);
	CHECK(g->now.state == GROWING_OPEN && published >= g->now.published && published <= g->now.total);
	if (published > g->now.published) {
		g->now.published = published;
		wake_all(g);
	}
	unlock(g);
}

void growing_finish(struct growing *g, enum growing_state end)
{
	lock(g);
	CHECK(g->now.state == GROWING_OPEN && end != GROWING_OPEN);
	CHECK(end == GROWING_FAILED || g->now.published == g->now.total);
	g->now.state = end;
	wake_all(g);
	unlock(g);
}

void growing_move(struct growing *g, int fd)
{
	lock(g);
	CHECK(g->former_fd == -1 && fd >= 0);
	/* A reader may be in sendfile on the former one at this moment. */
	g->former_fd = g->now.fd;
	g->now.fd = fd;
	unlock(g);
}

struct growing_view growing_look(struct growing *g)
{
	lock(g);
	struct growing_view now = g->now;
	unlock(g);
	return now;
}

void growing_wait(struct growing *g, struct growing_waiter *w, uint64_t seen)
{
	CHECK(w->prev == NULL);
	lock(g);
	if (g->now.published > seen || g->now.state != GROWING_OPEN) {
		mailbox_post(w->mailbox, &w->letter);
	} else {
		w->next = g->waiters;
		w->prev = &g->waiters;
		if (w->next != NULL)
			w->next->prev = &w->next;
		g->waiters = w;
	}
	unlock(g);
}

void growing_forget(struct growing *g, struct growing_waiter *w)
{
	lock(g);
	if (w->prev != NULL)
		detach(w);
	unlock(g);
}
