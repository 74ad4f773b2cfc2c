#include "lease_sim.h"

#include "base/check.h"

/* Demand goes where it wants to: an api node's share of it, and whom it likes. */
void lsim_jump(struct lsim *s, uint32_t api)
{
	if (s->healed || s->mode == LSIM_CALM)
		return;
	static const uint32_t PER_S_MILLI[] = { 0, 0, 200, 1000, 2000, 8000, 40000 };
	struct lsim_api *a = &s->apis[api];
	a->per_s_milli = PER_S_MILLI[prng_below(&s->prng, sizeof(PER_S_MILLI) / sizeof(PER_S_MILLI[0]))];
	a->favourite = (uint32_t)prng_below(&s->prng, s->nodes_n);
	lsim_after(s, lsim_between(s, 500, 15000), EVENT_JUMP)->api = api;
}

static void breaks_later(struct lsim *s, uint32_t api, uint32_t node, uint64_t in_ms)
{
	struct lsim_event *e = lsim_after(s, in_ms, EVENT_LINK_DOWN);
	e->api = api;
	e->node = node;
	e->run = s->links[api][node].connection;
}

static void disturb_link(struct lsim *s)
{
	uint32_t api = (uint32_t)prng_below(&s->prng, s->apis_n),
	         node = (uint32_t)prng_below(&s->prng, s->nodes_n);
	struct lsim_link *l = &s->links[api][node];
	switch (prng_below(&s->prng, 4)) {
	case 0: lsim_link_down(s, api, node); break;
	case 1: l->clogged_ms = s->now_ms + lsim_between(s, 50, 15000); break;
	case 2: /* one way */
		l->cut_ms[prng_below(&s->prng, 2)] = s->now_ms + lsim_between(s, 50, 20000);
		breaks_later(s, api, node, lsim_between(s, 500, 10000));
		break;
	default:
		l->cut_ms[0] = l->cut_ms[1] = s->now_ms + lsim_between(s, 50, 20000);
		breaks_later(s, api, node, lsim_between(s, 500, 10000));
	}
	s->stats.cuts++;
}

static void crash_one(struct lsim *s)
{
	bool flaps = prng_chance(&s->prng, s->flaps_per_mille), is_api = flaps || prng_chance(&s->prng, 500);
	uint32_t i = flaps ? 0 : (uint32_t)prng_below(&s->prng, is_api ? s->apis_n : s->nodes_n);
	if (is_api)
		lsim_api_crash(s, i);
	else
		lsim_node_crash(s, i);
	s->stats.crashes++;
	struct lsim_event *e = lsim_after(
	    s, prng_chance(&s->prng, 700) ? lsim_between(s, 1, 500) : lsim_between(s, 1, 15000), EVENT_START);
	e->flag = is_api;
	e->api = e->node = i;
}

static void stall_one(struct lsim *s)
{
	struct lsim_host *h = prng_chance(&s->prng, 500) ? &s->apis[prng_below(&s->prng, s->apis_n)].host
	                                                 : &s->nodes[prng_below(&s->prng, s->nodes_n)].host;
	if (!h->up)
		return;
	h->stalled_ms = s->now_ms + lsim_between(s, 10, prng_chance(&s->prng, 800) ? 500 : 15000);
	s->stats.stalls++;
}

static void drain_one(struct lsim *s)
{
	uint32_t i = (uint32_t)prng_below(&s->prng, s->nodes_n);
	lsim_node_drain(s, i, !s->nodes[i].draining);
	s->stats.drains++;
}

void lsim_fault(struct lsim *s)
{
	if (s->healed)
		return;
	lsim_after(s, lsim_between(s, 50, s->fault_every_ms), EVENT_FAULT);
	if (!prng_chance(&s->prng, s->fault_per_mille))
		return;
	uint64_t what = prng_below(&s->prng, 1000);
	if (what < s->crash_per_mille)
		crash_one(s);
	else if (what < s->crash_per_mille + 100)
		stall_one(s);
	else if (what < s->crash_per_mille + 200)
		drain_one(s);
	else
		disturb_link(s);
}

void lsim_heal(struct lsim *s)
{
	lsim_say(s, "all heals");
	s->healed = true;
	lsim_forget_messages(s);
	for (uint32_t n = 0; n < s->nodes_n; n++) {
		s->nodes[n].host.stalled_ms = 0;
		lsim_node_start(s, n);
		lsim_node_drain(s, n, false);
	}
	for (uint32_t a = 0; a < s->apis_n; a++) {
		s->apis[a].host.stalled_ms = 0;
		lsim_api_start(s, a);
		for (uint32_t n = 0; n < s->nodes_n; n++) {
			struct lsim_link *l = &s->links[a][n];
			l->clogged_ms = l->cut_ms[0] = l->cut_ms[1] = 0;
			lsim_link_down(s, a, n);
			lsim_api_told(s, a, n, true);
		}
	}
}
