#include "viewers.h"

#include "base/check.h"
#include "tests/bench/load/ev_client.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct viewer {
	struct crowd *crowd;
	size_t number;
	ev_timer comes;
	uint64_t came_ns;
	struct client_request request;
};

struct crowd {
	const struct viewers_options *o;
	struct ev_loop *loop;
	struct client *client;
	struct viewer *viewers;
	uint64_t *first_ns, *last_ns; /* of those with a whole answer, in the order in which they were done */
	size_t served, failed, left;
	uint64_t bytes;
};

static void on_done(struct client_request *r)
{
	struct viewer *v = r->arg;
	struct crowd *c = v->crowd;
	if (r->failure == FAIL_NONE && r->status == 200) {
		c->first_ns[c->served] = r->first_byte_ns - v->came_ns;
		c->last_ns[c->served++] = r->done_ns - v->came_ns;
		c->bytes += r->bytes;
	} else {
		c->failed++;
	}
	if (--c->left == 0)
		ev_break(c->loop, EVBREAK_ALL);
}

static void on_comes(struct ev_loop *loop, ev_timer *w, int events)
{
	struct viewer *v = w->data;
	(void)loop, (void)events;
	v->came_ns = client_now_ns();
	client_start(
	    v->crowd->client, &v->request, bytes_str(v->crowd->o->uris[v->number % v->crowd->o->uris_n]));
}

static int by_value(const void *a, const void *b)
{
	uint64_t x, y;
	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return (x > y) - (x < y);
}

static double at_ms(const uint64_t *sorted_ns, size_t n, unsigned percent)
{
	return n == 0 ? 0 : (double)sorted_ns[(n - 1) * percent / 100] / 1e6;
}

static void tell(const struct crowd *c, uint64_t elapsed_ns)
{
	size_t n = c->served;
	qsort(c->first_ns, n, sizeof(c->first_ns[0]), by_value);
	qsort(c->last_ns, n, sizeof(c->last_ns[0]), by_value);
	printf("{\"served\": %zu, \"failed\": %zu, \"bytes\": %" PRIu64
	       ", \"elapsed_s\": %.4f, \"first_p50_ms\": %.3f, "
	       "\"first_p99_ms\": %.3f, \"first_max_ms\": %.3f, \"last_p50_ms\": %.3f, \"last_p99_ms\": %.3f}\n",
	    n, c->failed, c->bytes, (double)elapsed_ns / 1e9, at_ms(c->first_ns, n, 50),
	    at_ms(c->first_ns, n, 99), at_ms(c->first_ns, n, 100), at_ms(c->last_ns, n, 50),
	    at_ms(c->last_ns, n, 99));
}

bool crowd_run(struct ev_loop *loop, const struct viewers_options *o)
{
	size_t n = (size_t)o->viewers;
	struct crowd c = { .o = o, .loop = loop, .left = n };
	c.client = client_new(loop, (unsigned)n, (double)o->timeout_s);
	c.viewers = calloc(n, sizeof(*c.viewers));
	c.first_ns = calloc(n, sizeof(*c.first_ns));
	c.last_ns = calloc(n, sizeof(*c.last_ns));
	CHECK(c.viewers != NULL && c.first_ns != NULL && c.last_ns != NULL);
	uint64_t began_ns = client_now_ns();
	ev_now_update(loop);
	for (size_t i = 0; i < n; i++) {
		struct viewer *v = &c.viewers[i];
		v->crowd = &c;
		v->number = i;
		client_request_init(&v->request, on_done, v);
		v->request.method = "GET";
		v->comes.data = v;
		ev_timer_init(&v->comes, on_comes, (double)(o->within_ms * i) / (double)n / 1000, 0);
		ev_timer_start(loop, &v->comes);
	}
	ev_run(loop, 0);
	tell(&c, client_now_ns() - began_ns);
	for (size_t i = 0; i < n; i++)
		client_request_fini(&c.viewers[i].request);
	client_free(c.client);
	free(c.viewers);
	free(c.first_ns);
	free(c.last_ns);
	return c.failed == 0;
}
