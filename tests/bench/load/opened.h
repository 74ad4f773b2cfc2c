/* What an api node says of a session (POST /v1/sessions, heartbeat). Pure. */
#ifndef BENCH_LOAD_OPENED_H
#define BENCH_LOAD_OPENED_H

#include "tests/bench/load/counts.h"

struct opened {
	char *uri, *session;
	char node[COUNTS_NAME_MAX];
	enum load_outcome outcome;
	unsigned heartbeat_s; /* at least 1 */
};

/* ERR_INVALID: not what such an answer looks like. */
MUST_USE enum err opened_parse(struct bytes json, struct opened *out);
void opened_fini(struct opened *o);
/* The body that asks for a session of that content. */
void opened_request(const char *content, struct buf *out);

#endif
