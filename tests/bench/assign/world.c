#include "sim.h"

#include "base/check.h"
#include "node/tally.h"

#include <stdlib.h>
#include <string.h>

enum {
	SECOND_US = 1000000,
	LEASE_RTT_US = 5000,
	LEASE_AGAIN_US = 500000, /* after a refusal */
	LEASE_AIM_S = 5,         /* of an api node's demand */
	LEASE_IDLE_S = 10,
	LEASE_RESERVE_PERMILLE = 50, /* never lent (A3) */
};

void world_init(struct world *w, const struct setup *s, const struct trace *t, enum variant v)
{
	CHECK(s->nodes <= NODES_MAX && s->apis <= APIS_MAX);
	*w = (struct world){ .setup = s, .trace = t, .variant = v };
	struct prng p;
	prng_init(&p, s->seed + 1);
	for (unsigned i = 0; i < s->nodes; i++) {
		cache_init(&w->nodes[i].cache, s, s->cached);
		for (unsigned b = 0; b < NODE_ID_BYTES; b++)
			w->ids[i].b[b] = (uint8_t)prng_next(&p);
	}
	for (unsigned i = 0; i < s->apis + s->nodes; i++) {
		w->tallies[i] = tally_new();
		for (unsigned n = 0; n < s->nodes; n++)
			CHECK(tally_slot(w->tallies[i], &w->ids[n]) == n);
	}
	w->seen_holders = calloc(s->contents, sizeof(*w->seen_holders));
	w->changes_room = 1 << 16;
	w->changes = calloc(w->changes_room, sizeof(*w->changes));
	CHECK(w->seen_holders != NULL && w->changes != NULL);
}

void world_fini(struct world *w)
{
	for (unsigned i = 0; i < w->setup->nodes; i++)
		cache_fini(&w->nodes[i].cache);
	for (unsigned i = 0; i < w->setup->apis + w->setup->nodes; i++)
		tally_free(w->tallies[i]);
	free(w->seen_holders);
	free(w->changes);
}

static bool leases(const struct world *w)
{
	return w->variant != PEER && w->variant != WITHOUT_LEASES;
}

static void see(struct world *w, const struct change *c)
{
	uint64_t bit = 1ull << c->node;
	if (c->content == NONE)
		w->seen_load[c->node] = c->value;
	else if (c->value != 0)
		w->seen_holders[c->content] |= bit;
	else
		w->seen_holders[c->content] &= ~bit;
}

static void tell(struct world *w, unsigned node, uint32_t content, uint32_t value)
{
	struct change c = { w->now_us, content, value, (uint8_t)node };
	if (w->setup->age_us == 0) {
		see(w, &c);
		return;
	}
	CHECK(w->changes_n < w->changes_room);
	w->changes[(w->changes_first + w->changes_n++) % w->changes_room] = c;
}

static uint32_t demand(const struct world *w, unsigned api, unsigned node, unsigned window_s)
{
	return tally_recent(w->tallies[api], node, w->now_us / SECOND_US, window_s);
}

/* A few seconds of its demand; one place as long as there is any. */
static uint32_t lease_aim(const struct world *w, unsigned api, unsigned node)
{
	uint32_t aim = demand(w, api, node, LEASE_AIM_S);
	return aim > 0 ? aim : demand(w, api, node, LEASE_IDLE_S) > 0;
}

static void lease_more(struct world *w, unsigned api, unsigned node)
{
	struct lease *l = &w->leases[api][node];
	struct node *n = &w->nodes[node];
	uint32_t aim = lease_aim(w, api, node), booked = n->active + n->outstanding;
	uint32_t lends = w->setup->capacity - w->setup->capacity * LEASE_RESERVE_PERMILLE / 1000;
	uint32_t room = booked < lends ? lends - booked : 0;
	uint32_t got = aim < room ? aim : room;
	l->places += got;
	n->outstanding += got;
	l->ask_us = got > 0 ? 0 : w->now_us + LEASE_AGAIN_US;
	if (n->active + n->outstanding > n->booked_max)
		n->booked_max = n->active + n->outstanding;
}

static void lease_less(struct world *w, unsigned api, unsigned node)
{
	struct lease *l = &w->leases[api][node];
	uint32_t aim = lease_aim(w, api, node);
	if (l->places <= 2 * aim)
		return;
	w->nodes[node].outstanding -= l->places - aim;
	l->places = aim;
}

/* Hits are those of the last minute or so. */
static void report(const struct world *w, struct node *n)
{
	n->evict_age_s = cache_evict_age_s(&n->cache, w->now_us);
	n->miss_permille = n->watched_ms > 0 ? (uint16_t)(1000 * (1 - n->hit_ms / n->watched_ms)) : 0;
	n->watched_ms *= 1 - 1.0 / 60;
	n->hit_ms *= 1 - 1.0 / 60;
}

/* Once a second nodes report, and api nodes give back what they do not need. */
static void tick(struct world *w)
{
	for (unsigned n = 0; n < w->setup->nodes; n++) {
		report(w, &w->nodes[n]);
		for (unsigned api = 0; leases(w) && api < w->setup->apis; api++)
			lease_less(w, api, n);
	}
}

void world_advance(struct world *w, uint64_t now_us)
{
	w->now_us = now_us;
	while (w->changes_n > 0 && w->changes[w->changes_first].at_us + w->setup->age_us <= now_us) {
		see(w, &w->changes[w->changes_first]);
		w->changes_first = (w->changes_first + 1) % w->changes_room;
		w->changes_n--;
	}
	if (now_us >= w->tick_us) {
		tick(w);
		w->tick_us = now_us + SECOND_US;
	}
}

uint32_t world_own(const struct world *w, unsigned api, unsigned node, unsigned *window_s)
{
	*window_s = (unsigned)(w->setup->age_us / SECOND_US) + 1;
	return demand(w, api, node, *window_s);
}

uint32_t world_load(const struct world *w, unsigned api, unsigned node)
{
	unsigned window_s;
	return w->seen_load[node] + world_own(w, api, node, &window_s);
}

bool world_admit(struct world *w, const struct arrival *a, unsigned node, struct entered *out)
{
	struct node *n = &w->nodes[node];
	struct lease *l = &w->leases[a->api][node];
	tally_add(w->tallies[a->api], node, w->now_us / SECOND_US);
	if (leases(w) && l->places > 0) {
		l->places--;
		n->outstanding--;
	} else if (n->active + n->outstanding >= w->setup->capacity) {
		return false;
	}
	n->active++;
	if (leases(w) && l->places == 0 && l->ask_us == 0)
		l->ask_us = w->now_us + LEASE_RTT_US;
	if (n->active > n->active_max)
		n->active_max = n->active;
	if (n->active + n->outstanding > n->booked_max)
		n->booked_max = n->active + n->outstanding;
	struct elsewhere e = { w->seen_holders, 1ull << node };
	*out = cache_enter(&n->cache, a, w->variant == WITH_SPARES ? &e : NULL);
	n->watched_ms += a->watched_ms;
	n->hit_ms += out->hit_ms;
	if (out->evicted != NONE)
		tell(w, node, out->evicted, 0);
	if (out->filled)
		tell(w, node, a->content, 1);
	tell(w, node, NONE, n->active);
	return true;
}

void world_leave(struct world *w, uint32_t content, unsigned node)
{
	struct node *n = &w->nodes[node];
	n->active--;
	cache_leave(&n->cache, content, w->now_us);
	tell(w, node, NONE, n->active);
}

/* Places that were asked for have come by now. */
void world_lease(struct world *w, unsigned api)
{
	for (unsigned n = 0; leases(w) && n < w->setup->nodes; n++) {
		struct lease *l = &w->leases[api][n];
		if (l->places == 0 && l->ask_us != 0 && w->now_us >= l->ask_us)
			lease_more(w, api, n);
	}
}

bool world_has_headroom(const struct world *w)
{
	for (unsigned n = 0; n < w->setup->nodes; n++)
		if (w->nodes[n].active < w->setup->capacity)
			return true;
	return false;
}
