/* A day without faults: how many viewers does the purse have a place for? */
#include "lease_sim.h"

enum { APIS = 4, NODES = 3, CAPACITY = 500, RESERVE = 25 };

void lsim_calm_init(struct lsim *s)
{
	s->apis_n = APIS;
	s->nodes_n = NODES;
	s->ghosts_per_mille = 0;
	for (uint32_t i = 0; i < APIS; i++)
		s->apis[i].per_s_milli = CAPACITY * NODES * 10 * s->load_percent / (LSIM_CALM_STAY_MS / 1000) / APIS;
}

void lsim_calm_node(struct lease_book_config *c)
{
	c->capacity_sessions = CAPACITY;
	c->reserve_sessions = RESERVE;
	c->capacity_kbps = 0;
}

/* To any node, as contents go. */
void lsim_calm_session(struct lsim *s, uint32_t api)
{
	uint32_t node = (uint32_t)prng_below(&s->prng, NODES);
	struct lsim_viewer *v = lsim_viewer_new(s, api, node);
	if (v != NULL)
		lsim_viewer_comes(s, v, node, lsim_between(s, 1, 1000));
}

void lsim_calm_check(struct lsim *s)
{
	uint64_t came = s->stats.by_batch + s->stats.placeless + s->stats.full;
	if (s->load_percent <= 75 && s->stats.full > 0)
		lsim_fail(s, "%llu viewers found their node full", (unsigned long long)s->stats.full);
	if (s->load_percent <= 75 && s->stats.by_batch * 1000 < came * 999)
		lsim_fail(s, "of %llu viewers only %llu had a place", (unsigned long long)came,
		    (unsigned long long)s->stats.by_batch);
}
