/* The incremental parser of HTTP/1.x requests (RFC 9112). Pure: bytes in, one request out.
 *
 * A strict one: what could mean two things to two readers is refused, and the connection ended. Both
 * Transfer-Encoding and Content-Length, any second Content-Length, codings other than `chunked`, a body
 * on GET or HEAD, folded fields, bare CR or LF, other control characters, a name with a space, a missing
 * or second Host, what is neither HTTP/1.0 nor 1.1.
 *
 * Ownership: the request's slices point into the parser's buffers and live until the next
 * http_parse_reset; a target that had to be composed lives in the arena.
 */
#ifndef NODE_HTTP_PARSE_H
#define NODE_HTTP_PARSE_H

#include "node/http/http.h"
#include "node/http/parse_body.h"

enum { HTTP_FIELDS_MAX = 64, HTTP_EMPTY_LINES_MAX = 4 };

struct http_parse_limits {
	size_t request_line_bytes;
	size_t headers_bytes;
	size_t body_bytes;
};

/* Why a request is refused: what http_problem needs. Literals. */
struct http_refusal {
	int status;
	const char *type;
	const char *detail;
};

enum http_parse_result {
	HTTP_PARSE_MORE,
	HTTP_PARSE_HEAD,    /* told once, when a body follows: look at expect_continue, feed on */
	HTTP_PARSE_DONE,    /* `request` is complete */
	HTTP_PARSE_REFUSED, /* `refusal` says why */
};

/* Where a field lies in the head, whose memory moves while it grows. */
struct http_field_place {
	uint32_t name_at, name_n, value_at, value_n;
};

struct http_parse {
	struct http_parse_limits limits;
	struct http_request request;
	bool keep_alive;
	bool expect_continue;
	struct http_refusal refusal;

	/* the rest is the parser's own */
	unsigned phase;
	struct arena *arena;
	struct buf head;
	struct buf body;
	size_t line_at;    /* where the present line starts in `head` */
	size_t seen;       /* up to where it has been looked through */
	size_t headers_at; /* where the first field starts; 0: still in the request line */
	uint32_t target_at, target_n;
	unsigned empty_lines;
	bool after_cr; /* the one of an empty line before the request */
	struct http_field_place places[HTTP_FIELDS_MAX];
	struct http_header fields[HTTP_FIELDS_MAX];
	size_t fields_n;
	struct http_body framing;
	uint64_t body_raw_bytes; /* with the framing of chunks */
};

/* The arena is borrowed and lives longer than the parser. The struct must not be moved. */
void http_parse_init(struct http_parse *p, const struct http_parse_limits *limits, struct arena *arena);
void http_parse_fini(struct http_parse *p);
/* Ready for the next request; keeps buffers. The caller resets the arena. */
void http_parse_reset(struct http_parse *p);
/* *used says how many bytes were taken: on HTTP_PARSE_HEAD and HTTP_PARSE_DONE the rest is to be fed
 * again. Not to be called after HTTP_PARSE_DONE or HTTP_PARSE_REFUSED without a reset. */
enum http_parse_result http_parse_feed(struct http_parse *p, struct bytes in, size_t *used);
/* Has any byte of a request been seen (empty lines aside)? */
bool http_parse_started(const struct http_parse *p);

#endif
