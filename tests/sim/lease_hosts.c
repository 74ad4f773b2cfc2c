/* The hosts: what the daemon does with the cores, event by event. */
#include "lease_sim.h"

#include "base/check.h"

enum { COMMANDS_MAX = 8 };

/* -- api nodes -- */

static void wake_api_at(struct lsim *s, uint32_t api, uint64_t at_ms)
{
	struct lsim_api *a = &s->apis[api];
	a->wake_truth_ms = at_ms;
	struct lsim_event *e = lsim_after(s, at_ms - s->now_ms, EVENT_API_WAKE);
	e->api = api;
	e->run = a->host.run;
}

void lsim_api_step(struct lsim *s, uint32_t api)
{
	struct lsim_api *a = &s->apis[api];
	if (s->now_ms < a->host.stalled_ms) {
		wake_api_at(s, api, a->host.stalled_ms);
		return;
	}
	do {
		struct lease_command c[COMMANDS_MAX];
		size_t n = lease_purse_step(
		    a->purse, lsim_local(s, &a->host.clock), c, 1 + prng_below(&s->prng, COMMANDS_MAX));
		for (size_t i = 0; i < n; i++) {
			struct lsim_message m = { .from = a->who };
			if (c[i].kind == LEASE_SEND_ASK) {
				m.kind = MESSAGE_ASK;
				m.req_id = c[i].ask.req_id;
				m.want = c[i].ask.want;
				s->stats.asks++;
				lsim_say(s, "api %u asks node %u: id %llu, want %u", api, c[i].slot,
				    (unsigned long long)m.req_id, m.want);
			} else {
				m.kind = MESSAGE_CLOSE;
				m.close = c[i].close;
				lsim_say(s, "api %u closes batch %u of node %u at %u", api, m.close.batch, c[i].slot,
				    m.close.used);
			}
			lsim_send(s, api, c[i].slot, true, m);
		}
	} while (lease_purse_wake_at(a->purse) == 0);
	uint64_t at = lease_purse_wake_at(a->purse);
	if (at != TIMER_NEVER)
		wake_api_at(s, api, lsim_truth(s, &a->host.clock, at));
}

void lsim_api_told(struct lsim *s, uint32_t api, uint32_t node, bool takes)
{
	struct lsim_api *a = &s->apis[api];
	a->takes[node] = takes;
	if (!a->host.up)
		return;
	lease_purse_node(a->purse, lsim_local(s, &a->host.clock), node, takes);
	lsim_api_step(s, api);
}

static void tell_apis(struct lsim *s, uint32_t node, bool takes)
{
	for (uint32_t a = 0; a < s->apis_n; a++) {
		if (prng_chance(&s->prng, 100))
			continue; /* never heard */
		struct lsim_event *e = lsim_after(s, lsim_between(s, 1, 3000), EVENT_TOLD);
		e->api = a;
		e->node = node;
		e->flag = takes;
	}
}

void lsim_api_start(struct lsim *s, uint32_t api)
{
	struct lsim_api *a = &s->apis[api];
	if (a->host.up)
		return;
	a->host.up = true;
	a->host.run++;
	a->who.incarnation = (struct incarnation){ a->who.incarnation.count + 1, prng_next(&s->prng) };
	a->slots = lease_slots_new();
	a->purse = lease_purse_new(a->slots, a->who.incarnation);
	lsim_say(s, "api %u starts", api);
	for (uint32_t n = 0; n < s->nodes_n; n++) {
		/* What its replica shows may be old. */
		a->takes[n] = prng_chance(&s->prng, 100) || !s->nodes[n].draining;
		lease_purse_node(a->purse, lsim_local(s, &a->host.clock), n, a->takes[n]);
		struct lsim_event *e = lsim_after(s, lsim_between(s, 1, 500), EVENT_LINK_UP);
		e->api = api;
		e->node = n;
	}
	lsim_api_step(s, api);
}

void lsim_api_crash(struct lsim *s, uint32_t api)
{
	struct lsim_api *a = &s->apis[api];
	if (!a->host.up)
		return;
	lsim_say(s, "api %u crashes", api);
	lsim_links_break(s, true, api);
	lease_purse_free(a->purse);
	lease_slots_free(a->slots);
	a->purse = NULL;
	a->slots = NULL;
	a->host.up = false;
	a->host.stalled_ms = 0;
}

/* -- delivery nodes -- */

static void plan_node(struct lsim *s, uint32_t node)
{
	struct lsim_node *n = &s->nodes[node];
	uint64_t at = lease_book_wake_at(n->book);
	if (at == TIMER_NEVER)
		return;
	uint64_t truth_ms = lsim_truth(s, &n->host.clock, at);
	if (n->wake_truth_ms > s->now_ms && n->wake_truth_ms <= truth_ms)
		return;
	n->wake_truth_ms = truth_ms;
	struct lsim_event *e = lsim_after(s, truth_ms - s->now_ms, EVENT_NODE_WAKE);
	e->node = node;
	e->run = n->host.run;
}

void lsim_node_wake(struct lsim *s, uint32_t node)
{
	struct lsim_node *n = &s->nodes[node];
	n->wake_truth_ms = 0;
	lease_book_expire(n->book, lsim_local(s, &n->host.clock));
	plan_node(s, node);
}

void lsim_node_start(struct lsim *s, uint32_t node)
{
	struct lsim_node *n = &s->nodes[node];
	if (n->host.up)
		return;
	n->host.up = true;
	n->host.run++;
	n->config.incarnation++;
	n->wake_truth_ms = 0;
	n->book = lease_book_new(&n->config);
	n->draining = n->drained = false;
	lsim_say(s, "node %u starts as %llu, capacity %u", node, (unsigned long long)n->config.incarnation,
	    n->config.capacity_sessions);
	tell_apis(s, node, true);
	for (uint32_t a = 0; a < s->apis_n; a++) {
		struct lsim_event *e = lsim_after(s, lsim_between(s, 1, 500), EVENT_LINK_UP);
		e->api = a;
		e->node = node;
	}
}

void lsim_node_crash(struct lsim *s, uint32_t node)
{
	struct lsim_node *n = &s->nodes[node];
	if (!n->host.up)
		return;
	lsim_say(s, "node %u crashes", node);
	lsim_links_break(s, false, node);
	lease_book_free(n->book);
	n->book = NULL;
	n->host.up = false;
	n->host.stalled_ms = 0;
	n->sessions = 0;
	n->kbps = 0;
	lsim_viewers_lose_node(s, node);
	if (prng_chance(&s->prng, 500))
		tell_apis(s, node, false); /* else it is back before anybody says so */
}

void lsim_node_drain(struct lsim *s, uint32_t node, bool draining)
{
	struct lsim_node *n = &s->nodes[node];
	if (!n->host.up || n->draining == draining)
		return;
	lsim_say(s, "node %u %s", node, draining ? "drains" : "goes on");
	n->draining = draining;
	n->drained = false;
	lease_book_set_draining(n->book, draining);
	tell_apis(s, node, !draining);
}

/* -- messages -- */

static void node_hears(struct lsim *s, uint32_t api, uint32_t node, const struct lsim_message *m)
{
	struct lsim_node *n = &s->nodes[node];
	uint64_t now_ms = lsim_local(s, &n->host.clock);
	if (m->kind == MESSAGE_CLOSE) {
		lease_book_close(n->book, now_ms, &m->from.api, &m->close);
	} else {
		struct lsim_message answer = { .kind = MESSAGE_GRANT };
		if (prng_chance(&s->prng, 50))
			lease_book_set_weight(n->book, (uint32_t)lsim_between(s, 0, LSIM_KBPS));
		struct lease_book_view before;
		lease_book_look(n->book, &before);
		if (lease_book_ask(n->book, now_ms, &m->from, m->req_id, m->want, &answer.grant)) {
			lsim_say(s, "node %u lends api %u: id %llu, batch %u of %u", node, api,
			    (unsigned long long)m->req_id, answer.grant.batch, answer.grant.limit);
			lsim_check_answer(s, api, node, &m->from, &answer.grant, &before);
			s->stats.grants++;
			s->stats.places += answer.grant.limit;
			lsim_send(s, api, node, false, answer);
		}
	}
	plan_node(s, node);
}

void lsim_host_hear(struct lsim *s, const struct lsim_event *e)
{
	if (e->flag) {
		node_hears(s, e->api, e->node, &e->message);
		return;
	}
	struct lsim_api *a = &s->apis[e->api];
	bool accepted = lease_purse_grant(a->purse, lsim_local(s, &a->host.clock), e->node, &e->message.grant);
	lsim_say(s, "api %u %s batch %u of node %u", e->api, accepted ? "accepts" : "refuses",
	    e->message.grant.batch, e->node);
	struct lease_purse_view v;
	if (accepted && s->mode == LSIM_FAULTS && lease_purse_look(a->purse, e->node, &v) && v.limit > 0) {
		uint64_t at_ms = lsim_truth(s, &a->host.clock, v.until_ms) - prng_below(&s->prng, 100);
		struct lsim_event *last = lsim_after(s, at_ms > s->now_ms ? at_ms - s->now_ms : 0, EVENT_LAST);
		last->api = e->api;
		last->node = e->node;
	}
	lsim_api_step(s, e->api);
}
