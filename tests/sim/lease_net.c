/* Links: one connection at a time, in order while it lasts. */
#include "lease_sim.h"

static struct lsim_event *put(
    struct lsim *s, uint64_t at_ms, uint32_t api, uint32_t node, bool to_node, const struct lsim_message *m)
{
	struct lsim_event *e = lsim_after(s, at_ms > s->now_ms ? at_ms - s->now_ms : 0, EVENT_MESSAGE);
	e->api = api;
	e->node = node;
	e->flag = to_node;
	e->message = *m;
	return e;
}

void lsim_send(struct lsim *s, uint32_t api, uint32_t node, bool to_node, struct lsim_message m)
{
	struct lsim_link *l = &s->links[api][node];
	if (!l->up) {
		s->stats.lost++;
		return;
	}
	m.connection = l->connection;
	m.ghost = !s->healed && prng_chance(&s->prng, s->ghosts_per_mille);
	uint64_t at_ms = s->now_ms + l->latency_ms + prng_below(&s->prng, 3);
	if (at_ms < l->last_ms[to_node])
		at_ms = l->last_ms[to_node];
	l->last_ms[to_node] = at_ms;
	put(s, at_ms, api, node, to_node, &m);
	if (!s->healed && prng_chance(&s->prng, s->ghosts_per_mille / 3)) {
		m.ghost = true;
		s->stats.doubled++;
		static const uint64_t LATE_MS[] = { 100, 2000, 20000 };
		put(s, at_ms + lsim_between(s, 0, LATE_MS[prng_below(&s->prng, 3)]), api, node, to_node, &m);
	}
}

void lsim_message_due(struct lsim *s, struct lsim_event *e)
{
	struct lsim_link *l = &s->links[e->api][e->node];
	bool same = l->up && l->connection == e->message.connection;
	if (same && (s->now_ms < l->cut_ms[e->flag] || s->now_ms < l->clogged_ms)) {
		uint64_t wait_ms = s->now_ms < l->clogged_ms ? l->clogged_ms - s->now_ms : 50;
		timers_arm(&s->timers, &e->timer, s->now_ms + wait_ms);
		return;
	}
	if (!same && e->message.ghost && prng_chance(&s->prng, 500)) {
		timers_arm(&s->timers, &e->timer, s->now_ms + lsim_between(s, 1, 5000)); /* not yet */
		return;
	}
	bool up = e->flag ? s->nodes[e->node].host.up : s->apis[e->api].host.up;
	if (!up || (!same && !e->message.ghost)) {
		s->stats.lost++;
		return;
	}
	s->stats.ghosts += !same;
	lsim_host_hear(s, e);
}

void lsim_link_up(struct lsim *s, uint32_t api, uint32_t node)
{
	struct lsim_link *l = &s->links[api][node];
	struct lsim_api *a = &s->apis[api];
	const struct lsim_node *n = &s->nodes[node];
	if (l->up || !a->host.up || !n->host.up)
		return; /* who starts later dials anew */
	if (s->now_ms < l->cut_ms[0] || s->now_ms < l->cut_ms[1]) {
		struct lsim_event *e = lsim_after(s, lsim_between(s, 200, 1000), EVENT_LINK_UP);
		e->api = api;
		e->node = node;
		return;
	}
	l->up = true;
	l->connection++;
	l->last_ms[0] = l->last_ms[1] = 0;
	l->latency_ms =
	    (uint32_t)(prng_chance(&s->prng, 900) ? prng_below(&s->prng, 50) : lsim_between(s, 200, 3000));
	if (s->healed || s->mode == LSIM_CALM)
		l->latency_ms = 10;
	lsim_say(s, "link %u-%u is up, %u ms", api, node, l->latency_ms);
	lease_purse_link_up(a->purse, lsim_local(s, &a->host.clock), node, n->config.incarnation);
	lsim_api_step(s, api);
}

void lsim_link_down(struct lsim *s, uint32_t api, uint32_t node)
{
	struct lsim_link *l = &s->links[api][node];
	if (!l->up)
		return;
	l->up = false;
	lsim_say(s, "link %u-%u breaks", api, node);
	struct lsim_api *a = &s->apis[api];
	if (a->host.up)
		lease_purse_link_down(a->purse, lsim_local(s, &a->host.clock), node);
	struct lsim_event *e = lsim_after(s, lsim_between(s, 1, 2000), EVENT_LINK_UP);
	e->api = api;
	e->node = node;
}

void lsim_links_break(struct lsim *s, bool is_api, uint32_t host)
{
	if (is_api) {
		for (uint32_t n = 0; n < s->nodes_n; n++)
			lsim_link_down(s, host, n);
	} else {
		for (uint32_t a = 0; a < s->apis_n; a++)
			lsim_link_down(s, a, host);
	}
}
