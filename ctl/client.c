#include "ctl/client.h"

#include "base/check.h"
#include "base/version.h"
#include "ctl/common.h"
#include "ctl/who.h"

#include <errno.h>
#include <http_parser.h>
#include <netdb.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEAD_MAX_BYTES = 64 << 10, READ_BYTES = 64 << 10, HOST_MAX = 256 };

/* One call under way. */
struct call {
	const struct client *client;
	uint64_t deadline_ms;
	int fd;
	http_parser parser;
	size_t head_bytes;
	bool in_body, done, too_big;
	struct buf body;
	char *error;
};

/* The one line that a person gets. */
__attribute__((format(printf, 3, 4))) static enum err say(struct call *c, enum err e, const char *format, ...)
{
	char what[CLIENT_ERROR_MAX / 2];
	va_list args;
	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	snprintf(c->error, CLIENT_ERROR_MAX, "%.200s: %s", c->client->admin, what);
	return e;
}

static enum err say_timeout(struct call *c)
{
	return say(c, ERR_TIMEOUT, "no answer within %u ms", c->client->timeout_ms);
}

/* Waits until the socket can do `events`. */
static enum err await(struct call *c, short events)
{
	for (;;) {
		uint64_t now = ctl_now_ms();
		if (now >= c->deadline_ms)
			return say_timeout(c);
		struct pollfd p = { .fd = c->fd, .events = events };
		int n = poll(&p, 1, (int)(c->deadline_ms - now));
		if (n > 0)
			return OK;
		if (n < 0 && errno != EINTR)
			return say(c, ERR_IO, "%s", strerror(errno));
	}
}

/* -- connecting -- */

/* Dials one address; *errnum says why it failed. */
static enum err dial(struct call *c, const struct addrinfo *a, int *errnum)
{
	*errnum = 0;
	c->fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0) {
		*errnum = errno;
		return ERR_IO;
	}
	if (connect(c->fd, a->ai_addr, a->ai_addrlen) == 0)
		return OK;
	*errnum = errno;
	if (errno != EINPROGRESS)
		return ERR_IO;
	enum err e = await(c, POLLOUT);
	if (e != OK)
		return e;
	socklen_t n = sizeof(*errnum);
	CHECK(getsockopt(c->fd, SOL_SOCKET, SO_ERROR, errnum, &n) == 0);
	return *errnum == 0 ? OK : ERR_IO;
}

enum err client_set_admin(struct client *c, const char *admin)
{
	struct address a;
	if (address_parse(bytes_str(admin), &a) != OK || a.port == 0)
		return ERR_INVALID;
	c->admin = admin;
	c->address = a;
	return OK;
}

static enum err connect_any(struct call *c)
{
	const struct address *address = &c->client->address;
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found;
	char host[HOST_MAX], port[8];
	snprintf(host, sizeof(host), "%.*s", (int)address->host.n, (const char *)address->host.p);
	snprintf(port, sizeof(port), "%u", address->port);
	int failed = getaddrinfo(host, port, &hints, &found);
	if (failed != 0)
		return say(c, ERR_NOT_FOUND, "%s", gai_strerror(failed));
	enum err e = ERR_NOT_FOUND;
	int errnum = 0;
	for (const struct addrinfo *a = found; a != NULL && e != OK && e != ERR_TIMEOUT; a = a->ai_next) {
		e = dial(c, a, &errnum);
		if (e != OK && c->fd >= 0) {
			close(c->fd);
			c->fd = -1;
		}
	}
	freeaddrinfo(found);
	if (e == OK || e == ERR_TIMEOUT)
		return e;
	if (errnum == ECONNREFUSED)
		return say(c, e, "connection refused: does a node listen there for operators (listen.admin)?");
	return say(c, e, "cannot connect: %s", strerror(errnum));
}

/* -- sending -- */

static enum err send_all(struct call *c, struct bytes data)
{
	while (data.n > 0) {
		ssize_t n = send(c->fd, data.p, data.n, MSG_NOSIGNAL);
		if (n >= 0) {
			data = bytes_from(data, (size_t)n);
			continue;
		}
		if (errno == EINTR)
			continue;
		/* A node that refuses early answers and closes: its answer is still to be read. */
		if (errno == EPIPE || errno == ECONNRESET)
			return OK;
		if (errno != EAGAIN)
			return say(c, ERR_IO, "cannot send: %s", strerror(errno));
		enum err e = await(c, POLLOUT);
		if (e != OK)
			return e;
	}
	return OK;
}

static enum err send_request(struct call *c, const char *method, const char *target, struct bytes body)
{
	struct buf out;
	buf_init(&out, HEAD_MAX_BYTES + body.n);
	buf_printf(&out, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, target, c->client->admin);
	buf_printf(&out, "User-Agent: warmcastctl/%s\r\nAccept: application/json\r\n", warmcast_version);
	buf_put_str(&out, "Connection: close\r\n");
	if (strcmp(method, "GET") != 0) {
		char who[WHO_MAX + 1];
		who_gives_orders(who);
		buf_printf(&out, "Content-Type: application/json\r\nContent-Length: %zu\r\n", body.n);
		buf_printf(&out, "Warmcast-Operator: %s\r\n", who);
	}
	buf_put_str(&out, "\r\n");
	buf_put_bytes(&out, body);
	enum err e = buf_err(&out);
	e = e == OK ? send_all(c, buf_bytes(&out)) : say(c, e, "the request is too long");
	buf_fini(&out);
	return e;
}

/* -- receiving -- */

static int on_headers_complete(http_parser *p)
{
	struct call *c = p->data;
	c->in_body = true;
	/* 100 and its like precede the answer proper; nobody asked for another protocol. */
	return p->upgrade || p->status_code == 101;
}

static int on_body(http_parser *p, const char *at, size_t n)
{
	struct call *c = p->data;
	buf_put(&c->body, at, n);
	c->too_big = buf_err(&c->body) != OK;
	return c->too_big;
}

static int on_message_complete(http_parser *p)
{
	struct call *c = p->data;
	if (p->status_code / 100 == 1) {
		c->in_body = false;
		return 0;
	}
	c->done = true;
	http_parser_pause(p, 1);
	return 0;
}

static const http_parser_settings on_answer = {
	.on_headers_complete = on_headers_complete,
	.on_body = on_body,
	.on_message_complete = on_message_complete,
};

/* n = 0 is the end of the stream. */
static enum err parse(struct call *c, const char *data, size_t n)
{
	bool head = !c->in_body;
	http_parser_execute(&c->parser, &on_answer, data, n);
	if (c->too_big)
		return say(c, ERR_TOO_BIG, "the answer is larger than %zu bytes", c->body.max);
	if (c->done)
		return OK;
	if (n == 0)
		return say(c, ERR_CLOSED, "the connection was closed before the answer was whole");
	if (HTTP_PARSER_ERRNO(&c->parser) != HPE_OK)
		return say(c, ERR_INVALID, "what answers there is no HTTP (is this the admin address?)");
	c->head_bytes += head ? n : 0;
	if (!c->in_body && c->head_bytes > HEAD_MAX_BYTES)
		return say(c, ERR_TOO_BIG, "the answer's head is larger than %d bytes", HEAD_MAX_BYTES);
	return OK;
}

static enum err receive(struct call *c)
{
	char data[READ_BYTES];
	while (!c->done) {
		ssize_t n = recv(c->fd, data, sizeof(data), 0);
		enum err e;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			e = await(c, POLLIN);
		else if (n < 0)
			e = say(c, ERR_IO, "the answer broke off: %s", strerror(errno));
		else
			e = parse(c, data, (size_t)n);
		if (e != OK)
			return e;
	}
	return OK;
}

enum err client_call(const struct client *client, const char *method, const char *target, struct bytes body,
    struct client_answer *out, char error[CLIENT_ERROR_MAX])
{
	struct client with_defaults = *client;
	if (with_defaults.timeout_ms == 0)
		with_defaults.timeout_ms = CLIENT_TIMEOUT_MS;
	if (with_defaults.answer_max_bytes == 0)
		with_defaults.answer_max_bytes = CLIENT_ANSWER_MAX_BYTES;
	struct call c = { .client = &with_defaults, .fd = -1, .error = error };
	c.deadline_ms = ctl_now_ms() + with_defaults.timeout_ms;
	buf_init(&c.body, with_defaults.answer_max_bytes);
	http_parser_init(&c.parser, HTTP_RESPONSE);
	c.parser.data = &c;
	enum err e = connect_any(&c);
	if (e == OK)
		e = send_request(&c, method, target, body);
	if (e == OK)
		e = receive(&c);
	if (c.fd >= 0)
		close(c.fd);
	if (e != OK) {
		buf_fini(&c.body);
		return e;
	}
	*out = (struct client_answer){ .status = c.parser.status_code, .body = c.body };
	return OK;
}
