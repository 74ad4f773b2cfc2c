#include "lease_sim.h"

#include "base/obj.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t lsim_between(struct lsim *s, uint64_t low, uint64_t high)
{
	return low + prng_below(&s->prng, high - low + 1);
}

void lsim_say(struct lsim *s, const char *format, ...)
{
	char *line = s->lines[s->lines_n++ % LSIM_LINES];
	int n = snprintf(line, LSIM_LINE_BYTES, "%8llu ", (unsigned long long)s->now_ms);
	va_list ap;
	va_start(ap, format);
	vsnprintf(line + n, LSIM_LINE_BYTES - (size_t)n, format, ap);
	va_end(ap);
	if (s->tracing)
		puts(line);
}

void lsim_fail(struct lsim *s, const char *format, ...)
{
	if (s->failed)
		return; /* the first is what counts */
	s->failed = true;
	int n = snprintf(s->why, sizeof(s->why), "at %llu ms: ", (unsigned long long)s->now_ms);
	va_list ap;
	va_start(ap, format);
	vsnprintf(s->why + n, sizeof(s->why) - (size_t)n, format, ap);
	va_end(ap);
}

/* -- time -- */

uint64_t lsim_local(const struct lsim *s, const struct lsim_clock *c)
{
	return c->offset_ms + s->now_ms + (uint64_t)((int64_t)s->now_ms * c->drift / 1000000);
}

uint64_t lsim_truth(const struct lsim *s, const struct lsim_clock *c, uint64_t local_ms)
{
	uint64_t now_ms = lsim_local(s, c);
	if (local_ms <= now_ms)
		return s->now_ms;
	/* A fast clock needs less; short of it by a little is made up for by being woken again. */
	uint64_t in_ms = (local_ms - now_ms) * 1000000 / (uint64_t)(1000000 + c->drift);
	return s->now_ms + (in_ms > 0 ? in_ms : 1);
}

struct lsim_event *lsim_after(struct lsim *s, uint64_t in_ms, enum lsim_event_kind kind)
{
	struct lsim_event *e = s->free_events;
	if (e == NULL) {
		e = calloc(1, sizeof(*e));
		CHECK(e != NULL);
	} else {
		s->free_events = e->next_free;
		*e = (struct lsim_event){ .kind = kind };
	}
	e->kind = kind;
	timers_arm(&s->timers, &e->timer, s->now_ms + in_ms);
	return e;
}

static void free_event(struct lsim *s, struct lsim_event *e)
{
	e->next_free = s->free_events;
	s->free_events = e;
}

void lsim_forget_messages(struct lsim *s)
{
	for (size_t i = 0; i < s->timers.n;) {
		struct lsim_event *e = CONTAINER_OF(s->timers.heap[i], struct lsim_event, timer);
		if (e->kind != EVENT_MESSAGE) {
			i++;
			continue;
		}
		timers_disarm(&s->timers, &e->timer);
		free_event(s, e);
		i = 0; /* the heap was reordered */
	}
}

/* -- events -- */

static struct lsim_host *host_of(struct lsim *s, const struct lsim_event *e)
{
	switch (e->kind) {
	case EVENT_API_WAKE:
	case EVENT_DEMAND:
	case EVENT_LAST:
	case EVENT_TOLD: return &s->apis[e->api].host;
	case EVENT_NODE_WAKE: return &s->nodes[e->node].host;
	case EVENT_MESSAGE: return e->flag ? &s->nodes[e->node].host : &s->apis[e->api].host;
	case EVENT_JUMP:
	case EVENT_START:
	case EVENT_LINK_UP:
	case EVENT_LINK_DOWN:
	case EVENT_FAULT: return NULL;
	}
	UNREACHABLE();
}

static void start_host(struct lsim *s, const struct lsim_event *e)
{
	if (e->flag)
		lsim_api_start(s, e->api);
	else
		lsim_node_start(s, e->node);
}

static void api_wakes(struct lsim *s, struct lsim_event *e)
{
	if (s->apis[e->api].host.up && e->run == s->apis[e->api].host.run &&
	    s->now_ms >= s->apis[e->api].wake_truth_ms)
		lsim_api_step(s, e->api);
}

static void handle(struct lsim *s, struct lsim_event *e)
{
	switch (e->kind) {
	case EVENT_MESSAGE: lsim_message_due(s, e); return; /* may have armed it anew */
	case EVENT_API_WAKE: api_wakes(s, e); break;
	case EVENT_NODE_WAKE:
		if (s->nodes[e->node].host.up && e->run == s->nodes[e->node].host.run)
			lsim_node_wake(s, e->node);
		break;
	case EVENT_DEMAND: lsim_demand(s, e->api); break;
	case EVENT_LAST: lsim_demand_last(s, e->api, e->node); break;
	case EVENT_JUMP: lsim_jump(s, e->api); break;
	case EVENT_TOLD:
		if (!s->healed)
			lsim_api_told(s, e->api, e->node, e->flag);
		break;
	case EVENT_START:
		if (!s->healed)
			start_host(s, e);
		break;
	case EVENT_LINK_UP: lsim_link_up(s, e->api, e->node); break;
	case EVENT_LINK_DOWN:
		if (s->links[e->api][e->node].connection == e->run)
			lsim_link_down(s, e->api, e->node);
		break;
	case EVENT_FAULT: lsim_fault(s); break;
	}
}

static void event_due(struct lsim *s, struct lsim_event *e)
{
	struct lsim_host *host = host_of(s, e);
	if (host != NULL && host->up && s->now_ms < host->stalled_ms) {
		timers_arm(&s->timers, &e->timer, host->stalled_ms);
		return;
	}
	handle(s, e);
	if (!timer_armed(&e->timer))
		free_event(s, e);
}

static void run_until(struct lsim *s, uint64_t until_ms)
{
	while (!s->failed) {
		uint64_t event_ms = timers_next(&s->timers), viewer_ms = timers_next(&s->viewer_timers);
		uint64_t next_ms = event_ms < viewer_ms ? event_ms : viewer_ms;
		if (next_ms > until_ms)
			break;
		s->now_ms = next_ms;
		struct timer *t = timers_pop(&s->timers, next_ms);
		if (t != NULL)
			event_due(s, CONTAINER_OF(t, struct lsim_event, timer));
		else
			lsim_viewer_due(
			    s, CONTAINER_OF(timers_pop(&s->viewer_timers, next_ms), struct lsim_viewer, next));
		s->stats.steps++;
		lsim_check(s);
	}
	if (!s->failed)
		s->now_ms = until_ms;
}

/* -- the run -- */

/* Up to 1 % off, often just that. */
static struct lsim_clock make_clock(struct lsim *s)
{
	int64_t drift = (int64_t)lsim_between(s, 0, 2 * LSIM_DRIFT) - LSIM_DRIFT;
	if (prng_chance(&s->prng, 500))
		drift = drift < 0 ? -LSIM_DRIFT : LSIM_DRIFT;
	return (struct lsim_clock){ lsim_between(s, 0, 1000000), drift };
}

static void make_api(struct lsim *s, uint32_t i)
{
	struct lsim_api *a = &s->apis[i];
	a->host.clock = make_clock(s);
	a->who.api.b[0] = (uint8_t)(i + 1);
	lsim_api_start(s, i);
	lsim_after(s, lsim_between(s, 0, 3000), EVENT_JUMP)->api = i;
	lsim_after(s, lsim_between(s, 0, 3000), EVENT_DEMAND)->api = i;
}

static void make_node(struct lsim *s, uint32_t i, uint32_t start_within_ms)
{
	struct lsim_node *n = &s->nodes[i];
	n->host.clock = make_clock(s);
	uint32_t capacity = (uint32_t)lsim_between(s, 1, prng_chance(&s->prng, 500) ? 30 : 400);
	n->config = (struct lease_book_config){
		.incarnation = lsim_between(s, 1, 3),
		.capacity_sessions = capacity,
		.reserve_sessions = (uint32_t)lsim_between(s, 0, capacity / 10),
		.capacity_kbps =
		    prng_chance(&s->prng, 500) ? 0 : (uint64_t)capacity * lsim_between(s, 1000, LSIM_KBPS),
		.life_ms = LEASE_LIFE_MS,
		.start_within_ms = start_within_ms,
		.weight_kbps = (uint32_t)lsim_between(s, 0, LSIM_KBPS),
	};
	if (s->mode == LSIM_CALM)
		lsim_calm_node(&n->config);
	lsim_node_start(s, i);
}

/* What kind of world it is. */
static uint32_t draw(struct lsim *s)
{
	s->apis_n = lsim_between(s, 1, LSIM_APIS);
	s->nodes_n = lsim_between(s, 1, LSIM_NODES);
	s->fault_per_mille = (unsigned)lsim_between(s, 0, 1000);
	s->fault_every_ms = lsim_between(s, 100, 4000);
	s->crash_per_mille = (unsigned)lsim_between(s, 0, 700);
	s->flaps_per_mille = prng_chance(&s->prng, 300) ? 900 : 0;
	s->ghosts_per_mille = (unsigned)lsim_between(s, 0, s->flaps_per_mille > 0 ? 1000 : 500);
	static const uint32_t START_WITHIN_MS[] = { 500, 3000, 10000, 30000 };
	return START_WITHIN_MS[prng_below(&s->prng, 4)];
}

void lsim_init(struct lsim *s, enum lsim_mode mode, unsigned load_percent, uint64_t seed, bool tracing)
{
	memset(s, 0, sizeof(*s));
	s->seed = seed;
	s->mode = mode;
	s->load_percent = load_percent;
	s->tracing = tracing;
	prng_init(&s->prng, seed);
	timers_init(&s->timers);
	timers_init(&s->viewer_timers);
	uint32_t start_within_ms = draw(s);
	if (mode == LSIM_CALM)
		lsim_calm_init(s);
	for (uint32_t i = 0; i < s->nodes_n; i++)
		make_node(s, i, start_within_ms);
	for (uint32_t i = 0; i < s->apis_n; i++)
		make_api(s, i);
	for (uint32_t a = 0; a < s->apis_n; a++) {
		for (uint32_t n = 0; n < s->nodes_n; n++) {
			struct lsim_event *e = lsim_after(s, lsim_between(s, 0, 1000), EVENT_LINK_UP);
			e->api = a;
			e->node = n;
		}
	}
	if (mode == LSIM_FAULTS)
		lsim_after(s, 500, EVENT_FAULT);
}

void lsim_fini(struct lsim *s)
{
	for (uint32_t i = 0; i < s->apis_n; i++) {
		lease_purse_free(s->apis[i].purse);
		lease_slots_free(s->apis[i].slots);
	}
	for (uint32_t i = 0; i < s->nodes_n; i++)
		lease_book_free(s->nodes[i].book);
	for (size_t i = 0; i < s->timers.n; i++)
		free(CONTAINER_OF(s->timers.heap[i], struct lsim_event, timer));
	while (s->free_events != NULL) {
		struct lsim_event *next = s->free_events->next_free;
		free(s->free_events);
		s->free_events = next;
	}
	timers_fini(&s->timers);
	timers_fini(&s->viewer_timers);
}

/* After peace each api node that asks a node with room for all gets something from it. */
static void check_lending_goes_on(struct lsim *s)
{
	for (uint32_t a = 0; a < s->apis_n; a++) {
		for (uint32_t n = 0; n < s->nodes_n; n++) {
			if (lease_slots_miss(s->apis[a].slots, n))
				lsim_api_step(s, a);
		}
	}
	run_until(s, s->now_ms + 3000);
	for (uint32_t a = 0; a < s->apis_n && !s->failed; a++) {
		for (uint32_t n = 0; n < s->nodes_n; n++) {
			const struct lease_book_config *c = &s->nodes[n].config;
			bool room =
			    c->capacity_sessions - c->reserve_sessions >= 8 * s->apis_n &&
			    (c->capacity_kbps == 0 || c->capacity_kbps / 2 >= (uint64_t)LSIM_KBPS * 8 * s->apis_n);
			if (room && lease_slots_left(s->apis[a].slots, n, lsim_local(s, &s->apis[a].host.clock)) == 0)
				lsim_fail(s, "api %u was lent nothing by the idle node %u", a, n);
		}
	}
}

static bool run_calmly(struct lsim *s)
{
	run_until(s, 4 * LSIM_CALM_STAY_MS);
	s->stats = (struct lsim_stats){ 0 };
	run_until(s, 7 * LSIM_CALM_STAY_MS);
	if (!s->failed)
		lsim_calm_check(s);
	return !s->failed;
}

bool lsim_run(struct lsim *s)
{
	if (s->mode == LSIM_CALM)
		return run_calmly(s);
	run_until(s, lsim_between(s, 40000, 120000));
	if (s->failed)
		return false;
	uint32_t bound_ms = LEASE_LIFE_MS + s->nodes[0].config.start_within_ms;
	bool all_die = prng_chance(&s->prng, 500);
	lsim_heal(s);
	lsim_viewers_end(s);
	for (uint32_t i = 0; i < s->apis_n && all_die; i++)
		lsim_api_crash(s, i);
	/* By the slowest clock there may be. Purses that live lend on for a while, in case that viewers return.
	 */
	run_until(s, s->now_ms + (uint64_t)bound_ms * 100 / 99 + 2 + (all_die ? 0 : LEASE_IDLE_MS + 5000));
	if (!s->failed)
		lsim_check_all_free(s);
	for (uint32_t i = 0; i < s->apis_n && all_die && !s->failed; i++)
		lsim_api_start(s, i);
	if (!s->failed)
		run_until(s, s->now_ms + 5000);
	if (!s->failed)
		check_lending_goes_on(s);
	return !s->failed;
}
