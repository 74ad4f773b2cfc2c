/* A run: viewers come as arrivals or a trace say, and are waited for. */
#ifndef BENCH_LOAD_EV_LOAD_H
#define BENCH_LOAD_EV_LOAD_H

#include "tests/bench/load/counts.h"
#include "tests/bench/load/options.h"

enum { LOAD_ERROR_MAX = 512 };

/* Blocks until the run is over. False with one line in `error`: it could not begin, or the trace broke off;
 * the counts are of what was done. */
bool load_run(const struct options *o, struct counts *c, char error[LOAD_ERROR_MAX]);

#endif
