#include "tests/bench/load/report.h"

#include "node/json_text.h"

#include <inttypes.h>

#define X(name, text) text,
static const char *const step_names[] = { LOAD_STEP_TABLE(X) };
static const char *const failure_names[] = { LOAD_FAILURE_TABLE(X) };
#undef X

static const struct {
	const char *name;
	unsigned per_mille;
} percentiles[] = { { "p50", 500 }, { "p90", 900 }, { "p99", 990 }, { "p999", 999 } };

enum { PERCENTILES = sizeof(percentiles) / sizeof(percentiles[0]) };

static double ms_of(uint64_t us)
{
	return (double)us / 1000;
}

static double seconds_of(uint64_t ns)
{
	return (double)ns / 1e9;
}

static double ratio(uint64_t part, uint64_t whole)
{
	return whole > 0 ? (double)part / (double)whole : 0;
}

static double rate_of(uint64_t n, uint64_t ns)
{
	return ns > 0 ? (double)n / seconds_of(ns) : 0;
}

/* Calls `put` for each kind of failure that was seen. */
static void each_failure(const struct counts *c, struct buf *out,
    void (*put)(struct buf *out, const char *step, const char *kind, unsigned status, uint64_t n))
{
	for (size_t s = 0; s < LOAD_STEPS; s++) {
		for (size_t f = 0; f < LOAD_FAILURES; f++)
			if (c->failures[s][f] > 0 && f != FAIL_STATUS)
				put(out, step_names[s], failure_names[f], 0, c->failures[s][f]);
		for (unsigned i = 0; i < COUNTS_STATUSES; i++)
			if (c->statuses[s][i] > 0)
				put(out, step_names[s], failure_names[FAIL_STATUS], i, c->statuses[s][i]);
	}
}

/* -- text -- */

static void text_latency(struct buf *out, const char *name, const struct latency *l)
{
	buf_printf(out, "  %-22s", name);
	for (size_t i = 0; i < PERCENTILES; i++)
		buf_printf(out, " %s %.2f", percentiles[i].name, ms_of(latency_at(l, percentiles[i].per_mille)));
	buf_printf(out, " max %.2f\n", ms_of(l->max_us));
}

static void text_failure(struct buf *out, const char *step, const char *kind, unsigned status, uint64_t n)
{
	if (status > 0)
		buf_printf(out, "  %-22s %s %u: %" PRIu64 "\n", step, kind, status, n);
	else
		buf_printf(out, "  %-22s %s: %" PRIu64 "\n", step, kind, n);
}

static void text_places(const struct counts *c, struct buf *out)
{
	buf_put_str(out, "api\n");
	for (size_t i = 0; i < c->apis_n; i++)
		buf_printf(out, "  %-22s %" PRIu64 " asked, %" PRIu64 " created, %" PRIu64 " failed\n",
		    c->apis[i].address, c->apis[i].asked, c->apis[i].created, c->apis[i].failed);
	buf_put_str(out, "delivery\n");
	for (size_t i = 0; i < c->nodes_n; i++)
		buf_printf(out, "  %-22s %" PRIu64 " sessions (%.1f %%)\n", c->nodes[i].name, c->nodes[i].created,
		    100 * ratio(c->nodes[i].created, c->created));
	if (c->nodes[COUNTS_NODES].created > 0)
		buf_printf(out, "  %-22s %" PRIu64 " sessions\n", "all others", c->nodes[COUNTS_NODES].created);
}

static void text_media(const struct counts *c, struct buf *out)
{
	buf_printf(out, "played\n  %-22s %" PRIu64 " segments, %" PRIu64 " playlists, %.1f MB, %.1f Mbit/s\n",
	    "fetched", c->segments, c->playlists, (double)c->bytes / 1e6,
	    rate_of(c->bytes, c->elapsed_ns) * 8 / 1e6);
	buf_printf(out, "  %-22s %" PRIu64 " too late, %" PRIu64 " redirects, %" PRIu64 " moves\n", "of them",
	    c->late_segments, c->redirects, c->moves);
	buf_printf(out,
	    "  %-22s %" PRIu64 " to the end, %" PRIu64 " gave up, %" PRIu64 " cut off; at most %" PRIu64
	    " at once\n",
	    "viewers", c->ended, c->gave_up, c->cut_off, c->most_at_once);
	buf_printf(out, "  %-22s %" PRIu64 " heartbeats, %" PRIu64 " deleted, %" PRIu64 " requests asked again\n",
	    "sessions", c->heartbeats, c->deleted, c->asked_again);
}

void report_text(const struct counts *c, struct buf *out)
{
	buf_printf(out, "sessions\n  %-22s %" PRIu64 " in %.1f s, %.1f/s\n", "wanted", c->scheduled,
	    seconds_of(c->opening_ns), rate_of(c->scheduled, c->opening_ns));
	buf_printf(
	    out, "  %-22s %" PRIu64 ", %.1f/s\n", "created", c->created, rate_of(c->created, c->opening_ns));
	buf_printf(out, "  %-22s %" PRIu64 " warm (%.1f %%), %" PRIu64 " spill, %" PRIu64 " cold\n", "outcomes",
	    c->outcomes[OUTCOME_WARM], 100 * ratio(c->outcomes[OUTCOME_WARM], c->created),
	    c->outcomes[OUTCOME_SPILL], c->outcomes[OUTCOME_COLD]);
	buf_printf(out, "  %-22s %" PRIu64 ", of them refused for want of room %" PRIu64 "\n", "failed",
	    c->failed, c->refused);
	buf_put_str(out, "milliseconds\n");
	text_latency(out, "creation", &c->creation);
	if (c->first_byte.n > 0)
		text_latency(out, "segment's first byte", &c->first_byte);
	text_latency(out, "own lateness", &c->lag);
	text_places(c, out);
	if (c->playlists > 0 || c->heartbeats > 0 || c->deleted > 0 || c->gave_up > 0)
		text_media(c, out);
	size_t before = out->n;
	buf_put_str(out, "failures\n");
	size_t empty = out->n;
	each_failure(c, out, text_failure);
	if (out->n == empty)
		out->n = before;
}

/* -- JSON -- */

static void json_u64(struct buf *out, const char *key, uint64_t n)
{
	json_put_key(out, key);
	buf_printf(out, "%" PRIu64, n);
}

static void json_real(struct buf *out, const char *key, double x)
{
	json_put_key(out, key);
	buf_printf(out, "%.4f", x);
}

static void json_text(struct buf *out, const char *key, const char *text)
{
	json_put_key(out, key);
	json_put_string(out, bytes_str(text));
}

static void json_open(struct buf *out, const char *key, char bracket)
{
	json_put_key(out, key);
	buf_put_u8(out, (uint8_t)bracket);
}

static void json_latency(struct buf *out, const char *key, const struct latency *l)
{
	json_open(out, key, '{');
	for (size_t i = 0; i < PERCENTILES; i++)
		json_real(out, percentiles[i].name, ms_of(latency_at(l, percentiles[i].per_mille)));
	json_real(out, "max", ms_of(l->max_us));
	json_real(out, "mean", ms_of(latency_mean(l)));
	json_u64(out, "n", l->n);
	buf_put_u8(out, '}');
}

static void json_failure(struct buf *out, const char *step, const char *kind, unsigned status, uint64_t n)
{
	json_put_next(out);
	buf_put_u8(out, '{');
	json_text(out, "during", step);
	json_text(out, "kind", kind);
	if (status > 0)
		json_u64(out, "status", status);
	json_u64(out, "count", n);
	buf_put_u8(out, '}');
}

static void json_sessions(const struct counts *c, struct buf *out)
{
	json_real(out, "elapsed_s", seconds_of(c->elapsed_ns));
	json_real(out, "opening_s", seconds_of(c->opening_ns));
	json_u64(out, "wanted", c->scheduled);
	json_u64(out, "created", c->created);
	json_u64(out, "failed", c->failed);
	json_u64(out, "refused", c->refused);
	json_real(out, "created_per_s", rate_of(c->created, c->opening_ns));
	json_open(out, "outcomes", '{');
	json_u64(out, "warm", c->outcomes[OUTCOME_WARM]);
	json_u64(out, "spill", c->outcomes[OUTCOME_SPILL]);
	json_u64(out, "cold", c->outcomes[OUTCOME_COLD]);
	buf_put_u8(out, '}');
	json_real(out, "warm_ratio", ratio(c->outcomes[OUTCOME_WARM], c->created));
	json_latency(out, "creation_ms", &c->creation);
	json_latency(out, "first_byte_ms", &c->first_byte);
	json_latency(out, "lag_ms", &c->lag);
}

static void json_media(const struct counts *c, struct buf *out)
{
	json_u64(out, "segments", c->segments);
	json_u64(out, "late_segments", c->late_segments);
	json_u64(out, "playlists", c->playlists);
	json_u64(out, "bytes", c->bytes);
	json_u64(out, "redirects", c->redirects);
	json_u64(out, "moves", c->moves);
	json_u64(out, "heartbeats", c->heartbeats);
	json_u64(out, "deleted", c->deleted);
	json_u64(out, "ended", c->ended);
	json_u64(out, "gave_up", c->gave_up);
	json_u64(out, "cut_off", c->cut_off);
	json_u64(out, "most_at_once", c->most_at_once);
	json_u64(out, "asked_again", c->asked_again);
}

static void json_places(const struct counts *c, struct buf *out)
{
	json_open(out, "apis", '[');
	for (size_t i = 0; i < c->apis_n; i++) {
		json_put_next(out);
		buf_put_u8(out, '{');
		json_text(out, "address", c->apis[i].address);
		json_u64(out, "asked", c->apis[i].asked);
		json_u64(out, "created", c->apis[i].created);
		json_u64(out, "failed", c->apis[i].failed);
		buf_put_u8(out, '}');
	}
	buf_put_u8(out, ']');
	json_open(out, "nodes", '{');
	for (size_t i = 0; i < c->nodes_n; i++)
		json_u64(out, c->nodes[i].name, c->nodes[i].created);
	if (c->nodes[COUNTS_NODES].created > 0)
		json_u64(out, "(others)", c->nodes[COUNTS_NODES].created);
	buf_put_u8(out, '}');
}

void report_json(const struct counts *c, struct buf *out)
{
	buf_put_u8(out, '{');
	json_sessions(c, out);
	json_media(c, out);
	json_places(c, out);
	json_open(out, "errors", '[');
	each_failure(c, out, json_failure);
	buf_put_str(out, "]}\n");
}

/* -- progress -- */

void report_progress(const struct counts *c, uint64_t now_ns, uint64_t rate_s, struct buf *out)
{
	buf_printf(out,
	    "%.0f s  %" PRIu64 "/s  created %" PRIu64 " (%.1f %% warm)  failed %" PRIu64 "  viewers %" PRIu64
	    "  creation p99 %.1f ms",
	    seconds_of(now_ns), rate_s, c->created, 100 * ratio(c->outcomes[OUTCOME_WARM], c->created), c->failed,
	    c->at_once, ms_of(latency_at(&c->creation, 990)));
	if (c->gave_up > 0)
		buf_printf(out, "  gave up %" PRIu64, c->gave_up);
}
