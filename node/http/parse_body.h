/* Where a request's body ends, and which of the bytes are its own (RFC 9112, sections 6 and 7): as many
 * as Content-Length says, or chunks. Pure.
 *
 * Of chunks, extensions and trailers are looked through and dropped. Stricter than it has to be: each
 * line ends with CR LF, a size has at most 16 digits, no field is folded.
 */
#ifndef NODE_HTTP_PARSE_BODY_H
#define NODE_HTTP_PARSE_BODY_H

#include "base/bytes.h"

struct http_body {
	unsigned state;
	unsigned digits; /* of the present chunk's size */
	uint64_t left;   /* bytes of the body, or of the chunk, to come */
};

enum http_body_result {
	HTTP_BODY_MORE, /* all was framing */
	HTTP_BODY_DATA, /* *data is a piece of the body; more follows */
	HTTP_BODY_DONE, /* whole; *data is its last piece, maybe empty */
	HTTP_BODY_BAD,
};

/* n > 0 */
void http_body_of_length(struct http_body *b, uint64_t n);
void http_body_of_chunks(struct http_body *b);
/* Takes at most one piece; *used of the bytes were looked at. in.n > 0. Not after DONE or BAD. */
enum http_body_result http_body_take(struct http_body *b, struct bytes in, struct bytes *data, size_t *used);

#endif
