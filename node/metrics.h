/* Metrics as Prometheus reads them: the text exposition format 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/).
 *
 *     metrics_family(out, "warmcast_sessions", METRIC_GAUGE, "Sessions that this node serves.");
 *     metrics_u64(out, "warmcast_sessions", NULL, 0, n);
 *
 * A family is written once, with its samples right behind it. Names are literals: a malformed one is a
 * bug and ends the process. Label values may be any bytes; no per-content label, whose number has no
 * bound. Errors are the buffer's. The writer is pure; a histogram is atomics only and may be observed by
 * any thread.
 */
#ifndef NODE_METRICS_H
#define NODE_METRICS_H

#include "base/bytes.h"

#include <stdatomic.h>

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric_label {
	const char *name;
	struct bytes value;
};

/* Counters end in _total. `help` is one sentence. */
void metrics_family(struct buf *out, const char *name, enum metric_type type, const char *help);
void metrics_u64(
    struct buf *out, const char *name, const struct metric_label labels[], size_t labels_n, uint64_t value);
void metrics_double(
    struct buf *out, const char *name, const struct metric_label labels[], size_t labels_n, double value);

/* Family and single sample without labels. */
void metrics_counter(struct buf *out, const char *name, const char *help, uint64_t value);
void metrics_gauge(struct buf *out, const char *name, const char *help, uint64_t value);

enum { HISTOGRAM_BOUNDS_MAX = 20 };

/* Upper bounds, rising, in the unit that is observed; `per_unit` of them make the unit that is written
 * (1000000 when microseconds are observed and seconds written). Static and constant. */
struct histogram_bounds {
	uint64_t per_unit;
	size_t n;
	uint64_t le[HISTOGRAM_BOUNDS_MAX];
};

/* 100 us to 10 s: requests. */
extern const struct histogram_bounds histogram_latency_us;

struct histogram {
	const struct histogram_bounds *bounds;
	_Atomic uint64_t sum;
	_Atomic uint64_t
	    counts[HISTOGRAM_BOUNDS_MAX + 1]; /* of each bucket alone; the last is above all bounds */
};

void histogram_init(struct histogram *h, const struct histogram_bounds *bounds);
void histogram_observe(struct histogram *h, uint64_t value);
/* The samples of one label set; "le" is added. */
void metrics_histogram(struct buf *out, const char *name, const struct metric_label labels[], size_t labels_n,
    const struct histogram *h);

#endif
