#include "node/metrics.h"

#include "base/check.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>

const struct histogram_bounds histogram_latency_us = { .per_unit = 1000000,
	.n = 16,
	.le = { 100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000,
	    5000000, 10000000 } };

static bool is_name(const char *s, bool colons)
{
	if (*s >= '0' && *s <= '9')
		return false;
	const char *c = s;
	for (; *c != '\0'; c++) {
		bool fine = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
		            *c == '_' || (colons && *c == ':');
		if (!fine)
			return false;
	}
	return c > s;
}

/* Backslash and line feed are escaped everywhere, quotes in label values. */
static void put_escaped(struct buf *out, struct bytes text, bool quotes)
{
	bool utf8 = text_is_utf8(text);
	for (size_t i = 0; i < text.n; i++) {
		uint8_t c = text.p[i];
		if (c == '\n')
			buf_put_str(out, "\\n");
		else if (c == '\\')
			buf_put_str(out, "\\\\");
		else if (c == '"' && quotes)
			buf_put_str(out, "\\\"");
		else if (c == 0 || (c >= 0x80 && !utf8))
			buf_put_u8(out, '?');
		else
			buf_put_u8(out, c);
	}
}

void metrics_family(struct buf *out, const char *name, enum metric_type type, const char *help)
{
	static const char *const words[] = { "counter", "gauge", "histogram" };
	CHECK(is_name(name, true));
	CHECK((type == METRIC_COUNTER) == bytes_ends_with(bytes_str(name), BYTES_LIT("_total")));
	buf_printf(out, "# HELP %s ", name);
	put_escaped(out, bytes_str(help), false);
	buf_printf(out, "\n# TYPE %s %s\n", name, words[type]);
}

static void put_label(struct buf *out, const char *before, const char *name, struct bytes value)
{
	CHECK(is_name(name, false));
	buf_printf(out, "%s%s=\"", before, name);
	put_escaped(out, value, true);
	buf_put_u8(out, '"');
}

/* Name and labels of a sample, with the space before its value; `le` is NULL or one label more. */
static void put_name(struct buf *out, const char *name, const char *suffix,
    const struct metric_label labels[], size_t labels_n, const char *le)
{
	CHECK(is_name(name, true));
	buf_printf(out, "%s%s", name, suffix);
	for (size_t i = 0; i < labels_n; i++)
		put_label(out, i == 0 ? "{" : ",", labels[i].name, labels[i].value);
	if (le != NULL)
		put_label(out, labels_n == 0 ? "{" : ",", "le", bytes_str(le));
	buf_put_str(out, labels_n > 0 || le != NULL ? "} " : " ");
}

void metrics_u64(
    struct buf *out, const char *name, const struct metric_label labels[], size_t labels_n, uint64_t value)
{
	put_name(out, name, "", labels, labels_n, NULL);
	buf_printf(out, "%" PRIu64 "\n", value);
}

static void put_double(struct buf *out, double value)
{
	if (__builtin_isnan(value))
		buf_put_str(out, "NaN\n");
	else if (__builtin_isinf(value))
		buf_put_str(out, value > 0 ? "+Inf\n" : "-Inf\n");
	else
		buf_printf(out, "%.15g\n", value);
}

void metrics_double(
    struct buf *out, const char *name, const struct metric_label labels[], size_t labels_n, double value)
{
	put_name(out, name, "", labels, labels_n, NULL);
	put_double(out, value);
}

void metrics_counter(struct buf *out, const char *name, const char *help, uint64_t value)
{
	metrics_family(out, name, METRIC_COUNTER, help);
	metrics_u64(out, name, NULL, 0, value);
}

void metrics_gauge(struct buf *out, const char *name, const char *help, uint64_t value)
{
	metrics_family(out, name, METRIC_GAUGE, help);
	metrics_u64(out, name, NULL, 0, value);
}

void histogram_init(struct histogram *h, const struct histogram_bounds *bounds)
{
	CHECK(bounds->n > 0 && bounds->n <= HISTOGRAM_BOUNDS_MAX && bounds->per_unit > 0);
	for (size_t i = 1; i < bounds->n; i++)
		CHECK(bounds->le[i - 1] < bounds->le[i]);
	h->bounds = bounds;
	atomic_init(&h->sum, 0);
	for (size_t i = 0; i <= HISTOGRAM_BOUNDS_MAX; i++)
		atomic_init(&h->counts[i], 0);
}

void histogram_observe(struct histogram *h, uint64_t value)
{
	size_t i = 0;
	while (i < h->bounds->n && value > h->bounds->le[i])
		i++;
	atomic_fetch_add_explicit(&h->counts[i], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&h->sum, value, memory_order_relaxed);
}

/* The count is the last bucket's as it was read here, so that both agree whatever others observe
 * meanwhile. */
void metrics_histogram(struct buf *out, const char *name, const struct metric_label labels[], size_t labels_n,
    const struct histogram *h)
{
	double per_unit = (double)h->bounds->per_unit;
	uint64_t total = 0;
	for (size_t i = 0; i <= h->bounds->n; i++) {
		char le[32] = "+Inf";
		if (i < h->bounds->n)
			snprintf(le, sizeof(le), "%.15g", (double)h->bounds->le[i] / per_unit);
		total += atomic_load_explicit(&h->counts[i], memory_order_relaxed);
		put_name(out, name, "_bucket", labels, labels_n, le);
		buf_printf(out, "%" PRIu64 "\n", total);
	}
	put_name(out, name, "_sum", labels, labels_n, NULL);
	put_double(out, (double)atomic_load_explicit(&h->sum, memory_order_relaxed) / per_unit);
	put_name(out, name, "_count", labels, labels_n, NULL);
	buf_printf(out, "%" PRIu64 "\n", total);
}
