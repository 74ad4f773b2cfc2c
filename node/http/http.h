/* HTTP as the rooms above see it: a protocol-neutral request, and a response that is a list of
 * parts. Nothing above the transport calls send or sendfile, so that TLS and HTTP/2 fit in below
 * without touching a handler.
 *
 * Threading: a worker is one libev loop on one thread; an exchange lives on its worker. A handler
 * may answer before it returns, or keep the exchange and answer later from the same thread.
 */
#ifndef NODE_HTTP_HTTP_H
#define NODE_HTTP_HTTP_H

#include "base/arena.h"
#include "base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

struct growing;
struct http_worker;
struct http_exchange;

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_PUT, HTTP_DELETE, HTTP_OPTIONS, HTTP_OTHER };

struct http_header {
	struct bytes name; /* as it came; compare with http_header_is */
	struct bytes value;
};

/* Everything in it lives as long as the exchange. */
struct http_request {
	enum http_method method;
	struct bytes target; /* origin-form, as it came */
	struct bytes path;   /* target before '?', percent-encoded as it came */
	struct bytes query;  /* target after '?', empty when there is none */
	const struct http_header *headers;
	size_t headers_n;
	struct bytes body;
	struct bytes host;        /* empty for an HTTP/1.0 request without one */
	const char *peer_address; /* the viewer's, as text without port */
	bool http10;
};

/* The first header of that name (case-insensitive), or BYTES_NONE. A present but empty one has p. */
struct bytes http_header(const struct http_request *r, const char *name);
bool http_header_is(struct bytes name, const char *expected);
/* Without regard to case. One of them is a constant of letters, digits, `-` and `/`, the other has no control
 * characters: of these, letters alone differ in the bit that tells their case. */
bool http_name_eq(struct bytes a, struct bytes b);

enum http_part_kind {
	HTTP_PART_BYTES,   /* copied by http_respond when `stable` is false */
	HTTP_PART_FILE,    /* fd, offset, length: whole file on disk, never changed (D5) */
	HTTP_PART_GROWING, /* offset, length of a file that is being filled */
	HTTP_PART_MORE,    /* the last one: `length` bytes of which the handler is asked, piece by piece */
};

struct http_part {
	enum http_part_kind kind;
	struct bytes bytes;
	bool stable; /* of bytes: they outlive the response (a literal, or until done()); else copied */
	int fd;      /* borrowed until done() */
	uint64_t
	    file; /* of HTTP_PART_FILE: a number that no other file has, whatever its descriptor; 0: unknown */
	struct growing *growing; /* a reference of its own is taken */
	uint64_t offset;
	uint64_t length;
	/* Of HTTP_PART_MORE: what stood before it is with the kernel, give the next by http_give, now or later.
	 * Not called again before that, nor after done(). */
	void (*more)(void *arg);
	void *more_arg;
};

#define HTTP_PACE_NONE UINT64_MAX

enum { HTTP_HEADERS_MAX = 24, HTTP_PARTS_MAX = 4 };

struct http_field {
	const char *name; /* literal */
	struct bytes value;
};

/* How a response ended, for accounting. */
struct http_end {
	uint64_t body_bytes_sent;
	bool whole; /* every byte was handed to the kernel */
};

struct http_response {
	int status;
	struct http_field fields[HTTP_HEADERS_MAX]; /* values are copied by http_respond */
	size_t fields_n;
	/* Literal lines, each with its CR LF, that are sent as they are: constants of nearly every answer. */
	const char *constant_fields;
	struct http_part parts[HTTP_PARTS_MAX]; /* the body; of a HEAD its length is told, nothing sent */
	size_t parts_n;
	/* A head made by http_prepare, sent in place of one from status and fields; copied. Only where
	 * http_takes_prepared says so. `status` is its status. */
	struct bytes head;
	/* How fast the connection is sent to at most, from then on; 0: as before. HTTP_PACE_NONE: no bound. */
	uint64_t pace_bytes_per_s;
	bool close; /* close the connection after it */
	/* Called once, on the worker, when the response is over, however it ends, never from
	 * inside of http_respond. May be NULL. */
	void (*done)(void *arg, const struct http_end *end);
	void *done_arg;
};

/* Adds a field; CHECKs against HTTP_HEADERS_MAX (a handler's set of fields is fixed by code). */
void http_add(struct http_response *r, const char *name, struct bytes value);

const struct http_request *http_request(const struct http_exchange *x);
/* Memory that lives as long as the exchange; bounded, NULL past the bound. */
struct arena *http_arena(struct http_exchange *x);
struct http_worker *http_worker_of(const struct http_exchange *x);

/* -- heads made ahead, for answers that are given many times a second -- */
/* Whether an answer given now may have one: to HTTP/1.1, on a connection that stays. */
bool http_takes_prepared(const struct http_exchange *x);
/* Appends the head that http_respond would make of `r` now for such an answer. It is good until the wall
 * clock's second ends: it has a Date. Check buf_err. */
void http_prepare(const struct http_exchange *x, const struct http_response *r, struct buf *out);

/* Hands the response to the transport, which adds Date, Content-Length and Connection. Once an
 * exchange. After the call the exchange must not be touched, but by http_give. No handler, gone() or done()
 * is called from inside of it. */
void http_respond(struct http_exchange *x, const struct http_response *r);
/* The next piece of a body that ends in HTTP_PART_MORE: a file or a growing file, of no more bytes than are
 * left. What it refers to has to outlive the next more(), or done(). NULL: there will be none, the connection
 * is reset. Only when more() has asked; done() is never called from inside of it. */
void http_give(struct http_exchange *x, const struct http_part *part);
/* Ends the exchange by resetting its connection (D1, D5): the viewer fails over at once. */
void http_reset(struct http_exchange *x);
/* Tells a handler that kept the exchange that the viewer is gone; the exchange is invalid after.
 * Called only before http_respond. One an exchange; NULL takes it back.
 *
 * Gone means that the connection was reset or the server stops. A viewer that only ended its sending
 * half (nc -N) still wants its answer, and looks the same as one that closed both until something is
 * sent to it: end of input therefore means "no more requests", not gone. */
void http_on_gone(struct http_exchange *x, void (*gone)(void *arg), void *arg);

/* A handler: answers `x`, now or later. `ctx` is the server's. */
typedef void http_handler(void *ctx, struct http_exchange *x);

/* -- problem details (RFC 9457) -- */

/* Answers application/problem+json with `Cache-Control: no-store` (D2) and the type
 * "urn:warmcast:problem:TYPE". retry_after_s 0 sends no Retry-After. CORS fields as http_add_cors. */
void http_problem(
    struct http_exchange *x, int status, const char *type, const char *detail, unsigned retry_after_s);
/* The same with one more field, of a status that demands it. */
void http_problem_with(struct http_exchange *x, int status, const char *type, const char *detail,
    const struct http_field *field);
/* The CORS answer fields of facts: any origin (`*` and never an echo: after a cross-origin redirect Origin is
 * null), exposed headers, Timing-Allow-Origin. */
#define HTTP_CORS_FIELDS                                                                      \
	"Access-Control-Allow-Origin: *\r\n"                                                      \
	"Access-Control-Expose-Headers: Age, Cache-Status, Content-Length, Content-Range, Date, " \
	"ETag, Retry-After\r\n"                                                                   \
	"Timing-Allow-Origin: *\r\n"
void http_add_cors(struct http_response *r);
/* Answers an OPTIONS preflight, 204. `methods` like "GET, HEAD, OPTIONS". */
void http_preflight(struct http_exchange *x, const char *methods);

#endif
