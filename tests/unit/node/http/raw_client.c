#include "raw_client.h"

#include "base/check.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

void raw_connect(struct raw *c, int port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	struct timeval patience = { .tv_sec = 20 };
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	*c = (struct raw){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	CHECK(c->fd >= 0);
	CHECK(setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0);
	CHECK(setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) == 0);
	CHECK(connect(c->fd, (struct sockaddr *)&at, sizeof(at)) == 0);
	buf_init(&c->in, 256 << 20);
}

void raw_close(struct raw *c)
{
	close(c->fd);
	buf_fini(&c->in);
}

void raw_abort(struct raw *c)
{
	struct linger now = { .l_onoff = 1 };
	CHECK(setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)) == 0);
	raw_close(c);
}

void raw_send(struct raw *c, struct bytes b)
{
	while (b.n > 0) {
		ssize_t n = send(c->fd, b.p, b.n, MSG_NOSIGNAL);
		if (n < 0)
			return; /* the answer, or its absence, tells the rest */
		b = bytes_from(b, (size_t)n);
	}
}

void raw_say(struct raw *c, const char *text)
{
	raw_send(c, bytes_str(text));
}

/* 1: read, 0: end of file, -1: reset. */
static int read_more(struct raw *c)
{
	static _Thread_local uint8_t some[65536];
	ssize_t n = recv(c->fd, some, sizeof(some), 0);
	if (n < 0) {
		CHECK(errno == ECONNRESET || errno == EPIPE); /* not EAGAIN: out of patience */
		return -1;
	}
	buf_put(&c->in, some, (size_t)n);
	CHECK(buf_err(&c->in) == OK);
	return n > 0;
}

bool raw_need(struct raw *c, size_t n)
{
	while (c->in.n - c->at < n)
		if (read_more(c) <= 0)
			return false;
	return true;
}

struct bytes raw_take(struct raw *c, size_t n)
{
	CHECK(c->in.n - c->at >= n);
	struct bytes b = bytes_of(c->in.p + c->at, n);
	c->at += n;
	return b;
}

enum raw_end raw_end(struct raw *c)
{
	if (c->in.n > c->at)
		return RAW_DATA;
	int r = read_more(c);
	return r > 0 ? RAW_DATA : r == 0 ? RAW_EOF : RAW_RESET;
}

const char *raw_field(const struct raw_answer *a, const char *name, char out[256])
{
	size_t n = strlen(name);
	out[0] = '\0';
	for (const char *line = strstr(a->head, "\r\n"); line != NULL; line = strstr(line, "\r\n")) {
		line += 2;
		if (strncasecmp(line, name, n) != 0 || line[n] != ':')
			continue;
		snprintf(out, 256, "%.*s", (int)strcspn(line + n + 2, "\r"), line + n + 2);
		break;
	}
	return out;
}

bool raw_answer(struct raw *c, struct raw_answer *a, bool head_only)
{
	*a = (struct raw_answer){ 0 };
	const uint8_t *end;
	while ((end = c->in.n == c->at ? NULL : memmem(c->in.p + c->at, c->in.n - c->at, "\r\n\r\n", 4)) == NULL)
		if (read_more(c) <= 0)
			return false;
	size_t n = (size_t)(end - c->in.p) + 4 - c->at;
	CHECK(n < sizeof(a->head));
	memcpy(a->head, raw_take(c, n).p, n);
	uint64_t status;
	CHECK(n > 12 && memcmp(a->head, "HTTP/1.1 ", 9) == 0 &&
	      text_u64(bytes_of(a->head + 9, 3), 999, &status) == OK);
	a->status = (int)status;
	char length[256];
	raw_field(a, "Content-Length", length);
	a->body_n = head_only || a->status == 304 ? 0 : strtoul(length, NULL, 10);
	if (!raw_need(c, a->body_n))
		return false;
	a->body = malloc(a->body_n + 1);
	CHECK(a->body != NULL);
	if (a->body_n > 0)
		memcpy(a->body, raw_take(c, a->body_n).p, a->body_n);
	a->body[a->body_n] = '\0';
	return true;
}

void raw_answer_free(struct raw_answer *a)
{
	free(a->body);
	a->body = NULL;
}
