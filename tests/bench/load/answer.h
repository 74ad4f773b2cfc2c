/* The parser of one HTTP/1.x response after the other on a connection (RFC 9112), a skin around the
 * http-parser library. Pure: bytes in, status, Location and body out.
 */
#ifndef BENCH_LOAD_ANSWER_H
#define BENCH_LOAD_ANSWER_H

#include "tests/bench/load/uri.h"

enum answer_result { ANSWER_MORE, ANSWER_DONE, ANSWER_BAD };

struct answer {
	_Alignas(8) unsigned char library[40]; /* its struct http_parser */
	void (*body)(void *arg, struct bytes data);
	void *arg;
	char name[16]; /* the present field's; longer ones are none that we look for */
	size_t name_n;
	bool in_value, head_done, done;
	unsigned status;
	bool keep_alive;
	char location[URI_MAX];
	size_t location_n; /* URI_MAX: it was too long */
};

/* Also before the next response. `body` gets its pieces as they come. */
void answer_init(struct answer *a, void (*body)(void *arg, struct bytes data), void *arg);
/* *used: how many bytes belong to this response. Interim responses (1xx) are passed over. */
enum answer_result answer_feed(struct answer *a, struct bytes in, size_t *used);
/* The connection was closed: DONE when that is how this response ends. */
enum answer_result answer_eof(struct answer *a);

#endif
