#include "rpc/nng_hub.h"

#include "base/obj.h"

#include <errno.h>
#include <time.h>

enum { HUB_MAGIC = 0x6e687562 };

uint64_t nng_now_ms(void)
{
	struct timespec t;
	CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static struct nng_signal *take_first(struct nng_hub *h)
{
	nng_hub_lock(h);
	struct nng_signal *s = h->first;
	if (s != NULL) {
		h->first = s->next;
		if (h->first == NULL)
			h->last = NULL;
		s->next = NULL;
		s->raised = false;
		h->raised_n--;
	}
	nng_hub_unlock(h);
	return s;
}

/* Runs what was raised by now; what is raised meanwhile waits for the loop's next round, so that busy
 * links do not starve its timers. */
static void on_wake(struct ev_loop *loop, ev_async *w, int events)
{
	struct nng_hub *h = OBJ_CAST(struct nng_hub, HUB_MAGIC, w->data);
	(void)loop;
	(void)events;
	nng_hub_lock(h);
	size_t n = h->raised_n;
	nng_hub_unlock(h);
	for (; n > 0; n--) {
		struct nng_signal *s = take_first(h);
		if (s == NULL)
			return;
		s->run(s->owner);
	}
	nng_hub_lock(h);
	if (h->first != NULL)
		ev_async_send(h->loop, &h->wake);
	nng_hub_unlock(h);
}

void nng_hub_init(struct nng_hub *h, struct ev_loop *loop)
{
	*h = (struct nng_hub){ .magic = HUB_MAGIC, .loop = loop };
	pthread_condattr_t attr;
	CHECK(pthread_mutex_init(&h->lock, NULL) == 0);
	CHECK(pthread_condattr_init(&attr) == 0);
	CHECK(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
	CHECK(pthread_cond_init(&h->changed, &attr) == 0);
	CHECK(pthread_condattr_destroy(&attr) == 0);
	ev_async_init(&h->wake, on_wake);
	h->wake.data = h;
	ev_async_start(loop, &h->wake);
}

void nng_hub_fini(struct nng_hub *h)
{
	OBJ_CHECK(h, HUB_MAGIC);
	CHECK(h->first == NULL && h->orphans == NULL);
	ev_async_stop(h->loop, &h->wake);
	CHECK(pthread_cond_destroy(&h->changed) == 0);
	CHECK(pthread_mutex_destroy(&h->lock) == 0);
	h->magic = 0;
}

void nng_hub_leave(struct nng_hub *h)
{
	OBJ_CHECK(h, HUB_MAGIC);
	nng_hub_lock(h);
	ev_async_stop(h->loop, &h->wake);
	h->loop = NULL;
	nng_hub_unlock(h);
}

void nng_hub_lock(struct nng_hub *h)
{
	CHECK(pthread_mutex_lock(&h->lock) == 0);
}

void nng_hub_unlock(struct nng_hub *h)
{
	CHECK(pthread_mutex_unlock(&h->lock) == 0);
}

void nng_hub_raise(struct nng_hub *h, struct nng_signal *s)
{
	CHECK(pthread_cond_signal(&h->changed) == 0);
	if (s->raised)
		return;
	s->raised = true;
	s->next = NULL;
	if (h->last == NULL)
		h->first = s;
	else
		h->last->next = s;
	h->last = s;
	if (h->raised_n++ == 0 && h->loop != NULL)
		ev_async_send(h->loop, &h->wake);
}

void nng_hub_forget(struct nng_hub *h, struct nng_signal *s)
{
	nng_hub_lock(h);
	struct nng_signal *before = NULL;
	for (struct nng_signal *at = h->first; at != NULL; before = at, at = at->next) {
		if (at != s)
			continue;
		if (before == NULL)
			h->first = s->next;
		else
			before->next = s->next;
		if (h->last == s)
			h->last = before;
		h->raised_n--;
		break;
	}
	s->raised = false;
	s->next = NULL;
	nng_hub_unlock(h);
}

bool nng_hub_wait(struct nng_hub *h, uint64_t until_ms)
{
	struct timespec t = { .tv_sec = (time_t)(until_ms / 1000), .tv_nsec = (long)(until_ms % 1000) * 1000000 };
	int rc = pthread_cond_timedwait(&h->changed, &h->lock, &t);
	CHECK(rc == 0 || rc == ETIMEDOUT);
	return rc == 0;
}
