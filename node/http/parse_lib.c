#include "node/http/parse_lib.h"

#include "base/check.h"

#include <http_parser.h>

_Static_assert(sizeof(http_parser) <= sizeof(((struct parse_lib *)0)->library), "http_parser has grown");

static http_parser *parser_of(const struct parse_lib *l)
{
	return (http_parser *)(void *)l->library;
}

static int on_head_done(http_parser *p)
{
	struct parse_lib *l = p->data;
	/* `Connection: Upgrade` is ignored, as RFC 9110 (7.8) allows: the request is answered as it is. */
	p->upgrade = 0;
	l->in_body = true;
	return 0;
}

static int on_body(http_parser *p, const char *at, size_t n)
{
	struct parse_lib *l = p->data;
	return l->body(l->arg, bytes_of(at, n)) ? 0 : 1;
}

static int on_done(http_parser *p)
{
	struct parse_lib *l = p->data;
	l->done = true;
	http_parser_pause(p, 1); /* what follows is the next request */
	return 0;
}

static const http_parser_settings settings = {
	.on_headers_complete = on_head_done,
	.on_body = on_body,
	.on_message_complete = on_done,
};

void parse_lib_init(struct parse_lib *l, bool (*body)(void *arg, struct bytes data), void *arg)
{
	*l = (struct parse_lib){ .body = body, .arg = arg };
	http_parser_init(parser_of(l), HTTP_REQUEST);
}

enum parse_lib_result parse_lib_feed(struct parse_lib *l, struct bytes in, size_t *used)
{
	http_parser *p = parser_of(l);
	p->data = l; /* the struct may have been moved */
	CHECK(!l->done && in.n > 0);
	*used = http_parser_execute(p, &settings, (const char *)in.p, in.n);
	if (l->done)
		return PARSE_LIB_DONE;
	switch (HTTP_PARSER_ERRNO(p)) {
	case HPE_OK: return PARSE_LIB_MORE;
	case HPE_CB_body: return PARSE_LIB_STOPPED;
	default: return PARSE_LIB_BAD;
	}
}

bool parse_lib_knows_method(struct bytes name)
{
#define IS_IT(number, id, text) || bytes_eq(name, bytes_str(#text))
	return false HTTP_METHOD_MAP(IS_IT);
#undef IS_IT
}
