#include "store_fixture.h"

#include "base/check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static void send_all(int fd, const void *p, size_t n)
{
	for (size_t at = 0; at < n;) {
		ssize_t sent = send(fd, (const char *)p + at, n - at, MSG_NOSIGNAL);
		if (sent <= 0)
			return; /* who asked has gone */
		at += (size_t)sent;
	}
}

void store_say(struct store_request *r, const char *format, ...)
{
	char text[4096];
	va_list ap;
	va_start(ap, format);
	int n = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	CHECK(n >= 0 && (size_t)n < sizeof(text));
	send_all(r->fd, text, (size_t)n);
}

uint8_t store_byte(uint64_t i)
{
	return (uint8_t)(i * 31 + i / 251);
}

void store_give(struct store_request *r, uint64_t first, uint64_t n)
{
	uint8_t piece[16384];
	for (uint64_t at = 0; at < n;) {
		size_t k = n - at < sizeof(piece) ? (size_t)(n - at) : sizeof(piece);
		for (size_t i = 0; i < k; i++)
			piece[i] = store_byte(first + at + i);
		send_all(r->fd, piece, k);
		at += k;
	}
}

void store_answer(struct store_request *r, const char *fields, uint64_t n)
{
	store_say(r, "HTTP/1.1 200 OK\r\n%sContent-Length: %llu\r\n\r\n", fields, (unsigned long long)n);
	if (strcmp(r->method, "HEAD") != 0)
		store_give(r, 0, n);
}

bool store_reset(struct store_request *r)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };
	CHECK(setsockopt(r->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)) == 0);
	return false;
}

void store_hold(struct store_request *r)
{
	struct store *s = r->store;
	CHECK(pthread_mutex_lock(&s->lock) == 0);
	while (!s->let_go && !s->ending)
		CHECK(pthread_cond_wait(&s->changed, &s->lock) == 0);
	CHECK(pthread_mutex_unlock(&s->lock) == 0);
}

void store_let_go(struct store *s)
{
	CHECK(pthread_mutex_lock(&s->lock) == 0);
	s->let_go = true;
	CHECK(pthread_cond_broadcast(&s->changed) == 0);
	CHECK(pthread_mutex_unlock(&s->lock) == 0);
}

const char *store_field(const struct store_request *r, const char *name, char out[512])
{
	size_t n = strlen(name);
	out[0] = '\0';
	for (const char *line = r->head; (line = strstr(line, "\r\n")) != NULL;) {
		line += 2;
		if (strncasecmp(line, name, n) == 0 && line[n] == ':') {
			line += n + 1 + strspn(line + n + 1, " ");
			(void)snprintf(out, 512, "%.*s", (int)strcspn(line, "\r"), line);
		}
	}
	return out;
}

/* -- connections -- */

static bool read_head(struct store_request *r)
{
	size_t n = 0;
	while (n + 1 < sizeof(r->head)) {
		ssize_t got = recv(r->fd, r->head + n, 1, 0); /* a byte each: what follows stays in the socket */
		if (got <= 0)
			return false;
		r->head[++n] = '\0';
		if (n >= 4 && memcmp(r->head + n - 4, "\r\n\r\n", 4) == 0)
			return true;
	}
	return false;
}

static bool parse(struct store_request *r)
{
	size_t method = strcspn(r->head, " ");
	if (method >= sizeof(r->method) || r->head[method] != ' ')
		return false;
	memcpy(r->method, r->head, method);
	r->method[method] = '\0';
	const char *target = r->head + method + 1;
	size_t n = strcspn(target, " ");
	if (n >= sizeof(r->target))
		return false;
	memcpy(r->target, target, n);
	r->target[n] = '\0';
	return true;
}

static void *serve(void *arg)
{
	struct store_connection *c = arg;
	struct store_request r = { .store = c->store, .fd = c->fd, .first = true };
	while (read_head(&r) && parse(&r)) {
		atomic_fetch_add(&c->store->requests, 1);
		atomic_fetch_add(&c->store->heads, strcmp(r.method, "HEAD") == 0);
		if (!c->store->answer(&r))
			break;
		r.first = false;
	}
	CHECK(pthread_mutex_lock(&c->store->lock) == 0);
	CHECK(close(c->fd) == 0);
	c->fd = -1;
	CHECK(pthread_mutex_unlock(&c->store->lock) == 0);
	return NULL;
}

static void *take_connections(void *arg)
{
	struct store *s = arg;
	for (;;) {
		int fd = accept(s->listener, NULL, NULL);
		if (fd < 0)
			return NULL;
		atomic_fetch_add(&s->connections, 1);
		CHECK(s->threads_n < STORE_CONNECTIONS_MAX);
		struct store_connection *c = &s->threads[s->threads_n++];
		*c = (struct store_connection){ .store = s, .fd = fd };
		CHECK(pthread_create(&c->thread, NULL, serve, c) == 0);
	}
}

void store_start(struct store *s, bool (*answer)(struct store_request *r))
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	*s = (struct store){ .answer = answer };
	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(s->listener >= 0);
	assert_int_equal(bind(s->listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(s->listener, 64), 0);
	assert_int_equal(getsockname(s->listener, (struct sockaddr *)&a, &n), 0);
	s->port = ntohs(a.sin_port);
	CHECK(pthread_mutex_init(&s->lock, NULL) == 0);
	CHECK(pthread_cond_init(&s->changed, NULL) == 0);
	CHECK(pthread_create(&s->thread, NULL, take_connections, s) == 0);
}

void store_end(struct store *s)
{
	CHECK(shutdown(s->listener, SHUT_RDWR) == 0);
	CHECK(pthread_join(s->thread, NULL) == 0);
	CHECK(close(s->listener) == 0);
	CHECK(pthread_mutex_lock(&s->lock) == 0);
	s->ending = true;
	CHECK(pthread_cond_broadcast(&s->changed) == 0);
	for (unsigned i = 0; i < s->threads_n; i++)
		if (s->threads[i].fd >= 0)
			(void)shutdown(s->threads[i].fd, SHUT_RDWR);
	CHECK(pthread_mutex_unlock(&s->lock) == 0);
	for (unsigned i = 0; i < s->threads_n; i++)
		CHECK(pthread_join(s->threads[i].thread, NULL) == 0);
	CHECK(pthread_cond_destroy(&s->changed) == 0);
	CHECK(pthread_mutex_destroy(&s->lock) == 0);
}
