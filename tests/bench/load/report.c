#include "tests/bench/load/report.h"

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
	buf_printf(
	    out, "  %-22s %" PRIu64 " heartbeats, %" PRIu64 " deleted\n", "sessions", c->heartbeats, c->deleted);
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

static void json_string(struct buf *out, const char *text)
{
	buf_put_u8(out, '"');
	for (const char *p = text; *p != '\0'; p++) {
		if ((unsigned char)*p < 0x20)
			buf_printf(out, "\\u%04x", (unsigned)*p);
		else if (*p == '"' || *p == '\\')
			buf_printf(out, "\\%c", *p);
		else
			buf_put_u8(out, (uint8_t)*p);
	}
	buf_put_u8(out, '"');
}

static void json_latency(struct buf *out, const char *name, const struct latency *l)
{
	buf_printf(out, "\"%s\":{", name);
	for (size_t i = 0; i < PERCENTILES; i++)
		buf_printf(out, "\"%s\":%.3f,", percentiles[i].name, ms_of(latency_at(l, percentiles[i].per_mille)));
	buf_printf(out, "\"max\":%.3f,\"mean\":%.3f,\"n\":%" PRIu64 "},", ms_of(l->max_us),
	    ms_of(latency_mean(l)), l->n);
}

static void json_failure(struct buf *out, const char *step, const char *kind, unsigned status, uint64_t n)
{
	if (out->n > 0 && out->p[out->n - 1] == '}')
		buf_put_u8(out, ',');
	buf_printf(out, "{\"during\":\"%s\",\"kind\":\"%s\",", step, kind);
	if (status > 0)
		buf_printf(out, "\"status\":%u,", status);
	buf_printf(out, "\"count\":%" PRIu64 "}", n);
}

static void json_sessions(const struct counts *c, struct buf *out)
{
	buf_printf(out,
	    "\"elapsed_s\":%.3f,\"opening_s\":%.3f,\"wanted\":%" PRIu64 ",\"created\":%" PRIu64
	    ",\"failed\":%" PRIu64 ",\"refused\":%" PRIu64 ",\"created_s\":%.1f,",
	    seconds_of(c->elapsed_ns), seconds_of(c->opening_ns), c->scheduled, c->created, c->failed, c->refused,
	    rate_of(c->created, c->opening_ns));
	buf_printf(out, "\"outcomes\":{\"warm\":%" PRIu64 ",\"spill\":%" PRIu64 ",\"cold\":%" PRIu64 "},",
	    c->outcomes[OUTCOME_WARM], c->outcomes[OUTCOME_SPILL], c->outcomes[OUTCOME_COLD]);
	buf_printf(out, "\"warm_ratio\":%.4f,", ratio(c->outcomes[OUTCOME_WARM], c->created));
}

static void json_media(const struct counts *c, struct buf *out)
{
	buf_printf(out,
	    "\"segments\":%" PRIu64 ",\"playlists\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"late_segments\":%" PRIu64
	    ",\"redirects\":%" PRIu64 ",\"moves\":%" PRIu64 ",",
	    c->segments, c->playlists, c->bytes, c->late_segments, c->redirects, c->moves);
	buf_printf(out,
	    "\"heartbeats\":%" PRIu64 ",\"deleted\":%" PRIu64 ",\"ended\":%" PRIu64 ",\"gave_up\":%" PRIu64
	    ",\"cut_off\":%" PRIu64 ",\"most_at_once\":%" PRIu64 ",",
	    c->heartbeats, c->deleted, c->ended, c->gave_up, c->cut_off, c->most_at_once);
}

void report_json(const struct counts *c, struct buf *out)
{
	buf_put_u8(out, '{');
	json_sessions(c, out);
	json_latency(out, "creation_ms", &c->creation);
	json_latency(out, "first_byte_ms", &c->first_byte);
	json_latency(out, "lag_ms", &c->lag);
	json_media(c, out);
	buf_put_str(out, "\"apis\":[");
	for (size_t i = 0; i < c->apis_n; i++) {
		buf_put_str(out, i > 0 ? ",{\"address\":" : "{\"address\":");
		json_string(out, c->apis[i].address);
		buf_printf(out, ",\"asked\":%" PRIu64 ",\"created\":%" PRIu64 ",\"failed\":%" PRIu64 "}",
		    c->apis[i].asked, c->apis[i].created, c->apis[i].failed);
	}
	buf_put_str(out, "],\"nodes\":{");
	for (size_t i = 0; i < c->nodes_n; i++) {
		if (i > 0)
			buf_put_u8(out, ',');
		json_string(out, c->nodes[i].name);
		buf_printf(out, ":%" PRIu64, c->nodes[i].created);
	}
	buf_put_str(out, "},\"errors\":[");
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
