/* Viewers: each gets a token from an api node, and comes with it to a delivery node, or does not. */
#include "lease_sim.h"

#include "base/check.h"

static struct lsim_viewer *free_viewer(struct lsim *s)
{
	for (size_t i = 0; i < LSIM_VIEWERS; i++)
		if (s->viewers[i].state == VIEWER_FREE)
			return &s->viewers[i];
	return NULL;
}

static void in(struct lsim *s, struct lsim_viewer *v, uint64_t in_ms)
{
	timers_arm(&s->viewer_timers, &v->next, s->now_ms + in_ms);
}

static void go(struct lsim_viewer *v)
{
	v->state = VIEWER_FREE;
}

void lsim_viewer_comes(struct lsim *s, struct lsim_viewer *v, uint32_t node, uint64_t in_ms)
{
	v->state = VIEWER_COMING;
	v->node = node;
	in(s, v, in_ms);
}

/* Mostly at once; sometimes in the last moment, or past it. */
static uint64_t way_ms(struct lsim *s)
{
	uint64_t start_within_ms = s->nodes[0].config.start_within_ms;
	switch (prng_below(&s->prng, 10)) {
	case 0: return lsim_between(s, 0, start_within_ms);
	case 1: return start_within_ms - prng_below(&s->prng, 50);
	case 2: return start_within_ms;
	case 3: s->stats.late++; return lsim_between(s, start_within_ms + 1, start_within_ms * 3);
	default: return lsim_between(s, 1, 500);
	}
}

/* What a worker does: one atomic operation, and without a place all the same. */
static void take(struct lsim *s, uint32_t api, struct lsim_viewer *v)
{
	struct lsim_api *a = &s->apis[api];
	v->lender = v->node;
	v->lender_run = s->nodes[v->node].host.run;
	v->taken_ms = s->now_ms;
	switch (lease_slots_take(a->slots, v->node, lsim_local(s, &a->host.clock), &v->place)) {
	case LEASE_TAKEN:
		v->has_place = true;
		lsim_check_taken(s, v);
		break;
	case LEASE_DRY: break;
	case LEASE_DRY_WAKE: lsim_api_step(s, api); break;
	}
}

struct lsim_viewer *lsim_viewer_new(struct lsim *s, uint32_t api, uint32_t node)
{
	struct lsim_viewer *v = free_viewer(s);
	if (v == NULL)
		return NULL;
	*v = (struct lsim_viewer){ .node = node, .kbps = (uint32_t)lsim_between(s, 0, LSIM_KBPS) };
	s->stats.viewers++;
	take(s, api, v);
	return v;
}

static void create_session(struct lsim *s, uint32_t api)
{
	struct lsim_api *a = &s->apis[api];
	uint32_t node = prng_chance(&s->prng, 700) ? a->favourite : (uint32_t)prng_below(&s->prng, s->nodes_n);
	struct lsim_viewer *v = a->takes[node] ? lsim_viewer_new(s, api, node) : NULL, *twin;
	if (v == NULL)
		return;
	if (prng_chance(&s->prng, 50)) {
		s->stats.never++;
		return;
	}
	lsim_viewer_comes(s, v, node, way_ms(s));
	if (!prng_chance(&s->prng, 30) || (twin = free_viewer(s)) == NULL)
		return;
	*twin = *v; /* the same token twice */
	twin->next = (struct timer){ 0 };
	lsim_viewer_comes(s, twin, node, way_ms(s));
}

/* He takes his time, too. */
void lsim_demand_last(struct lsim *s, uint32_t api, uint32_t node)
{
	const struct lsim_api *a = &s->apis[api];
	if (s->healed || !a->host.up || lease_slots_left(a->slots, node, lsim_local(s, &a->host.clock)) == 0)
		return;
	struct lsim_viewer *v = lsim_viewer_new(s, api, node);
	if (v != NULL)
		lsim_viewer_comes(s, v, node, s->nodes[node].config.start_within_ms - prng_below(&s->prng, 20));
}

void lsim_demand(struct lsim *s, uint32_t api)
{
	struct lsim_api *a = &s->apis[api];
	if (s->healed)
		return;
	if (a->host.up && a->per_s_milli > 0 && s->mode == LSIM_CALM)
		lsim_calm_session(s, api);
	else if (a->host.up && a->per_s_milli > 0)
		create_session(s, api);
	uint64_t mean_ms = a->per_s_milli > 0 ? 1000000 / a->per_s_milli : 500;
	lsim_after(s, lsim_between(s, 0, 2 * mean_ms), EVENT_DEMAND)->api = api;
}

/* -- at the delivery node -- */

static void leave(struct lsim *s, struct lsim_viewer *v)
{
	struct lsim_node *n = &s->nodes[v->node];
	lease_book_leave(n->book, v->kbps);
	CHECK(n->sessions > 0);
	n->sessions--;
	n->kbps -= v->kbps;
}

static uint64_t stay_ms(struct lsim *s)
{
	if (s->mode == LSIM_CALM)
		return lsim_between(s, LSIM_CALM_STAY_MS / 2, LSIM_CALM_STAY_MS * 3 / 2);
	return prng_chance(&s->prng, 700) ? lsim_between(s, 10, 2000) : lsim_between(s, 1000, 30000);
}

static void arrive(struct lsim *s, struct lsim_viewer *v)
{
	struct lsim_node *n = &s->nodes[v->node];
	struct lease_book_view before;
	lease_book_expire(n->book, lsim_local(s, &n->host.clock));
	lease_book_look(n->book, &before);
	bool here = v->has_place && v->lender == v->node;
	enum lease_admission how = lease_book_arrive(
	    n->book, lsim_local(s, &n->host.clock), v->has_place ? &v->place : NULL, here, v->kbps);
	lsim_say(s, "a viewer at node %u: %s, batch %u index %u, %llu ms old", v->node,
	    how == LEASE_FULL       ? "full"
	    : how == LEASE_BY_BATCH ? "by batch"
	                            : "placeless",
	    here ? v->place.batch : 0, here ? v->place.index : 0, (unsigned long long)(s->now_ms - v->taken_ms));
	if (how != LEASE_FULL) {
		n->sessions++;
		n->kbps += v->kbps;
		v->state = VIEWER_ACTIVE;
		v->node_run = n->host.run;
		in(s, v, stay_ms(s));
	}
	s->stats.by_batch += how == LEASE_BY_BATCH;
	s->stats.placeless += how == LEASE_PLACELESS;
	s->stats.full += how == LEASE_FULL;
	lsim_check_arrival(s, v, how, &before);
	if (how == LEASE_FULL && !v->hopped) {
		v->hopped = true;
		lsim_viewer_comes(s, v, (uint32_t)prng_below(&s->prng, s->nodes_n), lsim_between(s, 1, 200));
	} else if (how == LEASE_FULL) {
		go(v);
	}
}

static void come(struct lsim *s, struct lsim_viewer *v)
{
	const struct lsim_node *n = &s->nodes[v->node];
	if (n->host.up) {
		arrive(s, v);
	} else if (!v->hopped) {
		v->hopped = true;
		lsim_viewer_comes(s, v, (uint32_t)prng_below(&s->prng, s->nodes_n), lsim_between(s, 1, 2000));
	} else {
		go(v);
	}
}

/* It moves; without a word its former place stays taken until it was idle for long enough. */
static void move(struct lsim *s, struct lsim_viewer *v)
{
	struct lsim_viewer *idle = prng_chance(&s->prng, 300) ? free_viewer(s) : NULL;
	if (idle == NULL) {
		leave(s, v);
	} else {
		*idle = *v;
		idle->next = (struct timer){ 0 };
		idle->leaves = true;
		in(s, idle, lsim_between(s, 1000, 20000));
	}
	s->stats.moved++;
	v->hopped = false;
	lsim_viewer_comes(s, v, (uint32_t)prng_below(&s->prng, s->nodes_n), lsim_between(s, 1, 500));
}

static void play(struct lsim *s, struct lsim_viewer *v)
{
	unsigned what = v->leaves || s->mode == LSIM_CALM ? 0 : (unsigned)prng_below(&s->prng, 100);
	if (what < 60) {
		leave(s, v);
		go(v);
	} else if (what < 75) { /* pauses, and comes back with the same token */
		leave(s, v);
		v->hopped = false;
		lsim_viewer_comes(s, v, v->node, lsim_between(s, 1, 30000));
	} else if (what < 90) {
		move(s, v);
	} else {
		in(s, v, lsim_between(s, 1, 10000));
	}
}

void lsim_viewer_due(struct lsim *s, struct lsim_viewer *v)
{
	const struct lsim_host *host = &s->nodes[v->node].host;
	if (host->up && s->now_ms < host->stalled_ms)
		in(s, v, host->stalled_ms - s->now_ms);
	else if (v->state == VIEWER_COMING)
		come(s, v);
	else
		play(s, v);
}

void lsim_viewers_lose_node(struct lsim *s, uint32_t node)
{
	for (size_t i = 0; i < LSIM_VIEWERS; i++) {
		struct lsim_viewer *v = &s->viewers[i];
		if (v->state != VIEWER_ACTIVE || v->node != node)
			continue;
		timers_disarm(&s->viewer_timers, &v->next);
		if (v->leaves) {
			go(v);
			continue;
		}
		v->hopped = false;
		uint32_t to = prng_chance(&s->prng, 500) ? node : (uint32_t)prng_below(&s->prng, s->nodes_n);
		lsim_viewer_comes(s, v, to, lsim_between(s, 1, 10000));
	}
}

void lsim_viewers_end(struct lsim *s)
{
	for (size_t i = 0; i < LSIM_VIEWERS; i++) {
		struct lsim_viewer *v = &s->viewers[i];
		timers_disarm(&s->viewer_timers, &v->next);
		if (v->state == VIEWER_ACTIVE)
			leave(s, v);
		go(v);
	}
}
