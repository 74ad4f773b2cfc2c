#include "viewers.h"

#include "base/obj.h"
#include "tests/bench/load/answer.h"
#include "tests/bench/load/ev_resolve.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* Not more than a server's queue takes; and often enough that a slow reader's pace is even. */
enum { OPENING_MAX = 256, SCRATCH_BYTES = 64 << 10, TICKS_S = 10 };

enum state { CLOSED, ASKING, READING, PAUSING, RESTING };

struct holder {
	struct hold *hold;
	ev_io io;
	int fd;
	enum state state;
	bool settled; /* it has what the options say */
	bool opening; /* no byte of its first answer yet */
	uint64_t object;
	uint64_t answer_bytes; /* of the present answer, with its head */
	uint64_t pause_ticks;  /* left, while pausing */
	uint64_t allowance;    /* bytes that it may read until the next tick */
	size_t asked;          /* bytes of the request that are sent */
	struct buf request;
	struct answer answer;
};

struct hold {
	const struct viewers_options *o;
	struct ev_loop *loop;
	struct endpoint server;
	struct uri uri;
	struct holder *holders;
	size_t opened, opening, settled;
	uint64_t answers, bytes, refused, failures;
	ev_timer tick;
	ev_io input;
	uint8_t *scratch;
};

static void on_io(struct ev_loop *loop, ev_io *w, int events);

static void watch(struct holder *h, int events)
{
	int present = ev_is_active(&h->io) ? h->io.events & (EV_READ | EV_WRITE) : 0;
	if (events == present)
		return;
	ev_io_stop(h->hold->loop, &h->io);
	if (events == 0)
		return;
	ev_io_set(&h->io, h->fd, events);
	ev_io_start(h->hold->loop, &h->io);
}

static void on_body(void *arg, struct bytes data)
{
	(void)arg, (void)data;
}

/* -- one connection -- */

static void compose(struct holder *h)
{
	const struct hold *all = h->hold;
	struct bytes target = all->uri.target;
	size_t hole = bytes_index(target, '{');
	buf_clear(&h->request);
	buf_printf(&h->request, "GET %.*s", (int)hole, (const char *)target.p);
	if (hole + 2 <= target.n)
		buf_printf(&h->request, "%" PRIu64 "%.*s", h->object, (int)(target.n - hole - 2),
		    (const char *)target.p + hole + 2);
	buf_printf(&h->request, " HTTP/1.1\r\nHost: %.*s\r\n\r\n", (int)all->uri.authority.n,
	    (const char *)all->uri.authority.p);
	CHECK(buf_err(&h->request) == OK);
}

static void ask(struct holder *h)
{
	compose(h);
	/* The next time this connection asks, it is for what no other one asks for. */
	h->object = (h->object + h->hold->o->viewers) % h->hold->o->count;
	h->asked = 0;
	h->answer_bytes = 0;
	h->state = ASKING;
	answer_init(&h->answer, on_body, NULL);
	watch(h, EV_WRITE);
}

static void no_more_opening(struct holder *h)
{
	if (!h->opening)
		return;
	h->opening = false;
	h->hold->opening--;
}

static void close_it(struct holder *h)
{
	if (h->state == CLOSED)
		return;
	no_more_opening(h);
	watch(h, 0);
	(void)close(h->fd); /* nothing is lost by it */
	h->state = CLOSED;
}

static void fail(struct holder *h)
{
	h->hold->failures++;
	close_it(h);
}

/* A connection that cannot be opened is tried again at the next tick. */
static void open_it(struct holder *h)
{
	struct hold *all = h->hold;
	int size = (int)all->o->receive_bytes;
	h->fd = socket(all->server.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (h->fd < 0) {
		all->failures++;
		return;
	}
	if ((size > 0 && setsockopt(h->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)) != 0) ||
	    (connect(h->fd, (const struct sockaddr *)&all->server.address, all->server.n) != 0 &&
	        errno != EINPROGRESS)) {
		all->failures++;
		(void)close(h->fd);
		return;
	}
	ev_io_init(&h->io, on_io, h->fd, 0);
	h->io.data = h;
	h->opening = true;
	all->opening++;
	ask(h);
}

static void open_more(struct hold *all)
{
	while (all->opened < all->o->viewers && all->opening < OPENING_MAX) {
		struct holder *h = &all->holders[all->opened++];
		h->hold = all;
		h->object = (uint64_t)(h - all->holders) % all->o->count;
		buf_init(&h->request, URI_MAX * 2);
		open_it(h);
	}
}

static void settle(struct holder *h)
{
	struct hold *all = h->hold;
	no_more_opening(h);
	if (!h->settled && ++all->settled == all->o->viewers) {
		puts("held");
		CHECK(fflush(stdout) == 0);
	}
	h->settled = true;
	open_more(all);
}

static void send_request(struct holder *h)
{
	ssize_t n = send(h->fd, h->request.p + h->asked, h->request.n - h->asked, MSG_NOSIGNAL);
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			fail(h);
		return;
	}
	h->asked += (size_t)n;
	if (h->asked < h->request.n)
		return;
	h->state = READING;
	watch(h, EV_READ);
}

static void on_answer(struct holder *h)
{
	struct hold *all = h->hold;
	all->answers++;
	all->refused += h->answer.status != 200;
	if (all->o->once) {
		h->state = RESTING;
		settle(h);
	} else if (!h->answer.keep_alive) {
		close_it(h);
	} else if (all->o->pause_ms > 0) {
		h->state = PAUSING;
		h->pause_ticks = all->o->pause_ms * TICKS_S / 1000 + 1;
	} else {
		ask(h);
	}
}

/* How much it may read now. */
static size_t wanted(const struct holder *h)
{
	const struct viewers_options *o = h->hold->o;
	uint64_t n = SCRATCH_BYTES;
	if (o->rate_bytes_s > 0 && h->allowance < n)
		n = h->allowance;
	if (o->stop_bytes > 0 && o->stop_bytes - h->answer_bytes < n)
		n = o->stop_bytes - h->answer_bytes;
	return (size_t)n;
}

static void receive(struct holder *h)
{
	struct hold *all = h->hold;
	size_t room = wanted(h);
	if (room == 0) { /* until the next tick */
		watch(h, 0);
		return;
	}
	ssize_t n = recv(h->fd, all->scratch, room, 0);
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			fail(h);
		return;
	}
	/* One that rests may be closed by the server: it is no viewer any more. */
	if (n == 0 || h->state == RESTING || h->state == PAUSING) {
		fail(h);
		return;
	}
	size_t used = 0;
	all->bytes += (uint64_t)n;
	h->answer_bytes += (uint64_t)n;
	h->allowance -= all->o->rate_bytes_s > 0 ? (uint64_t)n : 0;
	enum answer_result r = answer_feed(&h->answer, bytes_of(all->scratch, (size_t)n), &used);
	if (!all->o->once && (all->o->stop_bytes == 0 || h->answer_bytes >= all->o->stop_bytes))
		settle(h);
	if (r == ANSWER_BAD || (r == ANSWER_DONE && used < (size_t)n))
		fail(h);
	else if (r == ANSWER_DONE)
		on_answer(h);
	else if (wanted(h) == 0)
		watch(h, 0);
}

static void on_io(struct ev_loop *loop, ev_io *w, int events)
{
	struct holder *h = w->data;
	(void)loop, (void)events;
	if (h->state == ASKING)
		send_request(h);
	else
		receive(h);
}

/* -- all of them -- */

static void on_tick(struct ev_loop *loop, ev_timer *w, int events)
{
	struct hold *all = w->data;
	(void)loop, (void)events;
	for (size_t i = 0; i < all->opened; i++) {
		struct holder *h = &all->holders[i];
		h->allowance = all->o->rate_bytes_s / TICKS_S;
		if (h->state == CLOSED && all->opening < OPENING_MAX)
			open_it(h);
		else if (h->state == PAUSING && --h->pause_ticks == 0)
			ask(h);
		else if (h->state == READING && wanted(h) > 0)
			watch(h, EV_READ);
	}
	open_more(all);
}

static void on_input(struct ev_loop *loop, ev_io *w, int events)
{
	char dropped[256];
	(void)w, (void)events;
	if (read(STDIN_FILENO, dropped, sizeof(dropped)) <= 0)
		ev_break(loop, EVBREAK_ALL);
}

bool hold_run(struct ev_loop *loop, const struct viewers_options *o)
{
	struct hold all = { .o = o, .loop = loop };
	if (uri_parse(bytes_str(o->uris[0]), &all.uri) != OK || resolve(all.uri.authority, &all.server) != OK) {
		fprintf(stderr, "bench_viewers: no address in %s\n", o->uris[0]);
		return false;
	}
	all.holders = calloc(o->viewers, sizeof(*all.holders));
	all.scratch = malloc(SCRATCH_BYTES);
	CHECK(all.holders != NULL && all.scratch != NULL);
	all.tick.data = &all;
	ev_timer_init(&all.tick, on_tick, 1.0 / TICKS_S, 1.0 / TICKS_S);
	ev_timer_start(loop, &all.tick);
	ev_io_init(&all.input, on_input, STDIN_FILENO, EV_READ);
	ev_io_start(loop, &all.input);
	open_more(&all);
	ev_run(loop, 0);
	printf("{\"settled\": %zu, \"answers\": %" PRIu64 ", \"refused\": %" PRIu64 ", \"failures\": %" PRIu64
	       ", \"bytes\": %" PRIu64 "}\n",
	    all.settled, all.answers, all.refused, all.failures, all.bytes);
	for (size_t i = 0; i < all.opened; i++) {
		close_it(&all.holders[i]);
		buf_fini(&all.holders[i].request);
	}
	free(all.holders);
	free(all.scratch);
	return true;
}
