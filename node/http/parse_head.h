/* What the parser says of a request's head, line by line and of the whole: every refusal that needs no
 * state. Pure.
 */
#ifndef NODE_HTTP_PARSE_HEAD_H
#define NODE_HTTP_PARSE_HEAD_H

#include "node/http/parse.h"

/* How many bytes at the start are characters of RFC 9110's `token`. */
size_t http_head_token_run(struct bytes s);

/* All of these take text without control characters, but for HT in fields, and return false when it is
 * refused: *why says why. Slices are of what was given. */

/* Method, target and version of a request line, without its CR LF, before the rest of the head has come:
 * sets r->method, r->target and r->http10. */
bool http_head_request_line(struct bytes line, struct http_request *r, struct http_refusal *why);
/* A field's line, without its CR LF and not empty. */
bool http_head_field(struct bytes line, struct http_header *out, struct http_refusal *why);

struct http_head {
	bool keep_alive;
	bool expect_continue;
	bool is_chunked;
	uint64_t body_bytes; /* when it is not chunked */
};

/* Completes `r` (target, path, query, host) from its target and fields. */
bool http_head_judge(struct http_request *r, size_t body_max_bytes, struct arena *a, struct http_head *out,
    struct http_refusal *why);

#endif
