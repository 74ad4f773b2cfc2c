/* What is done to a cluster, in order, and what is measured meanwhile. */
#include "base/check.h"
#include "scale.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	SECOND_US = 1000 * 1000,
	LOOK_US = 100 * 1000,
	READY_WITHIN_US = 5 * SECOND_US,
	SETTLE_US = 25 * SECOND_US, /* of which the nodes become ready in the first */
	LINKED_US = 11 * SECOND_US, /* of a settled cluster, until links are no longer new */
	WARM_UP_US = 3 * SECOND_US, /* of a settled cluster: the trees grow with the first writes */
	WARM_UP_WRITES = 200,
	DRAIN_US = 2 * SECOND_US, /* after the last write; what is sent then still counts for the writes */
	QUIET_US = 5 * SECOND_US,
	SETTLED_QUIET_US = 2 * SECOND_US,
	SLACK_US = 125 * 1000, /* half of the time between heartbeats */
	PATIENCE_US = 120 * SECOND_US,
	BOOT_EACH_US = 10 * 1000,
	TCP_HEADERS = 52, /* IPv4 and TCP with timestamps */
};

void scale_say(const struct scale *s, const char *phase)
{
	if (s->o.verbose)
		fprintf(stderr, "%6zu nodes at %8.1f s, %12" PRIu64 " steps: %s\n", s->o.nodes,
		    (double)s->now_us / 1e6, s->steps, phase);
}

/* Until it holds, looked at every now and then; false: it does not in time. */
static bool wait_until(struct scale *s, bool (*holds)(struct scale *s))
{
	for (uint64_t end_us = s->now_us + PATIENCE_US; s->now_us < end_us;) {
		scale_run_until(s, s->now_us + LOOK_US);
		if (holds(s))
			return true;
	}
	return false;
}

/* -- boot -- */

static bool all_know_all(struct scale *s)
{
	for (size_t i = 0; i < s->o.nodes; i++) {
		if (!s->nodes[i].told)
			s->nodes[i].told = scale_knows_all(s, i);
		if (!s->nodes[i].told)
			return false;
	}
	return true;
}

static bool boot(struct scale *s, struct scale_report *r)
{
	if (s->o.settled) {
		scale_settled(s);
		scale_say(s, "all begin");
		return r->booted = true;
	}
	uint64_t within_us = s->o.nodes * (uint64_t)BOOT_EACH_US;
	if (within_us < SECOND_US)
		within_us = SECOND_US;
	for (size_t i = 0; i < s->o.nodes; i++)
		scale_push(s, i < SCALE_SEEDS ? 0 : scale_between(s, 1, within_us), SCALE_BOOT, i);
	scale_run_until(s, within_us);
	scale_say(s, "all have started");
	r->booted = wait_until(s, all_know_all);
	r->boot_ms = (double)(s->now_us - within_us) / 1000;
	scale_say(s, r->booted ? "all know all" : "not all know all");
	return r->booted;
}

/* -- idle -- */

/* While nothing is timed by it. */
static void run_lazily(struct scale *s, uint64_t us)
{
	s->slack_us = s->o.settled ? SLACK_US : 0;
	scale_run_until(s, s->now_us + us);
	s->slack_us = 0;
}

static void be_quiet(struct scale *s)
{
	run_lazily(s, s->o.settled ? SETTLED_QUIET_US : QUIET_US);
}

static void idle(struct scale *s, struct scale_report *r)
{
	for (size_t i = 0; !s->o.settled && i < s->o.nodes; i++)
		scale_push(s, scale_between(s, 0, READY_WITHIN_US), SCALE_STATE, i);
	run_lazily(s, s->o.settled ? LINKED_US : SETTLE_US);
	scale_say(s, "settled");
	struct scale_traffic then = s->sent;
	run_lazily(s, s->o.idle_ms * (uint64_t)1000);
	scale_traffic_since(s, &then, &r->idle);
	double node_seconds = (double)s->o.idle_ms / 1000 * (double)s->o.nodes;
	r->idle_bytes = (double)scale_traffic_bytes(&r->idle) / node_seconds;
	r->idle_tcp_bytes = r->idle_bytes + TCP_HEADERS * (double)scale_traffic_frames(&r->idle) / node_seconds;
	size_t links = 0;
	for (size_t i = 0; i < s->o.nodes; i++)
		links += s->nodes[i].peers_n;
	r->links = (double)links / (double)s->o.nodes;
	scale_say(s, "has idled");
}

/* -- writes -- */

void scale_plan_writes(struct scale *s, size_t n, uint64_t within_us)
{
	size_t writers = s->o.settled && s->o.nodes > SCALE_WRITERS ? SCALE_WRITERS : s->o.nodes;
	s->updates = scale_grow(s->updates, &s->updates_cap, s->updates_n + n, sizeof(*s->updates));
	for (size_t i = 0; i < n; i++) {
		struct scale_update *u = &s->updates[s->updates_n];
		*u = (struct scale_update){ .owner = prng_below(&s->prng, writers) };
		u->known = calloc(s->o.nodes / 64 + 1, sizeof(*u->known));
		CHECK(u->known != NULL);
		uint64_t at_us = prng_below(&s->prng, within_us);
		scale_push(s, at_us, SCALE_WRITE, u->owner)->number = s->updates_n++;
	}
}

static bool all_spread(struct scale *s)
{
	return s->spread_n == s->updates_n;
}

int scale_by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

static void sum_up(const struct scale *s, size_t first, struct scale_spread *w)
{
	double *ms = calloc(s->updates_n - first + 1, sizeof(*ms));
	CHECK(ms != NULL);
	size_t n = 0;
	uint64_t copies = 0;
	for (size_t i = first; i < s->updates_n; i++) {
		const struct scale_update *u = &s->updates[i];
		copies += u->copies;
		if (u->known_n == s->living_n)
			ms[n++] = (double)(u->last_us - u->at_us) / 1000;
	}
	qsort(ms, n, sizeof(*ms), scale_by_size);
	w->updates = s->updates_n - first;
	w->missing = w->updates - n;
	w->copies = (double)copies / (double)w->updates / (double)(s->o.nodes - 1);
	if (n > 0) {
		w->p50_ms = ms[n / 2];
		w->p99_ms = ms[n * 99 / 100];
		w->max_ms = ms[n - 1];
	}
	free(ms);
}

static void warm_up(struct scale *s)
{
	if (!s->o.settled)
		return;
	scale_plan_writes(s, WARM_UP_WRITES, WARM_UP_US);
	scale_run_until(s, s->now_us + WARM_UP_US + DRAIN_US);
	scale_say(s, "has warmed up");
}

static void writes(struct scale *s, uint32_t loss_per_mille, double idle_bytes, struct scale_spread *w)
{
	size_t first = s->updates_n;
	struct scale_traffic then = s->sent;
	s->loss_per_mille = loss_per_mille;
	scale_plan_writes(s, s->o.writes_per_s * (size_t)s->o.write_ms / 1000, s->o.write_ms * (uint64_t)1000);
	uint64_t window_us = s->o.write_ms * (uint64_t)1000 + DRAIN_US;
	scale_run_until(s, s->now_us + window_us);
	scale_traffic_since(s, &then, &w->sent);
	if (!all_spread(s) && !wait_until(s, all_spread))
		scale_count_all(s, first);
	sum_up(s, first, w);
	double bytes = (double)scale_traffic_bytes(&w->sent);
	double idling = idle_bytes * (double)s->o.nodes * (double)window_us / SECOND_US;
	double shares = (double)w->updates * (double)(s->o.nodes - 1);
	w->bytes = bytes / shares;
	w->idle_free_bytes = (bytes - idling) / shares;
	s->loss_per_mille = 0;
	scale_say(s, w->missing == 0 ? "writes are known to all" : "writes are not known to all");
	be_quiet(s);
}

/* -- deaths -- */

static bool all_told(struct scale *s)
{
	return s->told_n == s->living_n;
}

static double death(struct scale *s, bool silent)
{
	do
		s->victim = SCALE_SEEDS + prng_below(&s->prng, s->o.nodes - SCALE_SEEDS);
	while (!scale_runs(s, s->victim));
	for (size_t i = 0; i < s->o.nodes; i++)
		s->nodes[i].told = false;
	s->told_n = 0;
	uint64_t died_us = s->now_us;
	if (silent) {
		s->nodes[s->victim].stopped = true;
		s->living_n--;
	} else {
		scale_kill(s, s->victim);
	}
	bool all = wait_until(s, all_told);
	uint64_t took_us = s->told_us - died_us;
	scale_say(s, silent ? "one was stopped" : "one was killed");
	be_quiet(s);
	s->victim = SIZE_MAX;
	return all ? (double)took_us / 1000 : -1;
}

/* -- the end -- */

bool scale_all_equal(struct scale *s)
{
	uint64_t first = 0;
	bool has_first = false;
	for (size_t i = 0; i < s->o.nodes; i++) {
		if (!scale_runs(s, i))
			continue;
		scale_enter(s, i);
		uint64_t print = kvs_fingerprint(s->nodes[i].k);
		scale_leave(s);
		if (has_first && print != first)
			return false;
		first = print;
		has_first = true;
	}
	return true;
}

void scale_measure(const struct scale_options *o, struct scale_report *r)
{
	struct scale s;
	*r = (struct scale_report){ .nodes = o->nodes, .kill_ms = -1, .stop_ms = -1 };
	scale_init(&s, o);
	if (boot(&s, r)) {
		idle(&s, r);
		warm_up(&s);
		writes(&s, 0, r->idle_bytes, &r->clean);
		writes(&s, o->loss_per_mille, r->idle_bytes, &r->lossy);
		scale_halves(&s, &r->halves);
		r->kill_ms = death(&s, false);
		r->stop_ms = death(&s, true);
		r->converged = scale_all_equal(&s) || wait_until(&s, scale_all_equal);
		scale_say(&s, r->converged ? "all are equal" : "not all are equal");
	}
	r->false_alarms = s.false_alarms;
	r->errors = s.errors;
	r->steps = s.steps;
	r->virtual_s = (double)s.now_us / 1e6;
	scale_fini(&s);
}
