#include "fake_http.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

enum { FAKE_ARENA_BYTES = 256 * 1024, FAKE_ANSWER_BYTES = 16 * 1024 * 1024 };

void fake_exchange_init(struct http_exchange *x, enum http_method m, const char *path, const char *body)
{
	*x = (struct http_exchange){ 0 };
	arena_init(&x->arena, FAKE_ARENA_BYTES);
	x->request.method = m;
	x->request.target = x->request.path = bytes_str(path);
	x->request.body = bytes_str(body);
	x->request.headers = x->headers;
	x->request.peer_address = "127.0.0.1";
}

void fake_exchange_header(struct http_exchange *x, const char *name, const char *value)
{
	CHECK(x->request.headers_n < FAKE_HEADERS_MAX);
	x->headers[x->request.headers_n++] = (struct http_header){ bytes_str(name), bytes_str(value) };
}

void fake_exchange_fini(struct http_exchange *x)
{
	arena_fini(&x->arena);
	free(x->fields);
	free(x->body);
}

const char *fake_field(struct http_exchange *x, const char *name)
{
	size_t n = strlen(name);
	const char *found = NULL;
	for (char *line = x->fields; line != NULL && *line != '\0'; line = strchr(line, '\n') + 1) {
		if (strncmp(line, name, n) != 0 || line[n] != ':')
			continue;
		CHECK(found == NULL);
		found = arena_str(&x->arena, bytes_of(line + n + 2, (size_t)(strchr(line, '\n') - line) - n - 2));
		CHECK(found != NULL);
	}
	return found;
}

const struct http_request *http_request(const struct http_exchange *x)
{
	return &x->request;
}

struct arena *http_arena(struct http_exchange *x)
{
	return &x->arena;
}

/* The text so far, NUL-terminated and the caller's. */
static char *text_of(struct buf *b, size_t *n)
{
	*n = b->n;
	buf_put_u8(b, 0);
	CHECK(buf_err(b) == OK);
	return (char *)b->p;
}

void http_respond(struct http_exchange *x, const struct http_response *r)
{
	struct buf fields, body;
	size_t n;
	x->answers++;
	CHECK(x->answers == 1);
	x->status = r->status;
	buf_init(&fields, FAKE_ANSWER_BYTES);
	for (size_t i = 0; i < r->fields_n; i++) {
		buf_printf(&fields, "%s: ", r->fields[i].name);
		buf_put_bytes(&fields, r->fields[i].value);
		buf_put_u8(&fields, '\n');
	}
	for (const char *c = r->constant_fields; c != NULL && *c != '\0'; c++)
		if (*c != '\r')
			buf_put_u8(&fields, (uint8_t)*c);
	x->fields = text_of(&fields, &n);
	buf_init(&body, FAKE_ANSWER_BYTES);
	for (size_t i = 0; i < r->parts_n; i++) {
		CHECK(r->parts[i].kind == HTTP_PART_BYTES);
		buf_put_bytes(&body, r->parts[i].bytes);
	}
	x->body = text_of(&body, &x->body_n);
}
