/* A thin skin around the http-parser library, whose header claims the names HTTP_GET and enum
 * http_method for itself and therefore stays in one file. Pure.
 *
 * The whole head of a request is given in one piece; the body in any pieces.
 */
#ifndef NODE_HTTP_PARSE_LIB_H
#define NODE_HTTP_PARSE_LIB_H

#include "base/bytes.h"

/* What the library finds, in order. A callback that returns false ends the parsing. */
struct parse_lib_events {
	void (*target)(void *arg, struct bytes target);
	bool (*name)(void *arg, struct bytes name);
	bool (*value)(void *arg, struct bytes value); /* may be empty; follows each name */
	bool (*head_done)(void *arg);
	bool (*body)(void *arg, struct bytes data);
};

struct parse_lib {
	_Alignas(8) unsigned char library[40]; /* its struct http_parser */
	const struct parse_lib_events *events;
	void *arg;
	bool in_body;
	bool done;
};

enum parse_lib_result {
	PARSE_LIB_MORE,
	PARSE_LIB_DONE,
	PARSE_LIB_STOPPED, /* by a callback */
	PARSE_LIB_BAD_METHOD,
	PARSE_LIB_BAD,
};

void parse_lib_init(struct parse_lib *l, const struct parse_lib_events *events, void *arg);
/* *used says how many of the bytes belong to this request. */
enum parse_lib_result parse_lib_feed(struct parse_lib *l, struct bytes in, size_t *used);

/* From head_done on. */
const char *parse_lib_method(const struct parse_lib *l);
unsigned parse_lib_major(const struct parse_lib *l);
unsigned parse_lib_minor(const struct parse_lib *l);
bool parse_lib_keep_alive(const struct parse_lib *l);

#endif
