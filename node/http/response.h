/* The head of a response as text (RFC 9112). Pure.
 */
#ifndef NODE_HTTP_RESPONSE_H
#define NODE_HTTP_RESPONSE_H

#include "node/http/http.h"

/* The reason phrase; "Unknown" for a status without one. */
const char *http_status_reason(int status);

/* The length of the body: that of all parts. */
uint64_t http_response_length(const struct http_response *r);

/* Does a response to that method carry a body on the wire? Not for HEAD, 204 and 304. */
bool http_response_has_body(enum http_method method, int status);

struct http_head_options {
	enum http_method method;
	bool http10;
	bool close;       /* the connection ends with this response */
	const char *date; /* of http_date_format; made once a second, not once a response */
};

/* Appends status line, Date, Content-Length, Connection, the response's fields and the empty line.
 * A field value with a control character is a bug of a handler that let it through and is left out,
 * so that nobody splits a response. Check buf_err. */
void http_response_head(struct buf *out, const struct http_response *r, const struct http_head_options *o);

#endif
