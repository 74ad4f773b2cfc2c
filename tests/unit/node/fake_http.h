/* An exchange without a connection: a request goes in, the answer is recorded. Defines what node/http/http.h
 * declares of exchanges; the pure files of node_http (fields, problems, paths) are the real ones.
 */
#ifndef TESTS_UNIT_NODE_FAKE_HTTP_H
#define TESTS_UNIT_NODE_FAKE_HTTP_H

#include "node/http/http.h"

enum { FAKE_HEADERS_MAX = 4 };

struct http_exchange {
	struct http_request request;
	struct http_header headers[FAKE_HEADERS_MAX];
	struct arena arena;
	int answers; /* how often it was answered: must be 1 */
	int status;
	char *fields; /* "Name: value\n" ... */
	char *body;
	size_t body_n;
};

/* `path` and `body` are borrowed. */
void fake_exchange_init(struct http_exchange *x, enum http_method m, const char *path, const char *body);
void fake_exchange_header(struct http_exchange *x, const char *name, const char *value);
void fake_exchange_fini(struct http_exchange *x);
/* The value of the answer's only field of that name, or NULL; lives as long as the exchange. */
const char *fake_field(struct http_exchange *x, const char *name);

#endif
