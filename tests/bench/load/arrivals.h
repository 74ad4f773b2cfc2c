/* When viewers come: evenly, at random (Poisson), or as a trace says. Pure; trace files are read by fs_trace.
 *
 * Open loop: whether earlier viewers were answered has no part in it, so that a slow server meets the same
 * load as a fast one, and waiting is counted (no coordinated omission).
 */
#ifndef BENCH_LOAD_ARRIVALS_H
#define BENCH_LOAD_ARRIVALS_H

#include "tests/bench/load/popularity.h"

struct arrivals {
	double rate_s; /* > 0 */
	bool poisson;
	struct prng prng;
	uint64_t n;     /* so far */
	double next_ns; /* of the next one, since the start */
};

void arrivals_init(struct arrivals *a, double rate_s, bool poisson, uint64_t seed);
/* Since the start. */
uint64_t arrivals_next(struct arrivals *a);

/* A line of a trace: `seconds content`, with blanks or tabs between. */
struct trace_line {
	uint64_t at_ns;
	char content[CONTENT_MAX + 1];
};

/* ERR_NOT_FOUND: a blank line, or one that starts with #. ERR_INVALID; ERR_TOO_BIG: the content's name. */
MUST_USE enum err trace_line_parse(struct bytes line, struct trace_line *out);

#endif
