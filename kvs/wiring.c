#include "kvs/wiring.h"

#include "base/check.h"
#include "kvs/dials.h"
#include "kvs/sync.h"
#include "kvs/watch.h"

#include <string.h>

enum {
	SEEDS_FIRST_MS = 30 * 1000,
	SEEDS_EVERY_MS = 60 * 1000,
	GUEST_EVERY_MS = 60 * 1000,
	VISIT_MS = 5 * 1000, /* of a guest, or at a seed */
	GUEST_TRIES = 8,
	LAZY_BEATS = 20,  /* heartbeats of a link that nobody watches over */
	YOUNG_BEATS = 40, /* the ends may not agree yet on who watches whom */
	LISTEN_BEATS = 24,
	LONELY_LINKS = 3,
	DEAF_BEATS = 60, /* a link on which nothing came for that long leads nowhere */
};

static uint64_t about(struct kvs *k, uint64_t ms)
{
	return k->now_ms + ms - ms / 4 + prng_below(&k->prng, ms / 2 + 1);
}

/* -- purposes -- */

static void wire(struct kvs *k, struct member *m, enum wire purpose, bool on)
{
	uint8_t was = m->wires, is = (uint8_t)(on ? was | purpose : was & ~purpose);
	if (is == was)
		return;
	m->wires = is;
	if ((was == 0) != (is == 0))
		dials_follow(k, m);
}

static bool serves(const struct kvs *k, const struct member *m)
{
	return (k->reg->roles & RPC_ROLE_API) != 0 && m->reg != NULL &&
	       (m->reg->roles & RPC_ROLE_DELIVERY) != 0 && m->liveness != KVS_DOWN;
}

void wiring_follow(struct kvs *k, struct member *m)
{
	if (m == k->self)
		return;
	wire(k, m, WIRE_SERVICE, serves(k, m));
	dials_follow(k, m); /* the address may be another */
}

/* -- neighbours -- */

static bool is_gone(void *arg, const void *member)
{
	const struct member *m = member;
	(void)arg;
	return m->liveness == KVS_DOWN;
}

static void set_near(struct kvs *k, void *const near[], size_t n)
{
	for (size_t i = 0; i < k->near_n; i++)
		k->near[i]->is_near = false;
	for (size_t i = 0; i < n; i++)
		((struct member *)near[i])->is_near = true;
	for (size_t i = 0; i < k->near_n; i++)
		if (!k->near[i]->is_near)
			wire(k, k->near[i], WIRE_NEAR, false);
	for (size_t i = 0; i < n; i++) {
		k->near[i] = near[i];
		wire(k, k->near[i], WIRE_NEAR, true);
	}
	k->near_n = n;
}

static void set_watched(struct kvs *k, void *const watched[], size_t n)
{
	struct member *before[RING_NEIGHBOURS_MAX];
	size_t before_n = k->watches_n;
	for (size_t i = 0; i < before_n; i++)
		before[i] = k->watches[i]->member;
	watch_set(k, watched, n);
	for (size_t i = 0; i < before_n; i++)
		if (before[i]->watch == NULL)
			wire(k, before[i], WIRE_WATCHED, false);
	for (size_t i = 0; i < n; i++)
		wire(k, watched[i], WIRE_WATCHED, true);
}

void wiring_changed(struct kvs *k)
{
	k->near_stale = true;
}

bool wiring_refresh(struct kvs *k)
{
	if (!k->near_stale)
		return false;
	k->near_stale = false;
	void *found[RING_NEIGHBOURS_MAX];
	set_watched(k, found, ring_neighbours(&k->ring, &k->cfg.self, NULL, NULL, found));
	set_near(k, found, ring_neighbours(&k->ring, &k->cfg.self, is_gone, NULL, found));
	return true;
}

/* -- when few are reached -- */

/* Links that exist say little: something has to come over them. */
static bool is_lonely(const struct kvs *k)
{
	size_t reached = 0, others = ring_size(&k->ring) - (k->self->in_ring ? 1 : 0);
	for (size_t i = 0; i < k->links_n; i++)
		reached += k->now_ms - k->links[i]->heard_ms <= LISTEN_BEATS * (uint64_t)k->cfg.heartbeat_interval_ms;
	/* Of whom a node does not know that they are there it cannot know that it misses them. */
	return reached == 0 || (reached < LONELY_LINKS && (reached < others || !sync_is_caught_up(k)));
}

static void want_seed(struct kvs *k, size_t i, bool wanted)
{
	struct seed *s = &k->seeds[i];
	if (s->wanted == wanted || bytes_eq(bytes_str(s->address), k->reg->rpc_address))
		return;
	s->wanted = wanted;
	if (wanted)
		dials_want(k, s->address);
	else
		dials_unwant(k, s->address);
}

void wiring_on_refused(struct kvs *k, const char *address)
{
	for (size_t i = 0; i < k->seeds_n; i++)
		if (strcmp(k->seeds[i].address, address) == 0)
			k->seeds[i].refused = true;
}

bool wiring_is_alone(const struct kvs *k)
{
	for (size_t i = 0; i < k->seeds_n; i++)
		if (!k->seeds[i].refused && !bytes_eq(bytes_str(k->seeds[i].address), k->reg->rpc_address))
			return false;
	return k->members_n == 1;
}

static void want_seeds(struct kvs *k, bool wanted)
{
	for (size_t i = 0; i < k->seeds_n; i++)
		want_seed(k, i, wanted);
	k->seeding = wanted;
}

void wiring_start(struct kvs *k)
{
	want_seeds(k, true);
	timers_arm(&k->timers, &k->seeds_timer.t, about(k, SEEDS_FIRST_MS));
	timers_arm(&k->timers, &k->guest_timer.t, about(k, GUEST_EVERY_MS));
}

void wiring_on_seeds_timer(struct kvs *k)
{
	if (is_lonely(k)) {
		want_seeds(k, true);
		timers_arm(&k->timers, &k->seeds_timer.t, about(k, VISIT_MS));
	} else if (k->seeding) {
		want_seeds(k, false);
		timers_arm(&k->timers, &k->seeds_timer.t, about(k, SEEDS_EVERY_MS));
	} else if (k->seeds_n > 0) {
		want_seed(k, prng_below(&k->prng, k->seeds_n), true);
		k->seeding = true;
		timers_arm(&k->timers, &k->seeds_timer.t, about(k, VISIT_MS));
	}
}

static void invite_random(struct kvs *k)
{
	for (int i = 0; i < GUEST_TRIES; i++) {
		struct member *m = k->members[prng_below(&k->prng, k->members_n)];
		if (m == k->self || !m->in_ring || m->wires != 0 || m->links > 0)
			continue;
		wire(k, m, WIRE_GUEST, true);
		return;
	}
}

static void dismiss_all(struct kvs *k)
{
	for (size_t i = 0; i < k->members_n; i++)
		wire(k, k->members[i], WIRE_GUEST, false);
	k->guests = false;
}

void wiring_on_guest_timer(struct kvs *k)
{
	bool lonely = is_lonely(k), had = k->guests;
	/* Who reaches few keeps whom it finds. */
	if (had && !lonely)
		dismiss_all(k);
	if (!had || lonely) {
		invite_random(k);
		k->guests = true;
	}
	timers_arm(&k->timers, &k->guest_timer.t, about(k, k->guests ? VISIT_MS : GUEST_EVERY_MS));
}

/* -- links -- */

uint32_t wiring_beat_ms(const struct kvs *k, const struct kvs_link *link)
{
	uint32_t beat_ms = k->cfg.heartbeat_interval_ms;
	bool fast = link->member->watch != NULL || k->now_ms - link->since_ms < YOUNG_BEATS * (uint64_t)beat_ms;
	return fast ? beat_ms : LAZY_BEATS * beat_ms;
}

bool wiring_is_spare(const struct kvs *k, const struct kvs_link *link)
{
	if (k->now_ms - link->heard_ms > DEAF_BEATS * (uint64_t)k->cfg.heartbeat_interval_ms)
		return true;
	if (k->now_ms - link->since_ms < YOUNG_BEATS * (uint64_t)k->cfg.heartbeat_interval_ms)
		return false; /* its register may be on the way */
	return !is_lonely(k) && link->dialled && link->member->wires == 0 && !k->seeding &&
	       !timer_armed(&link->ask.t);
}
