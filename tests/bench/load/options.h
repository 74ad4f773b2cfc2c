/* The command line. Pure: files are opened and names resolved by others. */
#ifndef BENCH_LOAD_OPTIONS_H
#define BENCH_LOAD_OPTIONS_H

#include "tests/bench/load/counts.h"
#include "tests/bench/load/popularity.h"

#include <stdio.h>

enum { OPTIONS_ERROR_MAX = 512 };

struct options {
	const char *apis[COUNTS_APIS]; /* HOST:PORT */
	size_t apis_n;
	double rate_s, duration_s; /* duration 0 with a trace: to its end */
	bool poisson;
	const char *trace; /* a file, instead of rate and popularity; NULL: none */
	struct popularity popularity;
	uint64_t seed;
	double pace; /* 1: real time; 0: nothing is played */
	double watch_s, linger_s, timeout_s;
	bool heartbeats, ends; /* heartbeats while playing; DELETE at the end */
	unsigned connections, viewers_max;
	bool json, help, version;
};

enum options_result { OPTIONS_FINE, OPTIONS_BAD };

/* OPTIONS_BAD: `error` is one line that says what is wrong. `help` and `version` win over what else is wrong
 * after them. */
enum options_result options_parse(int argc, char **argv, struct options *out, char error[OPTIONS_ERROR_MAX]);
void options_usage(FILE *out);

#endif
