#include "server_fixture.h"

#include "base/check.h"
#include "node/http/range.h"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

uint8_t fixture_byte(uint64_t i)
{
	return (uint8_t)((i * 2654435761u) >> 11);
}

uint64_t fixture_now_ms(void)
{
	struct timespec t;
	CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void fixture_await(atomic_uint *counter, unsigned value)
{
	for (uint64_t end_ms = fixture_now_ms() + 20000; atomic_load(counter) != value;) {
		CHECK(fixture_now_ms() < end_ms);
		poll(NULL, 0, 1);
	}
}

void fixture_await_connections(struct fixture *f, size_t n)
{
	for (uint64_t end_ms = fixture_now_ms() + 20000; http_server_open_connections(f->server) != n;) {
		CHECK(fixture_now_ms() < end_ms);
		poll(NULL, 0, 1);
	}
}

/* -- handlers -- */

static void on_done(void *arg, const struct http_end *end)
{
	struct fixture *f = arg;
	atomic_store(&f->done_bytes, end->body_bytes_sent);
	atomic_fetch_add(&f->whole_n, end->whole);
	atomic_fetch_add(&f->done_n, 1);
}

static void add_bytes(struct http_response *r, struct bytes b, bool stable)
{
	r->parts[r->parts_n++] = (struct http_part){ .kind = HTTP_PART_BYTES, .bytes = b, .stable = stable };
}

static void add_file(struct http_response *r, struct fixture *f, uint64_t offset, uint64_t length)
{
	r->parts[r->parts_n++] =
	    (struct http_part){ .kind = HTTP_PART_FILE, .fd = f->file, .offset = offset, .length = length };
}

static void echo(struct fixture *f, struct http_exchange *x, struct http_response *r)
{
	(void)f;
	const struct http_request *q = http_request(x);
	http_add(r, "X-Peer", bytes_str(q->peer_address));
	add_bytes(r, q->body.n > 0 ? q->body : q->target, false);
}

static void file(struct fixture *f, struct http_exchange *x, struct http_response *r)
{
	const struct http_validators v = { .etag = BYTES_LIT("\"f\"") };
	struct http_selection s = http_select(http_request(x), &v, FIXTURE_FILE_BYTES);
	r->status = s.status;
	if (s.status == 206 || s.status == 416)
		http_add(r, "Content-Range", http_content_range(http_arena(x), &s, FIXTURE_FILE_BYTES));
	if (s.length > 0)
		add_file(r, f, s.first, s.length);
}

static void parts(struct fixture *f, struct http_exchange *x, struct http_response *r)
{
	add_bytes(r, BYTES_LIT("ab"), true);
	add_bytes(r, arena_dup(http_arena(x), BYTES_LIT("cd")), false);
	add_file(r, f, 1000, 16);
	add_bytes(r, BYTES_LIT("ef"), true);
}

/* Slowly; "/unpaced" lets go of that. */
static void paced(struct fixture *f, struct http_exchange *x, struct http_response *r)
{
	(void)x;
	r->pace_bytes_per_s = FIXTURE_PACE_BYTES;
	add_file(r, f, 0, 2 * FIXTURE_PACE_BYTES);
}

static void unpaced(struct fixture *f, struct http_exchange *x, struct http_response *r)
{
	(void)x;
	r->pace_bytes_per_s = HTTP_PACE_NONE;
	add_file(r, f, 0, FIXTURE_FILE_BYTES);
}

static void too_short(struct fixture *f, struct http_exchange *x, struct http_response *r)
{
	(void)x;
	add_file(r, f, FIXTURE_FILE_BYTES - 10, 20);
}

static void grow(struct fixture *f, struct http_exchange *x, struct http_response *r)
{
	(void)x;
	uint64_t total = growing_look(f->growing).total;
	r->parts[r->parts_n++] = (struct http_part){ .kind = HTTP_PART_GROWING,
		.growing = f->growing,
		.offset = f->grow_from,
		.length = total - f->grow_from };
}

static void split(struct fixture *f, struct http_exchange *x, struct http_response *r)
{
	(void)f;
	(void)x;
	http_add(r, "X-Split", BYTES_LIT("a\r\nX-Injected: b"));
	http_add(r, "X-Kept", BYTES_LIT("c"));
}

static void closing(struct fixture *f, struct http_exchange *x, struct http_response *r)
{
	(void)f;
	(void)x;
	r->close = true;
	add_bytes(r, BYTES_LIT("bye"), true);
}

static void on_gone(void *arg)
{
	struct fixture *f = arg;
	CHECK(pthread_mutex_lock(&f->lock) == 0);
	f->kept = NULL;
	CHECK(pthread_mutex_unlock(&f->lock) == 0);
	atomic_fetch_add(&f->gone_n, 1);
}

static void keep(struct fixture *f, struct http_exchange *x)
{
	CHECK(pthread_mutex_lock(&f->lock) == 0);
	CHECK(f->kept == NULL);
	f->kept = x;
	CHECK(pthread_mutex_unlock(&f->lock) == 0);
	http_on_gone(x, on_gone, f);
	atomic_fetch_add(&f->kept_n, 1);
}

static void on_release(struct letter *l)
{
	struct fixture *f = (struct fixture *)(void *)((char *)l - offsetof(struct fixture, release));
	CHECK(pthread_mutex_lock(&f->lock) == 0);
	struct http_exchange *x = f->kept;
	f->kept = NULL;
	CHECK(pthread_mutex_unlock(&f->lock) == 0);
	CHECK(x != NULL);
	struct http_response r = { .status = 200, .done = on_done, .done_arg = f };
	add_bytes(&r, BYTES_LIT("late"), true);
	http_respond(x, &r);
}

void fixture_release(struct fixture *f)
{
	CHECK(pthread_mutex_lock(&f->lock) == 0);
	struct mailbox *m = http_worker_mailbox(http_worker_of(f->kept));
	CHECK(pthread_mutex_unlock(&f->lock) == 0);
	CHECK(mailbox_post(m, &f->release));
}

static void handle(void *ctx, struct http_exchange *x)
{
	static const struct {
		const char *path;
		void (*answer)(struct fixture *f, struct http_exchange *x, struct http_response *r);
	} routes[] = {
		{ "/echo", echo },
		{ "/file", file },
		{ "/parts", parts },
		{ "/paced", paced },
		{ "/unpaced", unpaced },
		{ "/short", too_short },
		{ "/grow", grow },
		{ "/split", split },
		{ "/closing", closing },
	};
	struct fixture *f = ctx;
	const struct http_request *q = http_request(x);
	atomic_fetch_or(&f->workers_seen, 1u << http_worker_index(http_worker_of(x)));
	if (bytes_eq(q->path, BYTES_LIT("/kept"))) {
		keep(f, x);
		return;
	}
	if (bytes_eq(q->path, BYTES_LIT("/other"))) {
		f->other(x);
		return;
	}
	if (bytes_eq(q->path, BYTES_LIT("/reset"))) {
		http_reset(x);
		return;
	}
	if (q->method == HTTP_OPTIONS) {
		http_preflight(x, "GET, HEAD, OPTIONS");
		return;
	}
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		if (!bytes_eq(q->path, bytes_str(routes[i].path)))
			continue;
		struct http_response r = { .status = 200, .done = on_done, .done_arg = f };
		routes[i].answer(f, x, &r);
		http_respond(x, &r);
		return;
	}
	http_problem(x, 404, "not-found", "no \"such\" thing", 7);
}

/* -- life -- */

static void on_start(void *ctx, struct http_worker *w)
{
	struct fixture *f = ctx;
	http_worker_set_data(w, f);
	CHECK(http_worker_now_mono_ms(w) > 0 && http_worker_now_wall_ms(w) > 0);
	atomic_fetch_add(&f->started_n, 1);
}

static void on_stop(void *ctx, struct http_worker *w)
{
	struct fixture *f = ctx;
	CHECK(http_worker_data(w) == f);
	atomic_fetch_add(&f->stopped_n, 1);
}

static void write_file(struct fixture *f)
{
	uint8_t *all = malloc(FIXTURE_FILE_BYTES);
	CHECK(all != NULL);
	for (uint64_t i = 0; i < FIXTURE_FILE_BYTES; i++)
		all[i] = fixture_byte(i);
	f->file = memfd_create("file", MFD_CLOEXEC);
	CHECK(f->file >= 0 && write(f->file, all, FIXTURE_FILE_BYTES) == FIXTURE_FILE_BYTES);
	free(all);
}

void fixture_init(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	signal(SIGPIPE, SIG_IGN); /* as the daemon does */
	f->limits = http_limits_default;
	f->release.deliver = on_release;
	CHECK(pthread_mutex_init(&f->lock, NULL) == 0);
	write_file(f);
}

void fixture_start(struct fixture *f, unsigned workers, unsigned listeners)
{
	static const char *const addresses[] = { "127.0.0.1:0" };
	const char *bad;
	struct sockaddr_in at;
	socklen_t n = sizeof(at);
	CHECK(listeners <= 8 && http_listen(addresses, 1, listeners, f->fds, &bad) == OK);
	CHECK(getsockname(f->fds[0], (struct sockaddr *)&at, &n) == 0);
	f->port = ntohs(at.sin_port);
	fixture_serve(f, workers, listeners);
}

void fixture_serve(struct fixture *f, unsigned workers, unsigned listeners)
{
	struct http_server_config c = {
		.listeners = f->fds,
		.listeners_n = listeners,
		.listeners_stay = f->listeners_stay,
		.workers = workers,
		.limits = &f->limits,
		.handler = handle,
		.ctx = f,
		.worker_start = on_start,
		.worker_stop = on_stop,
		.warmth = f->warmth,
	};
	CHECK(http_server_start(&c, &f->server) == OK);
}

void fixture_end(struct fixture *f)
{
	http_server_stop(f->server);
	CHECK(atomic_load(&f->started_n) == atomic_load(&f->stopped_n));
	growing_unref(f->growing);
	close(f->file);
	CHECK(pthread_mutex_destroy(&f->lock) == 0);
}
