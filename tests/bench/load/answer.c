#include "tests/bench/load/answer.h"

#include "base/check.h"

#include <http_parser.h>
#include <string.h>
#include <strings.h>

_Static_assert(sizeof(http_parser) <= sizeof(((struct answer *)0)->library), "http_parser has grown");

static http_parser *parser_of(struct answer *a)
{
	return (http_parser *)(void *)a->library;
}

static int on_name(http_parser *p, const char *at, size_t n)
{
	struct answer *a = p->data;
	if (a->in_value) {
		a->in_value = false;
		a->name_n = 0;
	}
	for (size_t i = 0; i < n && a->name_n < sizeof(a->name); i++)
		a->name[a->name_n++] = at[i];
	return 0;
}

static int on_value(http_parser *p, const char *at, size_t n)
{
	struct answer *a = p->data;
	a->in_value = true;
	if (a->head_done || a->name_n != 8 || strncasecmp(a->name, "Location", 8) != 0)
		return 0;
	if (n >= sizeof(a->location) - a->location_n)
		a->location_n = sizeof(a->location);
	else {
		memcpy(a->location + a->location_n, at, n);
		a->location_n += n;
	}
	return 0;
}

static int on_head_done(http_parser *p)
{
	struct answer *a = p->data;
	p->upgrade = 0; /* none was asked for */
	a->status = p->status_code;
	a->head_done = a->status >= 200;
	return 0;
}

static int on_body(http_parser *p, const char *at, size_t n)
{
	struct answer *a = p->data;
	a->body(a->arg, bytes_of(at, n));
	return 0;
}

static int on_done(http_parser *p)
{
	struct answer *a = p->data;
	if (!a->head_done)
		return 0; /* an interim one */
	a->done = true;
	a->keep_alive = http_should_keep_alive(p) != 0;
	http_parser_pause(p, 1);
	return 0;
}

static const http_parser_settings settings = {
	.on_header_field = on_name,
	.on_header_value = on_value,
	.on_headers_complete = on_head_done,
	.on_body = on_body,
	.on_message_complete = on_done,
};

void answer_init(struct answer *a, void (*body)(void *arg, struct bytes data), void *arg)
{
	a->body = body;
	a->arg = arg;
	a->name_n = a->location_n = 0;
	a->in_value = a->head_done = a->done = a->keep_alive = false;
	a->status = 0;
	http_parser_init(parser_of(a), HTTP_RESPONSE);
}

enum answer_result answer_feed(struct answer *a, struct bytes in, size_t *used)
{
	http_parser *p = parser_of(a);
	CHECK(!a->done && in.n > 0);
	p->data = a; /* the struct may have been moved */
	*used = http_parser_execute(p, &settings, (const char *)in.p, in.n);
	if (a->done)
		return ANSWER_DONE;
	return HTTP_PARSER_ERRNO(p) == HPE_OK ? ANSWER_MORE : ANSWER_BAD;
}

enum answer_result answer_eof(struct answer *a)
{
	http_parser *p = parser_of(a);
	p->data = a;
	(void)http_parser_execute(p, &settings, NULL, 0);
	return a->done ? ANSWER_DONE : ANSWER_BAD;
}
