/* How long many things took: a histogram of log-linear buckets, 64 to a power of two, so that a percentile is
 * less than 1.6 % too high, in 16 kB however many values it takes. After HdrHistogram (Tene). Pure.
 */
#ifndef BENCH_LOAD_LATENCY_H
#define BENCH_LOAD_LATENCY_H

#include <stddef.h>
#include <stdint.h>

enum {
	LATENCY_SUB_BITS = 6,
	LATENCY_MAX_BITS = 36, /* longer ones count as 2^36 us, 19 hours */
	LATENCY_BUCKETS = (LATENCY_MAX_BITS - LATENCY_SUB_BITS + 1) << LATENCY_SUB_BITS,
};

struct latency {
	uint64_t buckets[LATENCY_BUCKETS];
	uint64_t n, sum_us, max_us;
};

/* All zero is an empty one. */
void latency_add(struct latency *l, uint64_t us);
/* What `per_mille` of a thousand values do not exceed; 0 when there is none. */
uint64_t latency_at(const struct latency *l, unsigned per_mille);
uint64_t latency_mean(const struct latency *l);

#endif
