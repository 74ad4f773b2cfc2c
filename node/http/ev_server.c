#include "node/http/ev_server.h"

#include "node/http/ev_worker.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <time.h>

const struct http_limits http_limits_default = {
	.header_timeout_ms = 10000,
	.idle_timeout_ms = 60000,
	.last_request_ms = 3000,
	.send_timeout_ms = 60000,
	.body_timeout_ms = 30000,
	.request_line_bytes = 8 << 10,
	.headers_bytes = 16 << 10,
	.body_bytes = 64 << 10,
	.connections = 100000,
	.pipelined_bytes = 16 << 10,
	.requests = 10000,
};

/* -- making and unmaking -- */

static struct http_server *server_new(const struct http_server_config *c)
{
	CHECK(c->workers >= 1 && c->handler != NULL);
	struct http_server *s = OBJ_NEW(struct http_server, HTTP_SERVER_MAGIC);
	s->limits = c->limits != NULL ? *c->limits : http_limits_default;
	atomic_init(&s->listeners_stay, c->listeners_stay);
	s->handler = c->handler;
	s->ctx = c->ctx;
	s->worker_start = c->worker_start;
	s->worker_stop = c->worker_stop;
	s->warmth = c->warmth != NULL ? c->warmth : &fs_warmth;
	s->aside = aside_new();
	s->worker_rest = c->worker_rest;
	s->workers = calloc(c->workers, sizeof(s->workers[0]));
	CHECK(s->workers != NULL);
	return s;
}

/* Adds a worker on `loop` with the descriptors that are its own. */
static void add_worker(struct http_server *s, const struct http_server_config *c, struct ev_loop *loop)
{
	struct http_worker *w = &s->workers[s->workers_n];
	w->listeners = calloc(c->listeners_n + 1, sizeof(w->listeners[0]));
	CHECK(w->listeners != NULL);
	worker_init(w, s, s->workers_n, loop);
	for (size_t i = s->workers_n; i < c->listeners_n; i += c->workers)
		worker_listen(w, c->listeners[i]);
	s->workers_n++;
}

/* No worker runs any more. */
static void server_free(struct http_server *s, bool close_listeners)
{
	aside_stop(s->aside);
	for (unsigned i = 0; i < s->workers_n; i++) {
		struct ev_loop *loop = s->workers[i].loop;
		worker_fini(&s->workers[i], close_listeners);
		if (s->own_threads)
			ev_loop_destroy(loop);
	}
	aside_free(s->aside);
	free(s->workers);
	OBJ_FREE(s);
}

/* Accepted sockets inherit TCP_NODELAY, which saves a call for each. */
static enum err prepare_listeners(const struct http_server_config *c)
{
	for (size_t i = 0; i < c->listeners_n; i++) {
		int fd = c->listeners[i], on = 1, listens = 0;
		socklen_t n = sizeof(listens);
		int flags = fcntl(fd, F_GETFL);
		if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
			return ERR_INVALID;
		if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &n) != 0 || !listens)
			return ERR_INVALID;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	}
	return OK;
}

static void *run_worker(void *arg)
{
	struct http_worker *w = OBJ_CAST(struct http_worker, HTTP_WORKER_MAGIC, arg);
	worker_begin(w);
	ev_run(w->loop, 0);
	worker_end(w);
	return NULL;
}

/* Signals are the main thread's. */
static bool start_thread(struct http_worker *w)
{
	sigset_t all, before;
	sigfillset(&all);
	CHECK(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
	int failed = pthread_create(&w->thread, NULL, run_worker, w);
	CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
	return failed == 0;
}

static void stop_threads(struct http_server *s, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		mailbox_post(&s->workers[i].mailbox, &s->workers[i].stop_letter);
	for (unsigned i = 0; i < n; i++)
		CHECK(pthread_join(s->workers[i].thread, NULL) == 0);
}

enum err http_server_start(const struct http_server_config *c, struct http_server **out)
{
	enum err e = prepare_listeners(c);
	if (e != OK)
		return e;
	struct http_server *s = server_new(c);
	s->own_threads = true;
	while (s->workers_n < c->workers) {
		struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
		if (loop == NULL) {
			server_free(s, false);
			return ERR_IO;
		}
		add_worker(s, c, loop);
	}
	for (unsigned i = 0; i < s->workers_n; i++) {
		if (start_thread(&s->workers[i]))
			continue;
		stop_threads(s, i);
		server_free(s, false);
		return ERR_NO_MEMORY;
	}
	*out = s;
	return OK;
}

enum err http_server_on_loop(
    const struct http_server_config *c, struct ev_loop *loop, struct http_server **out)
{
	struct http_server_config one = *c;
	one.workers = 1;
	enum err e = prepare_listeners(&one);
	if (e != OK)
		return e;
	struct http_server *s = server_new(&one);
	add_worker(s, &one, loop);
	worker_begin(&s->workers[0]);
	*out = s;
	return OK;
}

void http_server_drain(struct http_server *s)
{
	OBJ_CHECK(s, HTTP_SERVER_MAGIC);
	for (unsigned i = 0; i < s->workers_n; i++)
		mailbox_post(&s->workers[i].mailbox, &s->workers[i].drain_letter);
}

bool http_server_former_gone(const struct http_server *s)
{
	OBJ_CHECK(s, HTTP_SERVER_MAGIC);
	return atomic_load(&s->draining_n) == s->workers_n && atomic_load(&s->former) == 0;
}

void http_server_stop_accepting(struct http_server *s)
{
	OBJ_CHECK(s, HTTP_SERVER_MAGIC);
	for (unsigned i = 0; i < s->workers_n; i++)
		mailbox_post(&s->workers[i].mailbox, &s->workers[i].close_letter);
}

void http_server_keep_listeners(struct http_server *s)
{
	OBJ_CHECK(s, HTTP_SERVER_MAGIC);
	atomic_store(&s->listeners_stay, true);
}

void http_server_stop(struct http_server *s)
{
	if (s == NULL)
		return;
	OBJ_CHECK(s, HTTP_SERVER_MAGIC);
	if (s->own_threads)
		stop_threads(s, s->workers_n);
	else
		worker_end(&s->workers[0]);
	server_free(s, !atomic_load(&s->listeners_stay));
}

/* -- asking -- */

size_t http_server_open_connections(const struct http_server *s)
{
	OBJ_CHECK(s, HTTP_SERVER_MAGIC);
	return atomic_load(&s->connections);
}

/* Adds what a worker counted. */
static void add_counts(const struct http_worker *w, struct http_counters *sum)
{
#define ADD(counter)                         \
	atomic_fetch_add_explicit(&sum->counter, \
	    atomic_load_explicit(&w->counters.counter, memory_order_relaxed), memory_order_relaxed)
	ADD(connections_accepted);
	ADD(connections_open);
	ADD(connections_refused);
	ADD(requests);
	ADD(responses_2xx);
	ADD(responses_3xx);
	ADD(responses_4xx);
	ADD(responses_5xx);
	ADD(bytes_sent);
	ADD(resets);
	ADD(timeouts);
	ADD(malformed);
	ADD(cold_reads);
#undef ADD
}

void http_server_count(const struct http_server *s, struct http_counters *sum)
{
	OBJ_CHECK(s, HTTP_SERVER_MAGIC);
	*sum = (struct http_counters){ 0 };
	for (unsigned i = 0; i < s->workers_n; i++)
		add_counts(&s->workers[i], sum);
}

void http_server_count_worker(const struct http_server *s, unsigned worker, struct http_counters *out)
{
	OBJ_CHECK(s, HTTP_SERVER_MAGIC);
	CHECK(worker < s->workers_n);
	*out = (struct http_counters){ 0 };
	add_counts(&s->workers[worker], out);
}

unsigned http_server_workers(const struct http_server *s)
{
	return s->workers_n;
}

const struct http_limits *http_server_limits(const struct http_server *s)
{
	return &s->limits;
}

/* -- what is sent -- */

void server_look_at_egress(struct http_server *s, uint64_t now_mono_ms)
{
	uint64_t sent = 0;
	if (atomic_exchange(&s->looking, true))
		return;
	for (unsigned i = 0; i < s->workers_n; i++)
		sent += atomic_load_explicit(&s->workers[i].counters.bytes_sent, memory_order_relaxed);
	rate_meter_feed(&s->egress, now_mono_ms, sent, s->limits.egress_bytes_per_s);
	atomic_store(&s->egress_bytes_per_s, s->egress.per_s);
	atomic_store(&s->overloaded, s->egress.over);
	atomic_store(&s->look_due_ms, now_mono_ms + RATE_METER_STEP_MS);
	atomic_store(&s->looking, false);
}

uint64_t http_server_egress_bytes_per_s(struct http_server *s)
{
	struct timespec now;
	CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
	server_look_at_egress(s, (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000);
	return atomic_load(&s->egress_bytes_per_s);
}

bool http_overloaded(const struct http_worker *w)
{
	return atomic_load_explicit(&w->server->overloaded, memory_order_relaxed);
}

/* -- a worker's -- */

unsigned http_worker_index(const struct http_worker *w)
{
	return w->index;
}

unsigned http_worker_count(const struct http_worker *w)
{
	return w->server->workers_n;
}

struct ev_loop *http_worker_loop(const struct http_worker *w)
{
	return w->loop;
}

struct aside *http_worker_aside(const struct http_worker *w)
{
	return w->server->aside;
}

struct mailbox *http_worker_mailbox(struct http_worker *w)
{
	return &w->mailbox;
}

void http_worker_set_data(struct http_worker *w, void *data)
{
	w->data = data;
}

void *http_worker_data(const struct http_worker *w)
{
	return w->data;
}

uint64_t http_worker_now_mono_ms(const struct http_worker *w)
{
	return w->mono_ms;
}

uint64_t http_worker_now_wall_ms(const struct http_worker *w)
{
	return w->wall_ms;
}
