#include "tests/bench/load/ev_client.h"

#include "base/obj.h"
#include "tests/bench/load/ev_resolve.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { READ_BYTES = 256 << 10, HEAD_MAX = 32 << 10, BODY_MAX = 64 << 10 };

#define CLIENT_MAGIC 0x6c636c69u
#define CONN_MAGIC 0x6c636f6eu

struct client_conn {
	unsigned magic;
	struct client *client;
	size_t server;
	int fd;
	bool connecting;
	bool used;   /* has carried an answer: the server may close it while it idles */
	bool spoken; /* some of the present answer came */
	ev_io io;
	int events;
	size_t sent;
	struct client_request *request; /* NULL: idle */
	struct answer answer;
	struct client_conn *next, *prev; /* of the idle ones */
};

struct server {
	char key[COUNTS_NAME_MAX * 4]; /* HOST:PORT */
	struct endpoint endpoint;
	unsigned connections;
	struct client_conn *idle;
	struct client_request *first, *last; /* waiting */
};

struct client {
	unsigned magic;
	struct ev_loop *loop;
	unsigned connections_max;
	double timeout_s;
	struct server *servers;
	size_t servers_n;
	uint8_t *in;
};

static void on_io(struct ev_loop *loop, ev_io *w, int events);

uint64_t client_now_ns(void)
{
	struct timespec t;
	CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* -- lists -- */

static void wait_in_line(struct server *s, struct client_request *r)
{
	r->waiting = true;
	r->next = NULL;
	r->prev = s->last;
	*(s->last != NULL ? &s->last->next : &s->first) = r;
	s->last = r;
}

static void leave_line(struct server *s, struct client_request *r)
{
	*(r->prev != NULL ? &r->prev->next : &s->first) = r->next;
	*(r->next != NULL ? &r->next->prev : &s->last) = r->prev;
	r->next = r->prev = NULL;
	r->waiting = false;
}

static void put_idle(struct server *s, struct client_conn *k)
{
	k->prev = NULL;
	k->next = s->idle;
	if (s->idle != NULL)
		s->idle->prev = k;
	s->idle = k;
}

static void take_idle(struct server *s, struct client_conn *k)
{
	*(k->prev != NULL ? &k->prev->next : &s->idle) = k->next;
	if (k->next != NULL)
		k->next->prev = k->prev;
	k->next = k->prev = NULL;
}

/* -- connections -- */

static void watch(struct client_conn *k, int events)
{
	if (k->events == events)
		return;
	ev_io_stop(k->client->loop, &k->io);
	ev_io_set(&k->io, k->fd, events);
	ev_io_start(k->client->loop, &k->io);
	k->events = events;
}

static void conn_close(struct client_conn *k)
{
	ev_io_stop(k->client->loop, &k->io);
	(void)close(k->fd); /* nothing is lost by it */
	k->client->servers[k->server].connections--;
	OBJ_FREE(k);
}

static void on_body(void *arg, struct bytes data)
{
	struct client_conn *k = OBJ_CAST(struct client_conn, CONN_MAGIC, arg);
	struct client_request *r = k->request;
	r->bytes += data.n;
	if (r->keep)
		buf_put_bytes(&r->kept, data);
}

static struct client_conn *conn_open(struct client *c, size_t server, enum load_failure *why)
{
	const struct endpoint *e = &c->servers[server].endpoint;
	int one = 1;
	int fd = socket(e->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		*why = FAIL_NO_SOCKET;
		return NULL;
	}
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0 ||
	    (connect(fd, (const struct sockaddr *)&e->address, e->n) != 0 && errno != EINPROGRESS)) {
		*why = errno == ECONNREFUSED ? FAIL_REFUSED : errno == EADDRNOTAVAIL ? FAIL_NO_SOCKET : FAIL_CLOSED;
		(void)close(fd);
		return NULL;
	}
	struct client_conn *k = OBJ_NEW(struct client_conn, CONN_MAGIC);
	k->client = c;
	k->server = server;
	k->fd = fd;
	k->connecting = true;
	ev_io_init(&k->io, on_io, fd, EV_WRITE);
	k->io.data = k;
	k->events = EV_WRITE;
	ev_io_start(c->loop, &k->io);
	c->servers[server].connections++;
	return k;
}

/* -- requests -- */

static void request_end(struct client_request *r, enum load_failure f)
{
	struct client *c = r->client;
	ev_timer_stop(c->loop, &r->timer);
	r->client = NULL;
	r->conn = NULL;
	r->failure = f;
	r->done_ns = client_now_ns();
	r->done(r);
}

static void carry(struct client_conn *k, struct client_request *r)
{
	k->request = r;
	r->conn = k;
	k->sent = 0;
	k->spoken = false;
	answer_init(&k->answer, on_body, k);
	watch(k, EV_WRITE);
}

/* From the loop: `done` starts requests, and is not to be entered from where one starts. */
static void fail_soon(struct client_request *r, enum load_failure f)
{
	r->failure = f;
	ev_timer_stop(r->client->loop, &r->timer);
	ev_timer_set(&r->timer, 0, 0);
	ev_timer_start(r->client->loop, &r->timer);
}

/* Gives waiting requests what there is. */
static void serve_line(struct client *c, size_t server)
{
	struct server *s = &c->servers[server];
	while (s->first != NULL && (s->idle != NULL || s->connections < c->connections_max)) {
		struct client_request *r = s->first;
		struct client_conn *k = r->again ? NULL : s->idle;
		enum load_failure why = FAIL_NONE;
		leave_line(s, r);
		if (k != NULL)
			take_idle(s, k);
		else
			k = conn_open(c, server, &why);
		if (k != NULL)
			carry(k, r);
		else
			fail_soon(r, why);
	}
}

/* The connection is of no more use, and what it carried failed. */
static void conn_fail(struct client_conn *k, enum load_failure f)
{
	struct client *c = k->client;
	size_t server = k->server;
	struct client_request *r = k->request;
	/* The server closed an idle connection just as we used it: that is no failure of it (RFC 9112, 9.3.1). */
	bool again = f == FAIL_CLOSED && k->used && !k->spoken && r != NULL && !r->again &&
	             (!r->has_body || r->key != NULL);
	if (r == NULL)
		take_idle(&c->servers[server], k);
	conn_close(k);
	if (again) {
		r->again = true;
		r->conn = NULL;
		wait_in_line(&c->servers[server], r);
	} else if (r != NULL) {
		request_end(r, f);
	}
	serve_line(c, server);
}

static void conn_answered(struct client_conn *k, bool more_came)
{
	struct client *c = k->client;
	size_t server = k->server;
	struct client_request *r = k->request;
	bool fits = buf_err(&r->kept) == OK;
	r->status = k->answer.status;
	r->location =
	    k->answer.location_n < URI_MAX ? bytes_of(k->answer.location, k->answer.location_n) : BYTES_NONE;
	k->request = NULL;
	k->used = true;
	bool keep = k->answer.keep_alive && !more_came;
	char location[URI_MAX]; /* the connection may carry the next request before this one is done with */
	memcpy(location, r->location.p != NULL ? (const void *)r->location.p : "", r->location.n);
	r->location.p = (const uint8_t *)location;
	if (keep) {
		put_idle(&c->servers[server], k);
		watch(k, EV_READ);
	} else {
		conn_close(k);
	}
	request_end(r, fits ? FAIL_NONE : FAIL_TOO_BIG);
	serve_line(c, server);
}

static enum load_failure failure_of(int errnum)
{
	switch (errnum) {
	case ECONNREFUSED: return FAIL_REFUSED;
	case ETIMEDOUT: return FAIL_TIMEOUT;
	default: return FAIL_CLOSED;
	}
}

/* Head and body are one piece of memory: sent as one. False when the connection is gone. */
static bool send_some(struct client_conn *k)
{
	struct bytes rest = bytes_from(buf_bytes(&k->request->head), k->sent);
	ssize_t n = send(k->fd, rest.p, rest.n, MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		conn_fail(k, failure_of(errno));
		return false;
	}
	if (n > 0)
		k->sent += (size_t)n;
	if (k->sent == k->request->head.n)
		watch(k, EV_READ);
	return true;
}

static void receive(struct client_conn *k)
{
	struct client *c = k->client;
	ssize_t n = recv(k->fd, c->in, READ_BYTES, 0);
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			conn_fail(k, failure_of(errno));
		return;
	}
	if (k->request == NULL) { /* closed, or it speaks unasked */
		conn_fail(k, FAIL_CLOSED);
		return;
	}
	if (n == 0) {
		if (k->spoken && answer_eof(&k->answer) == ANSWER_DONE)
			conn_answered(k, true);
		else
			conn_fail(k, FAIL_CLOSED);
		return;
	}
	if (!k->spoken)
		k->request->first_byte_ns = client_now_ns();
	k->spoken = true;
	size_t used = 0;
	switch (answer_feed(&k->answer, bytes_of(c->in, (size_t)n), &used)) {
	case ANSWER_MORE: break;
	case ANSWER_DONE: conn_answered(k, used < (size_t)n); break;
	case ANSWER_BAD: conn_fail(k, FAIL_MALFORMED); break;
	}
}

static bool connected(struct client_conn *k)
{
	int error = 0;
	socklen_t n = sizeof(error);
	CHECK(getsockopt(k->fd, SOL_SOCKET, SO_ERROR, &error, &n) == 0);
	k->connecting = false;
	if (error == 0)
		return true;
	conn_fail(k, failure_of(error));
	return false;
}

static void on_io(struct ev_loop *loop, ev_io *w, int events)
{
	struct client_conn *k = OBJ_CAST(struct client_conn, CONN_MAGIC, w->data);
	(void)loop;
	if (k->connecting && !connected(k))
		return;
	if ((events & EV_WRITE) != 0 && k->request != NULL && k->sent < k->request->head.n && !send_some(k))
		return;
	if ((events & EV_READ) != 0)
		receive(k);
}

static void on_timeout(struct ev_loop *loop, ev_timer *w, int events)
{
	struct client_request *r = w->data;
	struct client_conn *k = r->conn;
	(void)loop, (void)events;
	if (k != NULL) {
		conn_fail(k, FAIL_TIMEOUT);
		return;
	}
	if (r->waiting)
		leave_line(&r->client->servers[r->server], r);
	request_end(r, r->failure == FAIL_NONE ? FAIL_TIMEOUT : r->failure);
}

/* -- what the caller sees -- */

struct client *client_new(struct ev_loop *loop, unsigned connections_max, double timeout_s)
{
	struct client *c = OBJ_NEW(struct client, CLIENT_MAGIC);
	c->loop = loop;
	c->connections_max = connections_max;
	c->timeout_s = timeout_s;
	c->servers = calloc(CLIENT_SERVERS_MAX, sizeof(*c->servers));
	c->in = malloc(READ_BYTES);
	CHECK(c->servers != NULL && c->in != NULL);
	return c;
}

void client_free(struct client *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < c->servers_n; i++) {
		struct server *s = &c->servers[i];
		while (s->idle != NULL) {
			struct client_conn *k = s->idle;
			take_idle(s, k);
			conn_close(k);
		}
		CHECK(s->connections == 0 && s->first == NULL);
	}
	free(c->servers);
	free(c->in);
	OBJ_FREE(c);
}

void client_request_init(struct client_request *r, void (*done)(struct client_request *r), void *arg)
{
	*r = (struct client_request){ .done = done, .arg = arg };
	buf_init(&r->body, BODY_MAX);
	buf_init(&r->kept, CLIENT_KEEP_MAX);
	buf_init(&r->head, HEAD_MAX + BODY_MAX);
	ev_timer_init(&r->timer, on_timeout, 0, 0);
	r->timer.data = r;
}

void client_request_fini(struct client_request *r)
{
	CHECK(r->client == NULL);
	buf_fini(&r->body);
	buf_fini(&r->kept);
	buf_fini(&r->head);
}

bool client_busy(const struct client_request *r)
{
	return r->client != NULL;
}

/* Index of the server; a new one is resolved. */
static enum load_failure server_of(struct client *c, struct bytes authority, size_t *out)
{
	char key[sizeof(c->servers[0].key)];
	if (authority.n >= sizeof(key))
		return FAIL_UNRESOLVED;
	memset(key, 0, sizeof(key));
	memcpy(key, authority.p, authority.n);
	for (size_t i = 0; i < c->servers_n; i++) {
		if (memcmp(c->servers[i].key, key, sizeof(key)) == 0) {
			*out = i;
			return FAIL_NONE;
		}
	}
	if (c->servers_n == CLIENT_SERVERS_MAX)
		return FAIL_SERVERS;
	struct server s = { 0 };
	memcpy(s.key, key, sizeof(key));
	if (resolve(bytes_str(key), &s.endpoint) != OK)
		return FAIL_UNRESOLVED;
	c->servers[c->servers_n] = s;
	*out = c->servers_n++;
	return FAIL_NONE;
}

static void compose(struct client_request *r, const struct uri *u)
{
	struct bytes target = u->target.n > 0 ? u->target : BYTES_LIT("/");
	buf_clear(&r->head);
	buf_printf(&r->head, "%s %s%.*s HTTP/1.1\r\nHost: %.*s\r\nUser-Agent: warmcast-load\r\n", r->method,
	    target.p[0] == '/' ? "" : "/", (int)target.n, (const char *)target.p, (int)u->authority.n,
	    (const char *)u->authority.p);
	if (r->has_body)
		buf_printf(&r->head, "Content-Type: application/json\r\nContent-Length: %zu\r\n", r->body.n);
	if (r->key != NULL)
		buf_printf(&r->head, "Idempotency-Key: %s\r\n", r->key);
	buf_put_str(&r->head, "\r\n");
	if (r->has_body)
		buf_put_bytes(&r->head, buf_bytes(&r->body));
}

void client_start(struct client *c, struct client_request *r, struct bytes uri)
{
	struct uri u;
	CHECK(r->client == NULL);
	r->client = c;
	r->conn = NULL;
	r->failure = FAIL_NONE;
	r->status = 0;
	r->bytes = r->first_byte_ns = r->done_ns = 0;
	r->waiting = r->again = false;
	r->location = BYTES_NONE;
	buf_clear(&r->kept);
	if (uri_parse(uri, &u) != OK)
		r->failure = FAIL_MALFORMED;
	else {
		r->failure = server_of(c, u.authority, &r->server);
		compose(r, &u);
		if (r->failure == FAIL_NONE && buf_err(&r->head) != OK)
			r->failure = FAIL_TOO_BIG;
	}
	if (r->failure != FAIL_NONE) {
		fail_soon(r, r->failure);
		return;
	}
	ev_now_update(c->loop);
	ev_timer_set(&r->timer, c->timeout_s, 0);
	ev_timer_start(c->loop, &r->timer);
	wait_in_line(&c->servers[r->server], r);
	serve_line(c, r->server);
}

void client_cancel(struct client_request *r)
{
	struct client *c = r->client;
	if (c == NULL)
		return;
	ev_timer_stop(c->loop, &r->timer);
	if (r->waiting)
		leave_line(&c->servers[r->server], r);
	r->client = NULL;
	if (r->conn != NULL) {
		r->conn->request = NULL;
		conn_close(r->conn);
		r->conn = NULL;
		serve_line(c, r->server);
	}
}
