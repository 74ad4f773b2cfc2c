/* The parser's judgement of a request's head: every refusal that needs no state. Pure.
 */
#ifndef NODE_HTTP_PARSE_HEAD_H
#define NODE_HTTP_PARSE_HEAD_H

#include "node/http/parse.h"

/* No control character other than HT, and CR and LF (whose places the caller checks): a CR only at
 * the end or before LF. */
bool http_head_is_clean(struct bytes part);
/* One or more of the characters of RFC 9110's `token`. */
bool http_head_is_token(struct bytes s);

/* Without the spaces and tabs around it. */
struct bytes http_head_trim(struct bytes s);

/* Looks at a request line, without its CR LF, before the rest of the head has come: method, target
 * and version in their places, version 1.x. */
bool http_head_request_line(struct bytes line, struct http_refusal *why);

/* Takes a request line apart that http_head_request_line has passed. */
struct http_line {
	struct bytes method, target;
	bool http10;
};
struct http_line http_head_line(struct bytes line);

struct http_head {
	struct bytes method;
	size_t body_max_bytes;
	/* set by http_head_judge */
	bool expect_continue;
	bool has_body;
	bool keep_alive;
};

/* Completes `r` (method, path, query, host) from its target, version and fields. False: *why says why not. */
bool http_head_judge(
    struct http_request *r, struct http_head *head, struct arena *a, struct http_refusal *why);

#endif
