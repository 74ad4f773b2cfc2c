#include "node/http/ev_conn.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LINGER_MS = 2000, LINGER_MAX_BYTES = 1 << 20, DRAIN_FRESH_MS = 2000 };

/* -- deadlines -- */

static void set_deadline(struct conn *c, uint64_t at_ms)
{
	c->deadline_ms = at_ms;
	/* A timer that rings too early is set anew then; most deadlines move on long before. */
	if (at_ms != TIMER_NEVER && (!timer_armed(&c->timer) || c->timer.at_ms > at_ms))
		timers_arm(&c->worker->timers, &c->timer, at_ms);
}

static void set_deadline_in(struct conn *c, uint32_t ms)
{
	set_deadline(c, c->worker->mono_ms + ms);
}

/* How long it may be idle. */
static uint32_t idle_ms(const struct conn *c)
{
	const struct http_limits *l = &c->worker->server->limits;
	return c->worker->draining && l->last_request_ms < l->idle_timeout_ms ? l->last_request_ms
	                                                                      : l->idle_timeout_ms;
}

/* -- watching -- */

static size_t room_ahead(const struct conn *c)
{
	size_t max = c->worker->server->limits.pipelined_bytes;
	return c->in.n < max ? max - c->in.n : 0;
}

static int wanted_events(const struct conn *c)
{
	switch (c->state) {
	case CONN_READING: return c->in.n > 0 ? EV_WRITE : EV_READ; /* input left: it gave way to others */
	case CONN_WAITING: return !c->eof && room_ahead(c) > 0 ? EV_READ : 0;
	case CONN_SENDING:
		if (!c->parked && !c->asked && c->cold == NULL)
			return EV_WRITE;
		return !c->eof && room_ahead(c) > 0 ? EV_READ : 0;
	case CONN_LINGER: return EV_READ;
	case CONN_DEAD: break;
	}
	return 0;
}

static void watch(struct conn *c)
{
	int events = wanted_events(c);
	int present = ev_is_active(&c->io) ? c->io.events & (EV_READ | EV_WRITE) : 0;
	if (events == present)
		return;
	ev_io_stop(c->worker->loop, &c->io);
	if (events != 0) {
		ev_io_set(&c->io, c->fd, events);
		ev_io_start(c->worker->loop, &c->io);
	}
}

/* -- life and death -- */

static void free_when_unheld(struct conn *c)
{
	if (c->state != CONN_DEAD || c->running || c->ready || atomic_load(&c->waiter.letter.posted))
		return;
	*c->prev = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	OBJ_FREE(c);
}

/* The exchange is over; its memory goes back. */
static void end_exchange(struct conn *c)
{
	struct http_exchange *x = c->x;
	if (x == NULL)
		return;
	uint64_t seen;
	if (c->parked)
		growing_forget(outgoing_growing(&x->out, &seen), &c->waiter);
	c->parked = c->asked = false;
	cold_forget(c);
	if (x->gone != NULL)
		x->gone(x->gone_arg);
	outgoing_end(&x->out);
	c->x = NULL;
	exchange_put_back(c->worker, x);
}

void conn_kill(struct conn *c, bool reset)
{
	OBJ_CHECK(c, CONN_MAGIC);
	if (c->state == CONN_DEAD)
		return;
	struct http_worker *w = c->worker;
	c->state = CONN_DEAD;
	ev_io_stop(w->loop, &c->io);
	timers_disarm(&w->timers, &c->timer);
	if (reset) {
		struct linger now = { .l_onoff = 1, .l_linger = 0 };
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	}
	close(c->fd);
	c->fd = -1;
	c->in = BYTES_NONE;
	buf_fini(&c->ahead);
	COUNT(w, connections_open, -1);
	atomic_fetch_sub(&w->server->connections, 1);
	if (c->former)
		atomic_fetch_sub(&w->server->former, 1);
	end_exchange(c);
	free_when_unheld(c);
}

/* Our half ends; what the peer still sends is dropped until it ends too. */
static void linger(struct conn *c)
{
	if (c->eof || shutdown(c->fd, SHUT_WR) != 0) {
		conn_kill(c, false);
		return;
	}
	c->state = CONN_LINGER;
	c->in = BYTES_NONE;
	buf_fini(&c->ahead);
	set_deadline_in(c, LINGER_MS);
}

/* -- input -- */

/* Answers a request that did not come whole, and closes. */
static void refuse(struct conn *c, const struct http_refusal *why)
{
	c->state = CONN_WAITING;
	c->close = true;
	set_deadline(c, TIMER_NEVER); /* that of the answer begins with its first send */
	http_problem(c->x, why->status, why->type, why->detail, 0);
}

static void on_body_follows(struct conn *c)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	set_deadline_in(c, c->worker->server->limits.body_timeout_ms);
	if (!c->x->parse.expect_continue || c->in.n > 0)
		return;
	/* The socket is empty: the former answer went out before this head was read. */
	if (send(c->fd, go_on, sizeof(go_on) - 1, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)sizeof(go_on) - 1)
		conn_kill(c, true);
}

static void on_request(struct conn *c)
{
	struct http_server *s = c->worker->server;
	struct http_exchange *x = c->x;
	COUNT(c->worker, requests, 1);
	c->requests_n++;
	x->parse.request.peer_address = c->peer;
	c->fresh = false;
	c->state = CONN_WAITING;
	set_deadline(c, TIMER_NEVER); /* how long an answer may take is the handler's to bound */
	s->handler(s->ctx, x);
}

static void on_some_input(struct conn *c, bool began)
{
	if (!http_parse_started(&c->x->parse)) {
		/* Empty lines only. */
		exchange_put_back(c->worker, c->x);
		c->x = NULL;
	} else if (began && !c->fresh) {
		set_deadline_in(c, c->worker->server->limits.header_timeout_ms);
	}
}

/* Feeds the parser; false when there is nothing more to do now. */
static bool take_input(struct conn *c)
{
	if (c->in.n == 0) {
		if (c->eof)
			conn_kill(c, false);
		return false;
	}
	bool began = c->x == NULL;
	if (began)
		c->x = exchange_take(c->worker, c);
	size_t used;
	enum http_parse_result r = http_parse_feed(&c->x->parse, c->in, &used);
	c->in = bytes_from(c->in, used);
	switch (r) {
	case HTTP_PARSE_MORE: on_some_input(c, began); break;
	case HTTP_PARSE_HEAD: on_body_follows(c); break;
	case HTTP_PARSE_DONE: on_request(c); break;
	case HTTP_PARSE_REFUSED:
		COUNT(c->worker, malformed, 1);
		refuse(c, &c->x->parse.refusal);
		break;
	}
	return true;
}

/* -- output -- */

static void on_sent(struct conn *c)
{
	end_exchange(c);
	if (c->close) {
		linger(c);
	} else {
		c->state = CONN_READING;
		set_deadline_in(c, idle_ms(c));
	}
}

static void park(struct conn *c)
{
	uint64_t seen;
	struct growing *g = outgoing_growing(&c->x->out, &seen);
	c->parked = true;
	set_deadline(c, TIMER_NEVER); /* a fill always ends, one way or the other */
	growing_wait(g, &c->waiter, seen);
}

/* Waits for the disk no longer than for a viewer; false: goes on without waiting. */
static bool wait_for_disk(struct conn *c)
{
	if (!cold_begin(c))
		return false;
	COUNT(c->worker, cold_reads, 1);
	set_deadline_in(c, c->worker->server->limits.send_timeout_ms);
	return true;
}

static bool send_more(struct conn *c, uint64_t *budget)
{
	if (c->parked || c->asked || c->cold != NULL)
		return false;
	uint64_t before = *budget;
	enum send_result r = outgoing_send(&c->x->out, c->fd, budget);
	COUNT(c->worker, bytes_sent, before - *budget);
	/* Bytes that the socket took are the viewer's progress. */
	if (before > *budget || c->deadline_ms == TIMER_NEVER)
		set_deadline_in(c, c->worker->server->limits.send_timeout_ms);
	switch (r) {
	case SEND_ALL: on_sent(c); return true;
	case SEND_WAIT: park(c); return false;
	case SEND_ASKED:
		c->asked = true;
		set_deadline(c, TIMER_NEVER); /* how long it may take is the handler's to bound */
		return false;
	case SEND_COLD: return !wait_for_disk(c);
	case SEND_AGAIN:
	case SEND_BUDGET: return false;
	case SEND_FAILED: break;
	}
	COUNT(c->worker, resets, 1);
	conn_kill(c, true);
	return false;
}

/* -- the machine -- */

/* Input that is left when others' turn has come moves to memory of its own. */
static void keep_input(struct conn *c)
{
	if (c->in.n == 0) {
		buf_fini(&c->ahead);
		c->in = BYTES_NONE;
		return;
	}
	if (c->in.p == c->ahead.p)
		return;
	struct buf kept;
	buf_init(&kept, HTTP_SCRATCH_BYTES + c->worker->server->limits.pipelined_bytes);
	buf_put_bytes(&kept, c->in);
	buf_fini(&c->ahead);
	c->ahead = kept;
	c->in = buf_bytes(&c->ahead);
	if (buf_err(&c->ahead) != OK)
		conn_kill(c, true);
}

/* A burst of new viewers does not hold up the others for long, and who takes much costs few turns. */
static uint64_t slice_of(const struct conn *c)
{
	uint64_t took = c->x != NULL ? c->x->out.sent_bytes : 0;
	if (took < HTTP_SLICE_MIN_BYTES)
		return HTTP_SLICE_MIN_BYTES;
	return took < HTTP_SLICE_MAX_BYTES ? took : HTTP_SLICE_MAX_BYTES;
}

void conn_run(struct conn *c)
{
	OBJ_CHECK(c, CONN_MAGIC);
	CHECK(!c->running);
	c->running = true;
	uint64_t budget = slice_of(c);
	bool more = true;
	for (unsigned steps = 0; more && steps < 2 * HTTP_REQUESTS_A_TURN; steps++) {
		if (c->state == CONN_READING)
			more = take_input(c);
		else if (c->state == CONN_SENDING)
			more = send_more(c, &budget);
		else
			more = false;
	}
	if (c->state != CONN_DEAD)
		keep_input(c);
	if (c->state != CONN_DEAD)
		watch(c);
	c->running = false;
	free_when_unheld(c);
}

void conn_make_ready(struct conn *c)
{
	if (c->running || c->ready)
		return;
	c->ready = true;
	c->next_ready = c->worker->ready;
	c->worker->ready = c;
}

/* False when there was nothing. */
static bool read_some(struct conn *c)
{
	struct http_worker *w = c->worker;
	size_t max = c->state == CONN_READING || c->state == CONN_LINGER ? sizeof(w->scratch) : room_ahead(c);
	if (max > sizeof(w->scratch))
		max = sizeof(w->scratch);
	if (max == 0)
		return true;
	ssize_t n = recv(c->fd, w->scratch, max, 0);
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			conn_kill(c, false);
		return false;
	}
	c->eof = n == 0;
	struct bytes got = bytes_of(w->scratch, (size_t)n);
	if (c->state == CONN_LINGER) {
		c->lingered_bytes += got.n;
		if (c->eof || c->lingered_bytes > LINGER_MAX_BYTES)
			conn_kill(c, false);
		return false;
	}
	if (c->in.n == 0) {
		c->in = got;
	} else {
		buf_put_bytes(&c->ahead, got);
		c->in = buf_bytes(&c->ahead);
		if (buf_err(&c->ahead) != OK)
			conn_kill(c, true);
	}
	return true;
}

static void on_io(struct ev_loop *loop, ev_io *io, int revents)
{
	(void)loop;
	struct conn *c = OBJ_CAST(struct conn, CONN_MAGIC, io->data);
	c->running = true; /* so that it outlives its own death */
	bool go_on = (revents & EV_READ) == 0 || read_some(c);
	c->running = false;
	if (c->state == CONN_DEAD)
		free_when_unheld(c);
	else if (go_on)
		conn_run(c);
}

static void on_progress(struct letter *l)
{
	struct conn *c = CONTAINER_OF(l, struct conn, waiter.letter);
	OBJ_CHECK(c, CONN_MAGIC);
	if (c->state == CONN_DEAD) {
		free_when_unheld(c);
		return;
	}
	/* A letter of a former answer does no harm: the send finds out where it stands. */
	uint64_t seen;
	if (c->parked)
		growing_forget(outgoing_growing(&c->x->out, &seen), &c->waiter);
	c->parked = false;
	conn_run(c);
}

/* Nothing was asked for too long. A close that crosses with a request would reset it, and an answer that is
 * still on its way with it: so ours is half of one, and none when a request has just come. */
static void end_idle(struct conn *c)
{
	uint8_t byte;
	if (c->in.n > 0 || recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0) {
		set_deadline_in(c, c->worker->server->limits.header_timeout_ms);
		return;
	}
	linger(c);
	if (c->state != CONN_DEAD)
		watch(c);
}

void conn_on_timer(struct conn *c)
{
	if (c->deadline_ms > c->worker->mono_ms) {
		set_deadline(c, c->deadline_ms);
		return;
	}
	static const struct http_refusal late = { 408, "request-timeout", "the request took too long" };
	switch (c->state) {
	case CONN_READING:
		if (c->x == NULL) {
			end_idle(c);
			return;
		}
		COUNT(c->worker, timeouts, 1);
		refuse(c, &late);
		return;
	case CONN_SENDING:
		COUNT(c->worker, timeouts, 1);
		COUNT(c->worker, resets, 1);
		conn_kill(c, true);
		return;
	case CONN_LINGER: conn_kill(c, false); return;
	case CONN_WAITING:
	case CONN_DEAD: UNREACHABLE();
	}
}

void conn_on_drain(struct conn *c)
{
	if (c->state == CONN_DEAD)
		return;
	c->former = true;
	atomic_fetch_add(&c->worker->server->former, 1);
	if (c->state != CONN_READING || c->x != NULL || c->in.n > 0)
		return;
	uint64_t at_ms = c->worker->mono_ms + (c->fresh ? DRAIN_FRESH_MS : idle_ms(c));
	if (at_ms < c->deadline_ms)
		set_deadline(c, at_ms);
}

/* By the kernel, which spaces out segments without the fq qdisc too; no timer of ours. */
void conn_pace(struct conn *c, uint64_t bytes_per_s)
{
	uint32_t pace = bytes_per_s < UINT32_MAX ? (uint32_t)bytes_per_s : UINT32_MAX;
	if (bytes_per_s == 0 || pace == c->pace)
		return;
	/* Where it is refused the viewer is served all the same. */
	(void)setsockopt(c->fd, SOL_SOCKET, SO_MAX_PACING_RATE, &pace, sizeof(pace));
	c->pace = pace;
}

void conn_start(struct http_worker *w, const struct accepted *a)
{
	struct conn *c = OBJ_NEW(struct conn, CONN_MAGIC);
	c->worker = w;
	c->fd = a->fd;
	memcpy(c->peer, a->peer, sizeof(c->peer));
	c->fresh = true;
	c->pace = UINT32_MAX;
	buf_init(&c->ahead, HTTP_SCRATCH_BYTES + w->server->limits.pipelined_bytes);
	c->waiter.mailbox = &w->mailbox;
	c->waiter.letter.deliver = on_progress;
	c->next = w->conns;
	c->prev = &w->conns;
	if (c->next != NULL)
		c->next->prev = &c->next;
	w->conns = c;
	ev_io_init(&c->io, on_io, c->fd, EV_READ);
	c->io.data = c;
	set_deadline_in(c, w->draining ? DRAIN_FRESH_MS : w->server->limits.header_timeout_ms);
	watch(c);
}
