/* Reads a trace of viewers (arrivals.h) line by line. */
#ifndef BENCH_LOAD_FS_TRACE_H
#define BENCH_LOAD_FS_TRACE_H

#include "tests/bench/load/arrivals.h"

#include <stdio.h>

enum { TRACE_ERROR_MAX = 256 };

struct trace_file {
	FILE *file;
	const char *path; /* borrowed */
	uint64_t line, last_ns;
	char *text; /* getline's */
	size_t cap;
};

/* False with one line in `error`. */
bool trace_open(struct trace_file *t, const char *path, char error[TRACE_ERROR_MAX]);
void trace_close(struct trace_file *t);
enum trace_result { TRACE_LINE, TRACE_END, TRACE_BAD };
/* The next viewer; TRACE_BAD with one line in `error`. Times must not go back. */
enum trace_result trace_next(struct trace_file *t, struct trace_line *out, char error[TRACE_ERROR_MAX]);

#endif
