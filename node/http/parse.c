#include "node/http/parse.h"

#include "base/check.h"
#include "node/http/parse_head.h"

#include <string.h>

enum { PHASE_LINES, PHASE_BODY, PHASE_OVER };

static bool refuse(struct http_parse *p, int status, const char *type, const char *detail)
{
	if (p->refusal.status == 0)
		p->refusal = (struct http_refusal){ status, type, detail };
	return false;
}

static bool on_body(void *arg, struct bytes data)
{
	struct http_parse *p = arg;
	if (data.n > p->limits.body_bytes - p->body.n)
		return refuse(p, 413, "body-too-large", "the request's body is over the limit");
	buf_put_bytes(&p->body, data);
	if (buf_err(&p->body) != OK)
		return refuse(p, 503, "no-memory", "out of memory");
	return true;
}

/* -- life -- */

void http_parse_init(struct http_parse *p, const struct http_parse_limits *limits, struct arena *arena)
{
	p->limits = *limits;
	p->arena = arena;
	buf_init(&p->head, limits->request_line_bytes + limits->headers_bytes + 2);
	buf_init(&p->body, limits->body_bytes);
	http_parse_reset(p);
}

void http_parse_fini(struct http_parse *p)
{
	buf_fini(&p->head);
	buf_fini(&p->body);
}

void http_parse_reset(struct http_parse *p)
{
	p->request = (struct http_request){ 0 };
	p->keep_alive = false;
	p->expect_continue = false;
	p->refusal = (struct http_refusal){ 0 };
	p->phase = PHASE_LINES;
	p->line_at = 0;
	p->headers_at = 0;
	p->empty_lines = 0;
	p->fields_n = 0;
	p->body_raw_bytes = 0;
	buf_clear(&p->head);
	buf_clear(&p->body);
}

bool http_parse_started(const struct http_parse *p)
{
	return p->head.n > 0;
}

/* -- the head, line by line -- */

/* The line that ends at p->head.n is whole. False when it is refused. */
static bool check_line(struct http_parse *p, struct bytes line)
{
	if (line.n < 2 || line.p[line.n - 2] != '\r')
		return refuse(p, 400, "malformed", "a line that does not end with CR LF");
	line.n -= 2;
	if (p->headers_at == 0 || line.n == 0)
		return true;
	if (line.p[0] == ' ' || line.p[0] == '\t')
		return refuse(p, 400, "malformed", "a folded header field");
	size_t colon = bytes_index(line, ':');
	if (colon == 0 || colon == line.n || !http_head_is_token(bytes_head(line, colon)))
		return refuse(p, 400, "malformed", "a header field without a proper name");
	return true;
}

/* Takes bytes of the present line from `in`; sets *line_done at its end. */
static bool take_line(struct http_parse *p, struct bytes in, size_t *used, bool *line_done)
{
	size_t n = bytes_index(in, '\n');
	*line_done = n < in.n;
	n += *line_done;
	struct bytes part = bytes_head(in, n);
	size_t room = p->headers_at == 0 ? p->limits.request_line_bytes - p->head.n
	                                 : p->limits.headers_bytes + p->headers_at - p->head.n;
	bool after_cr = p->head.n > p->line_at && p->head.p[p->head.n - 1] == '\r';
	if ((after_cr && part.p[0] != '\n') || !http_head_is_clean(bytes_head(part, n < room ? n : room)))
		return refuse(p, 400, "malformed", "a control character in the request's head");
	if (n > room && p->headers_at == 0)
		return refuse(p, 414, "target-too-long", "the request line is over the limit");
	if (n > room)
		return refuse(p, 431, "headers-too-large", "the header fields are over the limit");
	buf_put_bytes(&p->head, part);
	if (buf_err(&p->head) != OK)
		return refuse(p, 503, "no-memory", "out of memory");
	*used += n;
	return true;
}

/* Feeds lines until the empty one; *whole when it came. */
static bool take_lines(struct http_parse *p, struct bytes in, size_t *used, bool *whole)
{
	*whole = false;
	while (*used < in.n && !*whole) {
		bool line_done;
		if (!take_line(p, bytes_from(in, *used), used, &line_done))
			return false;
		if (!line_done)
			return true;
		struct bytes line = bytes_from(buf_bytes(&p->head), p->line_at);
		if (!check_line(p, line))
			return false;
		if (p->headers_at > 0) {
			*whole = line.n == 2;
		} else if (line.n == 2) {
			/* RFC 9112, 2.2: an empty line before the request line is ignored. */
			if (++p->empty_lines > HTTP_EMPTY_LINES_MAX)
				return refuse(p, 400, "malformed", "empty lines before the request");
			p->head.n = 0;
		} else {
			if (!http_head_request_line(bytes_head(line, line.n - 2), &p->refusal))
				return false;
			p->headers_at = p->head.n;
		}
		p->line_at = p->head.n;
	}
	return true;
}

/* -- the whole -- */

static enum http_parse_result over(struct http_parse *p)
{
	p->phase = PHASE_OVER;
	p->request.body = buf_bytes(&p->body);
	return HTTP_PARSE_DONE;
}

static enum http_parse_result refused(struct http_parse *p)
{
	(void)refuse(p, 400, "malformed", "not a well-formed HTTP/1.1 request");
	p->phase = PHASE_OVER;
	return HTTP_PARSE_REFUSED;
}

/* The head is whole, and each of its lines was checked as it came: they are only taken apart. */
static bool split_fields(struct http_parse *p)
{
	struct bytes rest = bytes_from(buf_bytes(&p->head), p->headers_at);
	for (size_t n; (n = bytes_index(rest, '\n')) > 1; rest = bytes_from(rest, n + 1)) {
		if (p->fields_n == HTTP_FIELDS_MAX)
			return refuse(p, 431, "too-many-fields", "more than 64 header fields");
		struct bytes line = bytes_head(rest, n - 1);
		size_t colon = bytes_index(line, ':');
		p->fields[p->fields_n++] =
		    (struct http_header){ bytes_head(line, colon), http_head_trim(bytes_from(line, colon + 1)) };
	}
	p->request.headers = p->fields;
	p->request.headers_n = p->fields_n;
	return true;
}

/* The library frames a body; where there is none it has nothing to do. */
static enum http_parse_result begin_body(struct http_parse *p)
{
	size_t used;
	parse_lib_init(&p->lib, on_body, p);
	if (parse_lib_feed(&p->lib, buf_bytes(&p->head), &used) != PARSE_LIB_MORE || !p->lib.in_body)
		return refused(p);
	p->phase = PHASE_BODY;
	return HTTP_PARSE_HEAD;
}

static enum http_parse_result feed_head(struct http_parse *p)
{
	struct http_line line = http_head_line(bytes_head(buf_bytes(&p->head), p->headers_at - 2));
	struct http_head head = { .method = line.method, .body_max_bytes = p->limits.body_bytes };
	p->request.target = line.target;
	p->request.http10 = line.http10;
	if (!split_fields(p) || !http_head_judge(&p->request, &head, p->arena, &p->refusal))
		return refused(p);
	p->keep_alive = head.keep_alive;
	p->expect_continue = head.expect_continue;
	return head.has_body ? begin_body(p) : over(p);
}

static enum http_parse_result feed_body(struct http_parse *p, struct bytes in, size_t *used)
{
	size_t n;
	enum parse_lib_result r = parse_lib_feed(&p->lib, in, &n);
	*used += n;
	p->body_raw_bytes += n;
	if (r == PARSE_LIB_DONE)
		return over(p);
	/* Chunks of one byte each cost five more; past that it is padding, not a body. */
	if (r == PARSE_LIB_MORE && p->body_raw_bytes > 8 * p->limits.body_bytes + p->limits.headers_bytes) {
		refuse(p, 413, "body-too-large", "the framing of the request's body is over the limit");
		r = PARSE_LIB_STOPPED;
	}
	return r == PARSE_LIB_MORE ? HTTP_PARSE_MORE : refused(p);
}

enum http_parse_result http_parse_feed(struct http_parse *p, struct bytes in, size_t *used)
{
	CHECK(p->phase != PHASE_OVER);
	*used = 0;
	if (in.n == 0)
		return HTTP_PARSE_MORE;
	if (p->phase == PHASE_BODY)
		return feed_body(p, in, used);
	bool whole;
	if (!take_lines(p, in, used, &whole)) {
		p->phase = PHASE_OVER;
		return HTTP_PARSE_REFUSED;
	}
	return whole ? feed_head(p) : HTTP_PARSE_MORE;
}
