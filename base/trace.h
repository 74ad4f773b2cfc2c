/* The last things a core did: a fixed ring of small records, cheap enough to stay on. A failing
 * simulation prints it, and a CHECK that fails dumps it to stderr (trace_dump_on_panic).
 *
 * `what` must be a string literal: only the pointer is kept. Not thread-safe: one core, one ring.
 */
#ifndef BASE_TRACE_H
#define BASE_TRACE_H

#include <stdint.h>

enum { TRACE_RECORDS = 256 };

struct trace_record {
	uint64_t now_ms;
	const char *what;
	uint64_t a, b, c;
};

struct trace {
	const char *name; /* literal: whose ring */
	uint64_t count;   /* records ever written */
	struct trace_record ring[TRACE_RECORDS];
};

void trace_init(struct trace *t, const char *name);
void trace_add(struct trace *t, uint64_t now_ms, const char *what, uint64_t a, uint64_t b, uint64_t c);
/* Calls `line` for each kept record, oldest first. */
void trace_each(const struct trace *t, void (*line)(void *arg, const struct trace_record *r), void *arg);
/* This ring is written to stderr when a CHECK fails; NULL ends that. One ring a process. */
void trace_dump_on_panic(const struct trace *t);

#endif
