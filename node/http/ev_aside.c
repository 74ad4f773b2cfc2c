#include "node/http/ev_aside.h"

#include "base/obj.h"

#include <signal.h>
#include <stddef.h>

#define ASIDE_MAGIC 0x61736964u

struct lane {
	bool used;
	uint64_t key;
	pthread_cond_t wake;
	struct aside_work *first, **end; /* that no thread has begun */
	pthread_t threads[ASIDE_THREADS];
	unsigned threads_n, idle_n, queued_n;
};

/* One lock: it is held for a few pointers, and whoever comes here is about to wait for a disk. */
struct aside {
	unsigned magic;
	pthread_mutex_t lock;
	bool stopping;
	struct lane lanes[ASIDE_LANES];
	struct aside_work *begun; /* running, or ran and not delivered */
};

/* What a thread is started with. */
struct seat {
	struct aside *aside;
	struct lane *lane;
};

static void lock(struct aside *a)
{
	OBJ_CHECK(a, ASIDE_MAGIC);
	CHECK(pthread_mutex_lock(&a->lock) == 0);
}

static void unlock(struct aside *a)
{
	CHECK(pthread_mutex_unlock(&a->lock) == 0);
}

struct aside *aside_new(void)
{
	struct aside *a = OBJ_NEW(struct aside, ASIDE_MAGIC);
	CHECK(pthread_mutex_init(&a->lock, NULL) == 0);
	for (unsigned i = 0; i < ASIDE_LANES; i++) {
		CHECK(pthread_cond_init(&a->lanes[i].wake, NULL) == 0);
		a->lanes[i].end = &a->lanes[i].first;
	}
	return a;
}

/* -- lists, under the lock -- */

static void queue(struct lane *l, struct aside_work *w)
{
	w->state = ASIDE_QUEUED;
	w->next = NULL;
	w->prev = l->end;
	*l->end = w;
	l->end = &w->next;
	l->queued_n++;
}

static void unqueue(struct lane *l, struct aside_work *w)
{
	*w->prev = w->next;
	if (w->next != NULL)
		w->next->prev = w->prev;
	else
		l->end = w->prev;
	l->queued_n--;
}

static void begin(struct aside *a, struct aside_work *w)
{
	w->state = ASIDE_RUNNING;
	w->next = a->begun;
	w->prev = &a->begun;
	if (w->next != NULL)
		w->next->prev = &w->next;
	a->begun = w;
}

static void end(struct aside_work *w)
{
	*w->prev = w->next;
	if (w->next != NULL)
		w->next->prev = w->prev;
}

/* -- threads -- */

static void *serve(void *arg)
{
	struct seat seat = *(struct seat *)arg;
	struct aside *a = seat.aside;
	struct lane *l = seat.lane;
	free(arg);
	lock(a);
	while (!a->stopping) {
		struct aside_work *w = l->first;
		if (w == NULL) {
			l->idle_n++;
			CHECK(pthread_cond_wait(&l->wake, &a->lock) == 0);
			l->idle_n--;
			continue;
		}
		unqueue(l, w);
		begin(a, w);
		unlock(a);
		w->run(w);
		lock(a);
		w->state = ASIDE_RAN;
		/* Under the lock: delivered, it waits there until this thread lets go of the work. */
		(void)mailbox_post(w->mailbox, &w->letter);
	}
	unlock(a);
	return NULL;
}

/* Under the lock. Signals are the main thread's. */
static void add_thread(struct aside *a, struct lane *l)
{
	struct seat *seat = malloc(sizeof(*seat));
	CHECK(seat != NULL);
	*seat = (struct seat){ a, l };
	sigset_t all, before;
	sigfillset(&all);
	CHECK(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
	int failed = pthread_create(&l->threads[l->threads_n], NULL, serve, seat);
	CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
	if (failed == 0)
		l->threads_n++;
	else
		free(seat);
}

static unsigned lane_of(struct aside *a, uint64_t key)
{
	for (unsigned i = 0; i < ASIDE_LANES; i++) {
		struct lane *l = &a->lanes[i];
		if (l->used && l->key == key)
			return i;
		if (!l->used) {
			l->used = true;
			l->key = key;
			return i;
		}
	}
	return ASIDE_LANES - 1;
}

static void on_delivered(struct letter *letter)
{
	struct aside_work *w = CONTAINER_OF(letter, struct aside_work, letter);
	struct aside *a = w->aside;
	lock(a);
	CHECK(w->state == ASIDE_RAN);
	end(w);
	unlock(a);
	w->done(w);
}

/* -- giving -- */

enum err aside_do(struct aside *a, uint64_t key, struct aside_work *w)
{
	enum err e = OK;
	lock(a);
	unsigned i = lane_of(a, key);
	struct lane *l = &a->lanes[i];
	if (l->idle_n <= l->queued_n && l->threads_n < ASIDE_THREADS && !a->stopping)
		add_thread(a, l);
	if (a->stopping)
		e = ERR_CLOSED;
	else if (l->threads_n == 0)
		e = ERR_NO_MEMORY;
	if (e == OK) {
		w->aside = a;
		w->lane = i;
		w->letter = (struct letter){ .deliver = on_delivered };
		queue(l, w);
		CHECK(pthread_cond_signal(&l->wake) == 0);
	}
	unlock(a);
	return e;
}

bool aside_forget(struct aside *a, struct aside_work *w)
{
	lock(a);
	bool queued = w->state == ASIDE_QUEUED;
	if (queued)
		unqueue(&a->lanes[w->lane], w);
	unlock(a);
	return queued;
}

/* -- the end -- */

void aside_stop(struct aside *a)
{
	lock(a);
	a->stopping = true;
	for (unsigned i = 0; i < ASIDE_LANES; i++)
		CHECK(pthread_cond_broadcast(&a->lanes[i].wake) == 0);
	unlock(a);
	for (unsigned i = 0; i < ASIDE_LANES; i++)
		for (struct lane *l = &a->lanes[i]; l->threads_n > 0; l->threads_n--)
			CHECK(pthread_join(l->threads[l->threads_n - 1], NULL) == 0);
}

void aside_free(struct aside *a)
{
	if (a == NULL)
		return;
	OBJ_CHECK(a, ASIDE_MAGIC);
	struct aside_work *w;
	for (unsigned i = 0; i < ASIDE_LANES; i++) {
		while ((w = a->lanes[i].first) != NULL) {
			unqueue(&a->lanes[i], w);
			w->drop(w);
		}
		CHECK(pthread_cond_destroy(&a->lanes[i].wake) == 0);
	}
	while ((w = a->begun) != NULL) {
		end(w);
		w->drop(w);
	}
	CHECK(pthread_mutex_destroy(&a->lock) == 0);
	OBJ_FREE(a);
}
