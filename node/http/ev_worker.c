#include "node/http/ev_worker.h"

#include "node/http/ev_conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int open_reserve(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* -- time -- */

static void look_at_clocks(struct http_worker *w)
{
	struct timespec mono, wall;
	CHECK(clock_gettime(CLOCK_MONOTONIC, &mono) == 0 && clock_gettime(CLOCK_REALTIME, &wall) == 0);
	w->mono_ms = (uint64_t)mono.tv_sec * 1000 + (uint64_t)mono.tv_nsec / 1000000;
	w->wall_ms = (uint64_t)wall.tv_sec * 1000 + (uint64_t)wall.tv_nsec / 1000000;
	w->warm_known.now_ms = w->mono_ms;
}

const char *worker_date(struct http_worker *w)
{
	uint64_t now_s = w->wall_ms / 1000;
	if (now_s != w->date_s || w->date[0] == '\0') {
		w->date_s = now_s;
		http_date_format(w->date, now_s);
	}
	return w->date;
}

static void on_turn_begins(struct ev_loop *loop, ev_check *check, int revents)
{
	(void)loop;
	(void)revents;
	struct http_worker *w = OBJ_CAST(struct http_worker, HTTP_WORKER_MAGIC, check->data);
	look_at_clocks(w);
	if (w->mono_ms >= atomic_load_explicit(&w->server->look_due_ms, memory_order_relaxed))
		server_look_at_egress(w->server, w->mono_ms);
}

static void set_alarm(struct http_worker *w)
{
	uint64_t at_ms = timers_next(&w->timers);
	if (at_ms == w->alarm_at_ms)
		return;
	w->alarm_at_ms = at_ms;
	ev_timer_stop(w->loop, &w->alarm);
	if (at_ms == TIMER_NEVER)
		return;
	uint64_t in_ms = at_ms > w->mono_ms ? at_ms - w->mono_ms : 1;
	ev_timer_set(&w->alarm, (double)in_ms / 1000, 0);
	ev_timer_start(w->loop, &w->alarm);
}

static void on_alarm(struct ev_loop *loop, ev_timer *alarm, int revents)
{
	(void)loop;
	(void)revents;
	struct http_worker *w = OBJ_CAST(struct http_worker, HTTP_WORKER_MAGIC, alarm->data);
	struct timer *t;
	w->alarm_at_ms = TIMER_NEVER;
	while ((t = timers_pop(&w->timers, w->mono_ms)) != NULL)
		conn_on_timer(CONTAINER_OF(t, struct conn, timer));
}

/* What handlers answered since goes out before the loop sleeps. */
static void on_turn_ends(struct ev_loop *loop, ev_prepare *prepare, int revents)
{
	(void)loop;
	(void)revents;
	struct http_worker *w = OBJ_CAST(struct http_worker, HTTP_WORKER_MAGIC, prepare->data);
	struct conn *c;
	while ((c = w->ready) != NULL) {
		w->ready = c->next_ready;
		c->ready = false;
		conn_run(c);
	}
	set_alarm(w);
	if (w->server->worker_rest != NULL)
		w->server->worker_rest(w->server->ctx, w);
}

/* -- new connections -- */

static void refuse_fd(struct http_worker *w, int fd)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
	COUNT(w, connections_refused, 1);
}

static void name_peer(char out[INET6_ADDRSTRLEN], const struct sockaddr_storage *from)
{
	const struct sockaddr_in *v4 = (const void *)from;
	const struct sockaddr_in6 *v6 = (const void *)from;
	out[0] = '\0';
	if (from->ss_family == AF_INET)
		inet_ntop(AF_INET, &v4->sin_addr, out, INET6_ADDRSTRLEN);
	else if (from->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
		inet_ntop(AF_INET, v6->sin6_addr.s6_addr + 12, out, INET6_ADDRSTRLEN);
	else if (from->ss_family == AF_INET6)
		inet_ntop(AF_INET6, &v6->sin6_addr, out, INET6_ADDRSTRLEN);
}

static uint64_t open_of(const struct http_worker *w)
{
	return atomic_load_explicit(&w->counters.connections_open, memory_order_relaxed);
}

/* The worker that a new connection goes to: this one, unless it has clearly more than another. */
static struct http_worker *place(struct http_worker *w)
{
	struct http_server *s = w->server;
	struct http_worker *least = w;
	for (unsigned i = 0; i < s->workers_n; i++)
		if (open_of(&s->workers[i]) < open_of(least))
			least = &s->workers[i];
	return open_of(w) > open_of(least) * 9 / 8 + 4 ? least : w;
}

/* False when the queue is full. */
static bool hand_over(struct http_worker *to, const struct accepted *a)
{
	struct handover *h = &to->handover;
	CHECK(pthread_mutex_lock(&h->lock) == 0);
	bool fits = h->n < HTTP_HANDOVER_MAX;
	if (fits)
		h->ring[(h->first + h->n++) % HTTP_HANDOVER_MAX] = *a;
	CHECK(pthread_mutex_unlock(&h->lock) == 0);
	if (fits)
		mailbox_post(&to->mailbox, &h->letter);
	return fits;
}

static bool take_over(struct http_worker *w, struct accepted *a)
{
	struct handover *h = &w->handover;
	CHECK(pthread_mutex_lock(&h->lock) == 0);
	bool any = h->n > 0;
	if (any) {
		*a = h->ring[h->first];
		h->first = (h->first + 1) % HTTP_HANDOVER_MAX;
		h->n--;
	}
	CHECK(pthread_mutex_unlock(&h->lock) == 0);
	return any;
}

static void on_handover(struct letter *l)
{
	struct http_worker *w = CONTAINER_OF(l, struct http_worker, handover.letter);
	OBJ_CHECK(w, HTTP_WORKER_MAGIC);
	struct accepted a;
	while (take_over(w, &a))
		conn_start(w, &a);
}

static void admit(struct http_worker *w, const struct accepted *a)
{
	struct http_server *s = w->server;
	COUNT(w, connections_accepted, 1);
	if (atomic_fetch_add(&s->connections, 1) >= s->limits.connections) {
		atomic_fetch_sub(&s->connections, 1);
		refuse_fd(w, a->fd);
		return;
	}
	struct http_worker *to = place(w);
	/* Counted before it arrives, so that a burst does not all go to one. */
	COUNT(to, connections_open, 1);
	if (to != w && hand_over(to, a))
		return;
	if (to != w) {
		COUNT(to, connections_open, -1);
		COUNT(w, connections_open, 1);
	}
	conn_start(w, a);
}

/* Out of descriptors or memory: the reserve lets one peer be told at once; if others took that too,
 * accepting rests, since the listener would stay readable and the loop would spin. */
static void on_exhaustion(struct http_worker *w, int listener)
{
	if (w->reserve_fd >= 0) {
		close(w->reserve_fd);
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0)
			refuse_fd(w, fd);
		w->reserve_fd = open_reserve();
		if (fd >= 0)
			return;
	}
	for (size_t i = 0; i < w->listeners_n; i++)
		ev_io_stop(w->loop, &w->listeners[i].io);
	ev_timer_set(&w->accept_again, HTTP_ACCEPT_PAUSE_MS / 1000.0, 0);
	ev_timer_start(w->loop, &w->accept_again);
}

/* False when no connection waits there any more. */
static bool accept_one(struct http_worker *w, int listener)
{
	struct sockaddr_storage from = { 0 };
	socklen_t n = sizeof(from);
	struct accepted a;
	a.fd = accept4(listener, (struct sockaddr *)&from, &n, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (a.fd >= 0) {
		name_peer(a.peer, &from);
		admit(w, &a);
		return true;
	}
	switch (errno) {
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case ENOBUFS: on_exhaustion(w, listener); return false;
	case EAGAIN:
	case EBADF:
	case EINVAL: return false;
	default: return true; /* of that one connection: it is gone */
	}
}

static void on_connection(struct ev_loop *loop, ev_io *io, int revents)
{
	(void)loop;
	(void)revents;
	struct listener *l = io->data;
	OBJ_CHECK(l->worker, HTTP_WORKER_MAGIC);
	for (unsigned i = 0; i < HTTP_ACCEPTS_A_TURN && accept_one(l->worker, l->fd); i++)
		;
}

static void start_accepting(struct http_worker *w)
{
	for (size_t i = 0; i < w->listeners_n; i++)
		ev_io_start(w->loop, &w->listeners[i].io);
}

static void on_accept_again(struct ev_loop *loop, ev_timer *timer, int revents)
{
	(void)loop;
	(void)revents;
	struct http_worker *w = OBJ_CAST(struct http_worker, HTTP_WORKER_MAGIC, timer->data);
	if (w->reserve_fd < 0)
		w->reserve_fd = open_reserve();
	start_accepting(w);
}

/* -- drain and end -- */

static void stop_accepting(struct http_worker *w, bool close_fds)
{
	ev_timer_stop(w->loop, &w->accept_again);
	for (size_t i = 0; i < w->listeners_n; i++) {
		ev_io_stop(w->loop, &w->listeners[i].io);
		if (close_fds)
			close(w->listeners[i].fd);
	}
	if (close_fds)
		w->listeners_n = 0;
}

static void on_drain(struct letter *l)
{
	struct http_worker *w = CONTAINER_OF(l, struct http_worker, drain_letter);
	OBJ_CHECK(w, HTTP_WORKER_MAGIC);
	if (w->draining)
		return;
	w->draining = true;
	for (struct conn *c = w->conns; c != NULL; c = c->next)
		conn_on_drain(c);
	atomic_fetch_add(&w->server->draining_n, 1); /* last: they are counted */
}

static void on_close(struct letter *l)
{
	struct http_worker *w = CONTAINER_OF(l, struct http_worker, close_letter);
	OBJ_CHECK(w, HTTP_WORKER_MAGIC);
	bool stay = atomic_load(&w->server->listeners_stay);
	/* Connections that stand in the queue already were promised an answer by the kernel: closing the
	 * listener would reset them. One that stays keeps them for whom it is passed on to. */
	for (size_t i = 0; !stay && i < w->listeners_n; i++)
		for (unsigned n = 0; n < SOMAXCONN && accept_one(w, w->listeners[i].fd); n++)
			;
	stop_accepting(w, !stay);
}

static void on_stop(struct letter *l)
{
	struct http_worker *w = CONTAINER_OF(l, struct http_worker, stop_letter);
	OBJ_CHECK(w, HTTP_WORKER_MAGIC);
	ev_break(w->loop, EVBREAK_ALL);
}

/* -- life -- */

void worker_init(struct http_worker *w, struct http_server *s, unsigned index, struct ev_loop *loop)
{
	w->magic = HTTP_WORKER_MAGIC;
	w->index = index;
	w->server = s;
	w->loop = loop;
	mailbox_init(&w->mailbox, loop);
	w->drain_letter.deliver = on_drain;
	w->close_letter.deliver = on_close;
	w->stop_letter.deliver = on_stop;
	w->handover.letter.deliver = on_handover;
	CHECK(pthread_mutex_init(&w->handover.lock, NULL) == 0);
	timers_init(&w->timers);
	w->alarm_at_ms = TIMER_NEVER;
	look_at_clocks(w);
	ev_check_init(&w->turn_begins, on_turn_begins);
	ev_set_priority(&w->turn_begins, EV_MAXPRI);
	ev_prepare_init(&w->turn_ends, on_turn_ends);
	/* Last of all that prepares, so that it sends what others answered in theirs. */
	ev_set_priority(&w->turn_ends, EV_MINPRI);
	ev_init(&w->alarm, on_alarm);
	ev_init(&w->accept_again, on_accept_again);
	w->turn_begins.data = w->turn_ends.data = w->alarm.data = w->accept_again.data = w;
	w->reserve_fd = -1;
}

void worker_listen(struct http_worker *w, int fd)
{
	struct listener *l = &w->listeners[w->listeners_n++];
	l->worker = w;
	l->fd = fd;
	ev_io_init(&l->io, on_connection, fd, EV_READ);
	l->io.data = l;
}

void worker_begin(struct http_worker *w)
{
	w->reserve_fd = open_reserve();
	look_at_clocks(w);
	ev_check_start(w->loop, &w->turn_begins);
	ev_prepare_start(w->loop, &w->turn_ends);
	if (w->server->worker_start != NULL)
		w->server->worker_start(w->server->ctx, w);
	start_accepting(w);
}

void worker_end(struct http_worker *w)
{
	stop_accepting(w, false);
	for (struct conn *c = w->conns, *next; c != NULL; c = next) {
		next = c->next;
		conn_kill(c, c->state != CONN_LINGER); /* what the kernel has still to send is an answer's end */
	}
	if (w->server->worker_stop != NULL)
		w->server->worker_stop(w->server->ctx, w);
	ev_check_stop(w->loop, &w->turn_begins);
	ev_prepare_stop(w->loop, &w->turn_ends);
	ev_timer_stop(w->loop, &w->alarm);
}

void worker_fini(struct http_worker *w, bool close_listeners)
{
	struct accepted a;
	while (take_over(w, &a))
		close(a.fd);
	mailbox_fini(&w->mailbox);
	/* Dead ones whose letter was on its way, or that stood in the list of ready ones. */
	while (w->conns != NULL) {
		struct conn *c = w->conns;
		w->conns = c->next;
		CHECK(c->state == CONN_DEAD);
		OBJ_FREE(c);
	}
	while (w->spare != NULL) {
		struct http_exchange *x = w->spare;
		w->spare = x->next_spare;
		exchange_free(x);
	}
	for (size_t i = 0; close_listeners && i < w->listeners_n; i++)
		close(w->listeners[i].fd);
	if (w->reserve_fd >= 0)
		close(w->reserve_fd);
	timers_fini(&w->timers);
	CHECK(pthread_mutex_destroy(&w->handover.lock) == 0);
	free(w->listeners);
	w->magic = 0;
}
