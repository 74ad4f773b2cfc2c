/* Counts as text for people, as JSON, and as one line of progress. Pure. */
#ifndef BENCH_LOAD_REPORT_H
#define BENCH_LOAD_REPORT_H

#include "tests/bench/load/counts.h"

void report_text(const struct counts *c, struct buf *out);
/* One object, one line. */
void report_json(const struct counts *c, struct buf *out);
/* No newline. `rate_s`: creations in the last second. */
void report_progress(const struct counts *c, uint64_t now_ns, uint64_t rate_s, struct buf *out);

#endif
