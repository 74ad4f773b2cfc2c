/* Which bytes of a representation a request asks for: conditions and ranges (RFC 9110, sections 13
 * and 14). Pure.
 *
 * One range is answered 206. Several ranges are answered with the whole, 200, as section 14.2
 * allows: no player asks for them, and multipart answers would cost every cache on the way.
 */
#ifndef NODE_HTTP_RANGE_H
#define NODE_HTTP_RANGE_H

#include "node/http/http.h"

enum http_range_kind {
	HTTP_RANGE_WHOLE, /* no range, several, not in bytes, or malformed: to be ignored */
	HTTP_RANGE_PART,
	HTTP_RANGE_UNSATISFIABLE,
};

struct http_range {
	enum http_range_kind kind;
	uint64_t first;
	uint64_t length; /* >= 1 for a part */
};

/* `header` is the value of Range; `total` the length of the representation in bytes. */
struct http_range http_range_parse(struct bytes header, uint64_t total);

/* What is known of the stored object. */
struct http_validators {
	struct bytes etag;        /* with its quotes, `W/` in front of a weak one; empty: none */
	uint64_t last_modified_s; /* wall clock; 0: not known */
};

/* How a GET or HEAD is to be answered. */
struct http_selection {
	int status;     /* 200, 206, 304, 412 or 416 */
	uint64_t first; /* of 200 and 206: the bytes to send */
	uint64_t length;
};

/* Evaluates If-Match, If-Unmodified-Since, If-None-Match, If-Modified-Since, Range and If-Range in
 * the order of section 13.2.2. */
struct http_selection http_select(
    const struct http_request *r, const struct http_validators *v, uint64_t total);

/* The value of Content-Range for a 206 ("bytes 0-4/10") or a 416 ("bytes * /10" without the space);
 * an empty p when the arena is full. */
struct bytes http_content_range(struct arena *a, const struct http_selection *s, uint64_t total);

/* Does the list of entity tags `list` (or `*`) hold `etag`? Weak comparison ignores `W/`; strong
 * comparison never matches a weak tag. */
bool http_etag_in(struct bytes list, struct bytes etag, bool weak);

#endif
