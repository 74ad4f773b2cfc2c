#include "assign/assign.h"

#include "assign/rendezvous.h"
#include "base/check.h"

#include <stdlib.h>

__extension__ typedef unsigned __int128 u128;

/* Who is asked first: the lower. */
enum tier { TIER_READY, TIER_JOINING, TIER_SUSPECT, TIERS };

/* One node as the sort sees it: all that orders it stands in it. */
struct key {
	bool usable;
	enum tier tier; /* of usable ones */
	bool other_zone;
	bool holder;
	bool over_bound;
	uint32_t load, capacity;
	struct rendezvous_score score;
	uint32_t node;
};

/* Load and capacity of the usable nodes that are compared with each other. */
struct share {
	uint64_t load, capacity;
};

static bool may_take(enum assign_state s, enum tier *tier)
{
	switch (s) {
	case ASSIGN_READY: *tier = TIER_READY; return true;
	case ASSIGN_JOINING: *tier = TIER_JOINING; return true;
	case ASSIGN_SUSPECT: *tier = TIER_SUSPECT; return true;
	case ASSIGN_DRAINING:
	case ASSIGN_DOWN:
	case ASSIGN_LEFT: return false;
	}
	UNREACHABLE();
}

static struct key make_key(const struct assign_request *r, uint32_t i, uint64_t seed)
{
	const struct assign_node *n = &r->nodes[i];
	struct key k = {
		.other_zone = r->zone.n > 0 && !bytes_eq(r->zone, n->zone),
		.holder = n->holder,
		.load = n->load,
		.capacity = n->capacity,
		.score = rendezvous_score(seed, &n->id, n->capacity),
		.node = i,
	};
	k.usable = may_take(n->state, &k.tier) && n->load < n->capacity;
	return k;
}

/* Mirrokni et al.: at most c times the mean, the viewer to come counted in; c = 5/4. Below an eighth of
 * its capacity no node is called loaded, or a few sessions would scatter a content over an idle cluster. */
static bool is_over_bound(const struct key *k, const struct share *s)
{
	if (k->load < k->capacity / 8)
		return false;
	return (u128)k->load * 4 * s->capacity >= (u128)5 * (s->load + 1) * k->capacity;
}

static void mark_over_bound(struct key *keys, size_t n)
{
	struct share shares[TIERS][2] = { 0 };
	for (size_t i = 0; i < n; i++) {
		if (!keys[i].usable)
			continue;
		struct share *s = &shares[keys[i].tier][keys[i].other_zone];
		s->load += keys[i].load;
		s->capacity += keys[i].capacity;
	}
	for (size_t i = 0; i < n; i++)
		if (keys[i].usable)
			keys[i].over_bound = is_over_bound(&keys[i], &shares[keys[i].tier][keys[i].other_zone]);
}

/* false sorts before true */
static int cmp_flag(bool a, bool b)
{
	return (a ? 1 : 0) - (b ? 1 : 0);
}

/* load / capacity, multiplied across; of usable nodes only, so capacity > 0 */
static int cmp_utilisation(const struct key *a, const struct key *b)
{
	uint64_t left = (uint64_t)a->load * b->capacity, right = (uint64_t)b->load * a->capacity;
	return left < right ? -1 : left > right;
}

/* The order in which nodes are tried (A1, A2, A4, A6); total, so the order of input does not matter. */
static int cmp_keys(const void *pa, const void *pb)
{
	const struct key *a = pa, *b = pb;
	int c = cmp_flag(!a->usable, !b->usable);
	if (c == 0 && a->usable) {
		c = (int)a->tier - (int)b->tier;
		if (c == 0)
			c = cmp_flag(a->other_zone, b->other_zone);
		if (c == 0)
			c = cmp_flag(!a->holder, !b->holder);
		if (c == 0)
			c = a->holder ? cmp_utilisation(a, b) : cmp_flag(a->over_bound, b->over_bound);
	}
	if (c == 0)
		c = rendezvous_cmp(&a->score, &b->score);
	return c;
}

static enum assign_reason why_not(const struct assign_node *n, const struct key *k, const struct key *taken)
{
	if (n->state == ASSIGN_DOWN)
		return ASSIGN_UNREACHABLE;
	if (n->state == ASSIGN_DRAINING || n->state == ASSIGN_LEFT)
		return ASSIGN_NOT_READY;
	if (!k->usable)
		return ASSIGN_NO_HEADROOM;
	if (k->tier != taken->tier)
		return k->tier == TIER_SUSPECT ? ASSIGN_UNREACHABLE : ASSIGN_NOT_READY;
	if (k->other_zone && !taken->other_zone)
		return ASSIGN_OTHER_ZONE;
	if (taken->holder && !k->holder)
		return ASSIGN_NOT_HOLDER;
	return ASSIGN_RANKED_LOWER;
}

/* Holders that are there but could not take the viewer make it a spill. One that drains still holds;
 * what is suspected, down or gone does not count; nor does another zone, when its nodes were left out. */
static bool has_living_holder(const struct assign_request *r, const struct key *keys, const struct key *taken)
{
	for (size_t i = 0; i < r->nodes_n; i++) {
		enum assign_state s = r->nodes[keys[i].node].state;
		bool alive = s == ASSIGN_READY || s == ASSIGN_JOINING || s == ASSIGN_DRAINING;
		bool left_out = keys[i].other_zone && !taken->other_zone;
		if (keys[i].holder && alive && !left_out)
			return true;
	}
	return false;
}

static void explain(const struct assign_request *r, const struct key *keys, struct assign_result *out)
{
	const struct key *taken = &keys[0];
	for (size_t i = 0; i < r->nodes_n; i++) {
		bool is_taken = i == 0 && taken->usable;
		out->candidates[i] = (struct assign_candidate){
			.node = keys[i].node,
			.reason = is_taken ? ASSIGN_TAKEN : why_not(&r->nodes[keys[i].node], &keys[i], taken),
		};
		if (keys[i].usable)
			out->usable_n = i + 1;
	}
	if (out->usable_n == 0)
		return;
	out->node = taken->node;
	if (taken->holder)
		out->outcome = ASSIGN_WARM;
	else
		out->outcome = has_living_holder(r, keys, taken) ? ASSIGN_SPILL : ASSIGN_COLD;
}

enum err assign_decide(const struct assign_request *r, struct arena *a, struct assign_result *out)
{
	CHECK(r->nodes_n <= UINT32_MAX);
	size_t n = r->nodes_n;
	uint64_t seed;
	enum err e = rendezvous_seed(r->origin, r->content, a, &seed);
	if (e != OK)
		return e;
	struct key *keys = arena_array(a, n, sizeof(*keys));
	struct assign_result result = {
		.outcome = ASSIGN_REFUSED,
		.candidates = arena_array(a, n, sizeof(*result.candidates)),
		.candidates_n = n,
	};
	if (keys == NULL || result.candidates == NULL)
		return ERR_NO_MEMORY;
	for (size_t i = 0; i < n; i++)
		keys[i] = make_key(r, (uint32_t)i, seed);
	mark_over_bound(keys, n);
	if (n > 0) {
		qsort(keys, n, sizeof(*keys), cmp_keys);
		explain(r, keys, &result);
	}
	*out = result;
	return OK;
}

/* -- rank alone -- */

struct ranked {
	struct rendezvous_score score; /* first: what the comparison sees */
	uint32_t node;
};

static int cmp_ranked(const void *a, const void *b)
{
	return rendezvous_cmp(&((const struct ranked *)a)->score, &((const struct ranked *)b)->score);
}

enum err assign_rank(struct bytes origin, struct bytes content, const struct assign_node *nodes,
    size_t nodes_n, struct arena *a, uint32_t *order)
{
	CHECK(nodes_n <= UINT32_MAX);
	uint64_t seed;
	enum err e = rendezvous_seed(origin, content, a, &seed);
	if (e != OK)
		return e;
	struct ranked *ranked = arena_array(a, nodes_n, sizeof(*ranked));
	if (ranked == NULL)
		return ERR_NO_MEMORY;
	for (size_t i = 0; i < nodes_n; i++)
		ranked[i] = (struct ranked){ rendezvous_score(seed, &nodes[i].id, nodes[i].capacity), (uint32_t)i };
	if (nodes_n > 0)
		qsort(ranked, nodes_n, sizeof(*ranked), cmp_ranked);
	for (size_t i = 0; i < nodes_n; i++)
		order[i] = ranked[i].node;
	return OK;
}

/* -- words -- */

const char *assign_outcome_str(enum assign_outcome o)
{
	switch (o) {
	case ASSIGN_WARM: return "warm";
	case ASSIGN_SPILL: return "spill";
	case ASSIGN_COLD: return "cold";
	case ASSIGN_REFUSED: return "refused";
	}
	UNREACHABLE();
}

const char *assign_reason_str(enum assign_reason r)
{
	switch (r) {
	case ASSIGN_TAKEN: return "taken";
	case ASSIGN_RANKED_LOWER: return "ranked lower";
	case ASSIGN_NOT_HOLDER: return "not a holder";
	case ASSIGN_NO_HEADROOM: return "no headroom";
	case ASSIGN_NOT_READY: return "not ready";
	case ASSIGN_UNREACHABLE: return "unreachable";
	case ASSIGN_OTHER_ZONE: return "other zone";
	}
	UNREACHABLE();
}
