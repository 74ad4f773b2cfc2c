#include "node/http/parse.h"

#include "base/check.h"
#include "node/http/clean.h"
#include "node/http/parse_head.h"

enum { PHASE_EMPTY_LINES, PHASE_LINES, PHASE_BODY, PHASE_OVER };

/* Where a head ends is known when it has been copied and looked through: so much at a time. */
enum { STEP_BYTES = 1024, PLACE_MAX = 1 << 30 };

static bool refuse(struct http_parse *p, int status, const char *type, const char *detail)
{
	p->refusal = (struct http_refusal){ status, type, detail };
	return false;
}

/* -- life -- */

void http_parse_init(struct http_parse *p, const struct http_parse_limits *limits, struct arena *arena)
{
	CHECK(limits->request_line_bytes < PLACE_MAX && limits->headers_bytes < PLACE_MAX);
	p->limits = *limits;
	p->arena = arena;
	buf_init(&p->head, limits->request_line_bytes + limits->headers_bytes + STEP_BYTES);
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
	p->phase = PHASE_EMPTY_LINES;
	p->line_at = 0;
	p->seen = 0;
	p->headers_at = 0;
	p->empty_lines = 0;
	p->after_cr = false;
	p->fields_n = 0;
	p->body_raw_bytes = 0;
	buf_clear(&p->head);
	buf_clear(&p->body);
}

bool http_parse_started(const struct http_parse *p)
{
	return p->head.n > 0 || p->after_cr;
}

/* -- the head, line by line -- */

/* RFC 9112, 2.2: an empty line before the request line is ignored. */
static bool skip_empty_lines(struct http_parse *p, struct bytes in, size_t *used)
{
	for (; *used < in.n; ++*used) {
		uint8_t c = in.p[*used];
		if (p->after_cr && c != '\n')
			return refuse(p, 400, "malformed", "a CR without LF");
		if (p->after_cr && ++p->empty_lines > HTTP_EMPTY_LINES_MAX)
			return refuse(p, 400, "malformed", "empty lines before the request");
		if (!p->after_cr && c != '\r') {
			p->phase = PHASE_LINES;
			return true;
		}
		p->after_cr = !p->after_cr;
	}
	return true;
}

static uint32_t place_in_head(const struct http_parse *p, const uint8_t *at)
{
	return (uint32_t)(at - p->head.p);
}

static bool take_request_line(struct http_parse *p, struct bytes line)
{
	if (!http_head_request_line(line, &p->request, &p->refusal))
		return false;
	p->target_at = place_in_head(p, p->request.target.p);
	p->target_n = (uint32_t)p->request.target.n;
	return true;
}

static bool take_field(struct http_parse *p, struct bytes line)
{
	struct http_header h;
	if (p->fields_n == HTTP_FIELDS_MAX)
		return refuse(p, 431, "too-many-fields", "more than 64 header fields");
	if (!http_head_field(line, &h, &p->refusal))
		return false;
	p->places[p->fields_n++] = (struct http_field_place){
		.name_at = place_in_head(p, h.name.p),
		.name_n = (uint32_t)h.name.n,
		.value_at = place_in_head(p, h.value.p),
		.value_n = (uint32_t)h.value.n,
	};
	return true;
}

/* Whether the part of the head that stands before `end` is within its limit. */
static bool fits(struct http_parse *p, size_t end)
{
	if (p->headers_at == 0 && end > p->limits.request_line_bytes)
		return refuse(p, 414, "target-too-long", "the request line is over the limit");
	if (p->headers_at > 0 && end - p->headers_at > p->limits.headers_bytes)
		return refuse(p, 431, "headers-too-large", "the header fields are over the limit");
	return true;
}

/* The line up to `end`, where its CR LF stands. The empty one ends the head. */
static bool take_line(struct http_parse *p, size_t end, bool *whole)
{
	struct bytes line = bytes_of(p->head.p + p->line_at, end - p->line_at);
	p->line_at = end + 2;
	if (!fits(p, p->line_at))
		return false;
	*whole = line.n == 0;
	if (*whole)
		return true;
	if (p->headers_at > 0)
		return take_field(p, line);
	p->headers_at = p->line_at;
	return take_request_line(p, line);
}

/* Looks through what came last; *whole when the head ends in it, at p->line_at. */
static bool look_through(struct http_parse *p, bool *whole)
{
	const uint8_t *head = p->head.p;
	size_t at = p->seen, n = p->head.n;
	*whole = false;
	while (!*whole && (at += http_clean_run(bytes_of(head + at, n - at))) < n) {
		if (head[at] == '\t' && p->headers_at > 0) {
			at++;
			continue;
		}
		if (head[at] == '\n')
			return refuse(p, 400, "malformed", "a line that does not end with CR LF");
		if (head[at] == '\r' && at + 1 == n)
			break;
		if (head[at] != '\r' || head[at + 1] != '\n')
			return refuse(p, 400, "malformed", "a control character in the request's head");
		if (!take_line(p, at, whole))
			return false;
		at += 2;
	}
	p->seen = at;
	return *whole || fits(p, n);
}

/* Takes lines up to the empty one; *whole when it came. */
static bool take_lines(struct http_parse *p, struct bytes in, size_t *used, bool *whole)
{
	for (*whole = false; *used < in.n && !*whole;) {
		size_t before = p->head.n, n = in.n - *used;
		buf_put(&p->head, in.p + *used, n < STEP_BYTES ? n : STEP_BYTES);
		if (buf_err(&p->head) != OK)
			return refuse(p, 503, "no-memory", "out of memory");
		if (!look_through(p, whole))
			return false;
		if (*whole)
			p->head.n = p->line_at;
		*used += p->head.n - before;
	}
	return true;
}

/* -- the whole -- */

static enum http_parse_result refused(struct http_parse *p)
{
	p->phase = PHASE_OVER;
	return HTTP_PARSE_REFUSED;
}

static enum http_parse_result done(struct http_parse *p)
{
	p->phase = PHASE_OVER;
	p->request.body = buf_bytes(&p->body);
	return HTTP_PARSE_DONE;
}

static enum http_parse_result on_head(struct http_parse *p)
{
	struct http_head head;
	for (size_t i = 0; i < p->fields_n; i++) {
		const struct http_field_place *at = &p->places[i];
		p->fields[i].name = bytes_of(p->head.p + at->name_at, at->name_n);
		p->fields[i].value = bytes_of(p->head.p + at->value_at, at->value_n);
	}
	p->request.headers = p->fields;
	p->request.headers_n = p->fields_n;
	p->request.target = bytes_of(p->head.p + p->target_at, p->target_n);
	if (!http_head_judge(&p->request, p->limits.body_bytes, p->arena, &head, &p->refusal))
		return refused(p);
	p->keep_alive = head.keep_alive;
	p->expect_continue = head.expect_continue;
	if (!head.is_chunked && head.body_bytes == 0)
		return done(p);
	if (head.is_chunked)
		http_body_of_chunks(&p->framing);
	else
		http_body_of_length(&p->framing, head.body_bytes);
	p->phase = PHASE_BODY;
	return HTTP_PARSE_HEAD;
}

static bool keep_body(struct http_parse *p, struct bytes data)
{
	if (data.n > p->limits.body_bytes - p->body.n)
		return refuse(p, 413, "body-too-large", "the request's body is over the limit");
	buf_put_bytes(&p->body, data);
	if (buf_err(&p->body) != OK)
		return refuse(p, 503, "no-memory", "out of memory");
	return true;
}

static enum http_parse_result feed_body(struct http_parse *p, struct bytes in, size_t *used)
{
	while (*used < in.n) {
		struct bytes data;
		size_t n;
		enum http_body_result r = http_body_take(&p->framing, bytes_from(in, *used), &data, &n);
		*used += n;
		p->body_raw_bytes += n;
		if (r == HTTP_BODY_BAD)
			refuse(p, 400, "malformed", "a chunked body that is not well-formed");
		if (r == HTTP_BODY_BAD || !keep_body(p, data))
			return refused(p);
		if (r == HTTP_BODY_DONE)
			return done(p);
	}
	/* Chunks of one byte each cost five more; past that it is padding, not a body. */
	if (p->body_raw_bytes > 8 * p->limits.body_bytes + p->limits.headers_bytes) {
		refuse(p, 413, "body-too-large", "the framing of the request's body is over the limit");
		return refused(p);
	}
	return HTTP_PARSE_MORE;
}

enum http_parse_result http_parse_feed(struct http_parse *p, struct bytes in, size_t *used)
{
	CHECK(p->phase != PHASE_OVER);
	*used = 0;
	if (in.n == 0)
		return HTTP_PARSE_MORE;
	if (p->phase == PHASE_BODY)
		return feed_body(p, in, used);
	if (p->phase == PHASE_EMPTY_LINES && !skip_empty_lines(p, in, used))
		return refused(p);
	bool whole;
	if (!take_lines(p, in, used, &whole))
		return refused(p);
	return whole ? on_head(p) : HTTP_PARSE_MORE;
}
