/* The cluster falls into two halves that both go on writing, and grows together again. */
#include "base/check.h"
#include "scale.h"

#include <stdlib.h>

enum {
	APART_US = 30 * 1000 * 1000,
	QUIET_US = 20 * 1000 * 1000,
	PATIENCE_US = 120 * 1000 * 1000,
	LOOK_US = 20 * 1000,
	UPDATES = 200, /* of both halves together */
};

static bool all_alive(struct scale *s)
{
	for (size_t i = 0; i < s->o.nodes; i++)
		if (!scale_knows_all(s, i))
			return false;
	return true;
}

static bool is_whole(struct scale *s)
{
	return s->spread_n == s->updates_n && scale_all_equal(s) && all_alive(s);
}

/* In ms; < 0: not in time. */
static double mend(struct scale *s)
{
	uint64_t since_us = s->now_us;
	scale_join_halves(s);
	while (s->now_us < since_us + PATIENCE_US) {
		scale_run_until(s, s->now_us + LOOK_US);
		if (is_whole(s))
			return (double)(s->now_us - since_us) / 1000;
	}
	return -1;
}

void scale_halves(struct scale *s, struct scale_mending *m)
{
	double *ms = calloc(s->o.partitions + 1, sizeof(*ms));
	CHECK(ms != NULL);
	size_t mended = 0;
	uint64_t bytes = 0;
	m->rounds = s->o.partitions;
	m->updates = UPDATES;
	for (uint32_t i = 0; i < m->rounds; i++) {
		s->apart = true;
		scale_halve(s);
		scale_plan_writes(s, UPDATES, APART_US);
		scale_run_until(s, s->now_us + APART_US);
		scale_say(s, "has been in halves");
		struct scale_traffic then = s->sent, since;
		double took_ms = mend(s);
		scale_traffic_since(s, &then, &since);
		bytes += scale_traffic_bytes(&since);
		if (took_ms >= 0)
			ms[mended++] = took_ms;
		scale_say(s, took_ms >= 0 ? "is whole again" : "is not whole again");
		s->apart = false;
		scale_run_until(s, s->now_us + QUIET_US);
	}
	m->failed = m->rounds - (uint32_t)mended;
	qsort(ms, mended, sizeof(*ms), scale_by_size);
	if (mended > 0) {
		m->p50_ms = ms[mended / 2];
		m->max_ms = ms[mended - 1];
	}
	if (m->rounds > 0)
		m->bytes = (double)bytes / m->rounds / (double)s->o.nodes;
	free(ms);
}
