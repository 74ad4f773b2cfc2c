/* A thin skin around the http-parser library, whose header claims the names HTTP_GET and enum
 * http_method for itself and therefore stays in one file. It frames the bodies of requests. Pure.
 *
 * The whole head of a request is given in one piece; the body in any pieces.
 */
#ifndef NODE_HTTP_PARSE_LIB_H
#define NODE_HTTP_PARSE_LIB_H

#include "base/bytes.h"

struct parse_lib {
	_Alignas(8) unsigned char library[40]; /* its struct http_parser */
	bool (*body)(void *arg, struct bytes data);
	void *arg;
	bool in_body;
	bool done;
};

enum parse_lib_result {
	PARSE_LIB_MORE,
	PARSE_LIB_DONE,
	PARSE_LIB_STOPPED, /* by `body` */
	PARSE_LIB_BAD,
};

/* `body` gets its pieces in order; false ends the parsing. */
void parse_lib_init(struct parse_lib *l, bool (*body)(void *arg, struct bytes data), void *arg);
/* *used says how many of the bytes belong to this request. */
enum parse_lib_result parse_lib_feed(struct parse_lib *l, struct bytes in, size_t *used);

/* Whether there is a method of that name in any registry that the library knows. */
bool parse_lib_knows_method(struct bytes name);

#endif
