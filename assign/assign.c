#include "assign/assign.h"

#include "assign/rendezvous.h"
#include "base/check.h"
#include "base/hash.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

__extension__ typedef unsigned __int128 u128;

/* Who is asked first: the lower. */
enum tier { TIER_READY, TIER_JOINING, TIER_SUSPECT, TIERS };

/* The same among nodes of one tier and zone whose room is sure. Of the others all are alike. */
enum kind { KIND_HOLDER, KIND_UNDER_BOUND, KIND_OVER_BOUND, KINDS };

/* Tier, zone, sureness and class in one number: groups are tried in the order of these. */
enum { GROUPS = TIERS * 2 * 2 * KINDS, GROUP_UNUSABLE = GROUPS };

enum {
	WHOLE = 1000,
	AGE_ONE = 64, /* the mean */
	AGE_MAX = 4 * AGE_ONE,
	LITTLE_PART = 64, /* of its capacity: by so much fuller counts who holds little */
	DEPARTED_BITS = 20,
	HIT_MIN = 50, /* or a cold cache would never be given anything to warm up with */
};

/* What is known of one node. */
struct key {
	uint32_t node;
	uint32_t group;
	uint64_t load; /* expected */
	bool usable, sure, other_zone, picked;
	uint8_t tier; /* enum tier, of usable ones */
};

/* One node as it is compared with others. */
struct entry {
	struct key key;
	struct rendezvous_score score; /* where that orders its group */
	uint64_t lot;                  /* where load does: among the equally full the least is first */
};

/* Load and capacity of the usable nodes that are compared with each other. */
struct share {
	uint64_t load, capacity;
};

struct decision {
	const struct assign_request *r;
	struct key *keys; /* by node */
	struct share shares[TIERS][2];
	uint64_t seed;
	uint64_t departed;    /* unseen, of a capacity of 1 << DEPARTED_BITS */
	uint64_t evict_age_s; /* mean of those known; 0: of none */
	bool spill;           /* some living node holds it */
};

/* -- what is known of each node -- */

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

static bool holds_little(const struct assign_node *n)
{
	return n->holder && n->share_permille > 0 && n->share_permille < ASSIGN_SHARE_WARM_PERMILLE;
}

static bool has_sure_room(const struct assign_request *r, const struct assign_node *n, uint64_t load)
{
	uint64_t capacity = n->capacity;
	return n->places > 0 || load * WHOLE + capacity * r->reserve_permille < capacity * WHOLE;
}

/* Holders that are there but could not take the viewer make it a spill. One that drains still holds;
 * what is suspected, down or gone does not count. */
static bool is_living_holder(const struct assign_node *n)
{
	bool is_alive = n->state == ASSIGN_READY || n->state == ASSIGN_JOINING || n->state == ASSIGN_DRAINING;
	return n->holder && is_alive && !holds_little(n);
}

/* A report that is old misses departures too. In a cluster that neither fills nor empties they are as many
 * as the arrivals: of what the average node was given, half is taken to be made up for by them. */
static uint64_t expected_load(const struct decision *d, const struct assign_node *n)
{
	uint64_t departed = n->capacity * d->departed >> DEPARTED_BITS;
	return (uint64_t)n->load + (n->unseen > departed ? n->unseen - departed : 0);
}

static void look_at(struct decision *d, uint32_t i)
{
	const struct assign_node *n = &d->r->nodes[i];
	struct key *k = &d->keys[i];
	k->node = i;
	k->picked = false;
	k->load = expected_load(d, n);
	k->other_zone = d->r->zone.n > 0 && !bytes_eq(d->r->zone, n->zone);
	bool has_room = n->places > 0 || n->load < n->capacity;
	enum tier tier = TIER_READY;
	k->usable = may_take(n->state, &tier) && has_room && n->capacity > 0;
	k->tier = (uint8_t)tier;
	d->spill |= is_living_holder(n);
	if (!k->usable)
		return;
	k->sure = has_sure_room(d->r, n, k->load);
	struct share *s = &d->shares[k->tier][k->other_zone];
	s->load += k->load;
	s->capacity += n->capacity;
}

static void sum_up(struct decision *d)
{
	uint64_t ages_s = 0, ages_n = 0, unseen = 0, capacity = 0;
	for (size_t i = 0; i < d->r->nodes_n; i++) {
		const struct assign_node *n = &d->r->nodes[i];
		if (n->capacity > 0) {
			unseen += n->unseen;
			capacity += n->capacity;
		}
		if (n->evict_age_s > 0 && n->evict_age_s != ASSIGN_CACHE_NOT_FULL) {
			ages_s += n->evict_age_s;
			ages_n++;
		}
	}
	if (unseen > 0) {
		uint64_t departed = (uint64_t)(((u128)unseen << DEPARTED_BITS) / (2 * capacity));
		d->departed = departed < UINT32_MAX ? departed : UINT32_MAX;
	}
	d->evict_age_s = ages_n > 0 ? (ages_s + ages_n - 1) / ages_n : 0;
}

/* -- which group it belongs to -- */

/* Mirrokni et al.: at most c times the mean, the viewer to come counted in; c = 5/4. Below an eighth of
 * its capacity no node is called loaded, or a few sessions would scatter a content over an idle cluster. */
static bool is_over_bound(const struct decision *d, const struct key *k)
{
	uint32_t capacity = d->r->nodes[k->node].capacity;
	const struct share *s = &d->shares[k->tier][k->other_zone];
	if (k->load < capacity / 8)
		return false;
	return (u128)k->load * 4 * s->capacity >= (u128)5 * (s->load + 1) * capacity;
}

static enum kind kind_of(const struct decision *d, const struct key *k)
{
	if (!k->sure || d->r->nodes[k->node].holder)
		return KIND_HOLDER;
	return is_over_bound(d, k) ? KIND_OVER_BOUND : KIND_UNDER_BOUND;
}

static uint32_t group_of(const struct decision *d, const struct key *k)
{
	if (!k->usable)
		return GROUP_UNUSABLE;
	uint32_t before = ((uint32_t)k->tier * 2 + k->other_zone) * 2 + !k->sure;
	return before * KINDS + kind_of(d, k);
}

/* -- the order within a group -- */

/* What a placement there costs the caches, as a factor: hit ratio times the cube of the age, and of a spill
 * times the square of the free share; 32 bits. */
static uint64_t cost_factor(
    const struct decision *d, const struct assign_node *n, uint64_t load, uint32_t miss_permille)
{
	uint64_t hit = miss_permille < WHOLE - HIT_MIN ? WHOLE - miss_permille : HIT_MIN;
	uint64_t age = AGE_ONE, age_max = AGE_ONE + (AGE_MAX - AGE_ONE) * hit / WHOLE;
	if (n->evict_age_s == ASSIGN_CACHE_NOT_FULL)
		age = n->miss_permille > 0 ? AGE_MAX : AGE_ONE; /* it has just started: nothing is measured yet */
	else if (n->evict_age_s > 0)
		age = (uint64_t)n->evict_age_s * AGE_ONE / d->evict_age_s;
	age = age > age_max ? age_max : age;
	uint64_t factor = hit * age * age * age / 4; /* below 2^32 */
	if (d->spill) {
		uint64_t free = load < n->capacity ? (n->capacity - load) * WHOLE / n->capacity : 0;
		factor = factor * free * free / (WHOLE * WHOLE);
	}
	return factor + 1;
}

static struct rendezvous_score score_if(const struct decision *d, const struct key *k, uint32_t miss_permille)
{
	const struct assign_node *n = &d->r->nodes[k->node];
	return rendezvous_score(d->seed, &n->id, n->capacity * cost_factor(d, n, k->load, miss_permille));
}

static struct rendezvous_score score_of(const struct decision *d, const struct key *k)
{
	return score_if(d, k, d->r->nodes[k->node].miss_permille);
}

/* Load / capacity, multiplied across; of usable nodes only, so capacity > 0 */
static int cmp_utilisation(
    const struct assign_node *a, uint64_t a_load, const struct assign_node *b, uint64_t b_load)
{
	uint64_t left = a_load * b->capacity, right = b_load * a->capacity;
	return left < right ? -1 : left > right;
}

static uint64_t handicapped(const struct assign_node *n, const struct key *k)
{
	return k->sure && holds_little(n) ? k->load + n->capacity / LITTLE_PART : k->load;
}

/* Holders, or all whose room is not sure. */
static bool is_by_load(const struct key *k)
{
	return k->usable && k->group % KINDS == KIND_HOLDER;
}

/* Spreads the contents over nodes that are equally full, the same way on each api node. */
static uint64_t lot_of(const struct decision *d, const struct node_id *id)
{
	uint64_t words[NODE_ID_BYTES / sizeof(uint64_t)];
	memcpy(words, id->b, sizeof(words));
	return hash_mix(d->seed ^ le64toh(words[0]) ^ hash_mix(le64toh(words[1])));
}

static struct entry entry_of(const struct decision *d, const struct key *k)
{
	struct entry e = { .key = *k };
	if (is_by_load(k))
		e.lot = lot_of(d, &d->r->nodes[k->node].id);
	else
		e.score = score_of(d, k);
	return e;
}

static int cmp_by_load(const struct decision *d, const struct entry *a, const struct entry *b)
{
	const struct assign_node *na = &d->r->nodes[a->key.node], *nb = &d->r->nodes[b->key.node];
	int c = cmp_utilisation(na, handicapped(na, &a->key), nb, handicapped(nb, &b->key));
	if (c != 0)
		return c;
	return a->lot != b->lot ? (a->lot < b->lot ? -1 : 1) : node_id_cmp(&na->id, &nb->id);
}

/* The order in which nodes are tried (A1, A2, A4, A6); total, so the order of input does not matter. */
static int cmp_entries(const void *pa, const void *pb, void *context)
{
	const struct decision *d = context;
	const struct entry *a = pa, *b = pb;
	if (a->key.group != b->key.group)
		return a->key.group < b->key.group ? -1 : 1;
	return is_by_load(&a->key) ? cmp_by_load(d, a, b) : rendezvous_cmp(&a->score, &b->score);
}

/* -- the best few, without ordering the rest -- */

/* The last group that is needed for so many. */
static uint32_t last_group(const struct decision *d, size_t wanted)
{
	size_t counts[GROUPS] = { 0 }, sum = 0;
	if (d->r->nodes_n <= wanted)
		return GROUPS - 1;
	for (size_t i = 0; i < d->r->nodes_n; i++)
		if (d->keys[i].usable)
			counts[d->keys[i].group]++;
	for (uint32_t g = 0; g < GROUPS; g++) {
		sum += counts[g];
		if (sum >= wanted)
			return g;
	}
	return GROUPS - 1;
}

/* The best ASSIGN_BEST usable nodes, in order; how many there are. */
static size_t pick_best(struct decision *d, struct entry best[ASSIGN_BEST])
{
	uint32_t last = last_group(d, ASSIGN_BEST);
	size_t n = 0;
	for (size_t i = 0; i < d->r->nodes_n; i++) {
		if (d->keys[i].group > last)
			continue;
		struct entry e = entry_of(d, &d->keys[i]);
		size_t at = n;
		while (at > 0 && cmp_entries(&e, &best[at - 1], d) < 0)
			at--;
		if (at == ASSIGN_BEST)
			continue;
		n += n < ASSIGN_BEST;
		memmove(&best[at + 1], &best[at], (n - 1 - at) * sizeof(best[0]));
		best[at] = e;
	}
	return n;
}

/* -- why -- */

static enum assign_reason why_lower(const struct decision *d, const struct key *k, const struct entry *first)
{
	const struct key *taken = &first->key;
	const struct assign_node *n = &d->r->nodes[k->node], *t = &d->r->nodes[taken->node];
	if (!k->sure && taken->sure)
		return ASSIGN_ROOM_UNSURE;
	if (!taken->sure)
		return ASSIGN_RANKED_LOWER;
	if (t->holder && !n->holder)
		return ASSIGN_NOT_HOLDER;
	if (n->holder) {
		bool is_freer = cmp_utilisation(n, k->load, t, taken->load) < 0;
		return is_freer ? ASSIGN_HOLDS_LITTLE : ASSIGN_RANKED_LOWER;
	}
	if (k->group > taken->group)
		return ASSIGN_OVER_BOUND;
	if (n->miss_permille <= t->miss_permille)
		return ASSIGN_RANKED_LOWER;
	struct rendezvous_score if_warm = score_if(d, k, t->miss_permille);
	return rendezvous_cmp(&if_warm, &first->score) < 0 ? ASSIGN_CACHE_COLD : ASSIGN_RANKED_LOWER;
}

static enum assign_reason why_not(const struct decision *d, const struct key *k, const struct entry *first)
{
	const struct key *taken = &first->key;
	switch (d->r->nodes[k->node].state) {
	case ASSIGN_DOWN: return ASSIGN_UNREACHABLE;
	case ASSIGN_DRAINING: return ASSIGN_IS_DRAINING;
	case ASSIGN_LEFT: return ASSIGN_NOT_READY;
	case ASSIGN_READY:
	case ASSIGN_JOINING:
	case ASSIGN_SUSPECT: break;
	}
	if (!k->usable)
		return ASSIGN_NO_HEADROOM;
	if (k->tier != taken->tier)
		return k->tier == TIER_SUSPECT ? ASSIGN_IS_SUSPECTED : ASSIGN_NOT_READY;
	if (k->other_zone && !taken->other_zone)
		return ASSIGN_OTHER_ZONE;
	return why_lower(d, k, first);
}

/* Another zone does not count when its nodes were left out. */
static bool has_living_holder(const struct decision *d, bool other_zone)
{
	for (size_t i = 0; i < d->r->nodes_n; i++)
		if ((other_zone || !d->keys[i].other_zone) && is_living_holder(&d->r->nodes[d->keys[i].node]))
			return true;
	return false;
}

static void set_outcome(const struct decision *d, const struct key *taken, struct assign_result *out)
{
	const struct assign_node *n = &d->r->nodes[taken->node];
	out->node = taken->node;
	if (n->holder && !holds_little(n))
		out->outcome = ASSIGN_WARM;
	else
		out->outcome = has_living_holder(d, taken->other_zone) ? ASSIGN_SPILL : ASSIGN_COLD;
}

/* Every candidate in order (A5). */
static void explain(struct decision *d, struct entry *entries, struct assign_result *out)
{
	size_t n = d->r->nodes_n;
	for (size_t i = 0; i < n; i++)
		entries[i] = entry_of(d, &d->keys[i]);
	qsort_r(entries, n, sizeof(*entries), cmp_entries, d);
	for (size_t i = 0; i < n; i++) {
		const struct key *k = &entries[i].key;
		bool is_taken = i == 0 && k->usable;
		out->candidates[i] =
		    (struct assign_candidate){ k->node, is_taken ? ASSIGN_TAKEN : why_not(d, k, &entries[0]) };
		if (k->usable)
			out->usable_n = i + 1;
	}
	out->candidates_n = n;
	out->ordered_n = out->usable_n;
	if (out->usable_n > 0)
		set_outcome(d, &entries[0].key, out);
}

/* Adds those that could take the viewer, or could not, and are not there yet. */
static void add_rest(struct decision *d, const struct entry *first, bool usable, struct assign_result *out)
{
	for (size_t i = 0; i < d->r->nodes_n; i++) {
		const struct key *k = &d->keys[i];
		if (k->usable == usable && !k->picked)
			out->candidates[out->candidates_n++] = (struct assign_candidate){ k->node, why_not(d, k, first) };
	}
}

/* The best few in order, the others as they come. */
static void decide(struct decision *d, struct entry *best, struct assign_result *out)
{
	size_t n = pick_best(d, best);
	for (size_t i = 0; i < n; i++) {
		const struct key *k = &best[i].key;
		d->keys[k->node].picked = true;
		out->candidates[i] =
		    (struct assign_candidate){ k->node, i == 0 ? ASSIGN_TAKEN : why_not(d, k, &best[0]) };
	}
	out->candidates_n = out->ordered_n = n;
	add_rest(d, &best[0], true, out);
	out->usable_n = out->candidates_n;
	add_rest(d, &best[0], false, out);
	if (n > 0)
		set_outcome(d, &best[0].key, out);
}

enum err assign_decide(const struct assign_request *r, struct arena *a, struct assign_result *out)
{
	CHECK(r->nodes_n <= UINT32_MAX);
	struct decision d = { .r = r };
	enum err e = rendezvous_seed(r->origin, r->content, a, &d.seed);
	if (e != OK)
		return e;
	struct assign_result result = { .outcome = ASSIGN_REFUSED };
	struct entry *entries = arena_array(a, r->explain ? r->nodes_n : ASSIGN_BEST, sizeof(*entries));
	d.keys = arena_array(a, r->nodes_n, sizeof(*d.keys));
	result.candidates = arena_array(a, r->nodes_n, sizeof(*result.candidates));
	if (entries == NULL || d.keys == NULL || result.candidates == NULL)
		return ERR_NO_MEMORY;
	sum_up(&d);
	for (size_t i = 0; i < r->nodes_n; i++)
		look_at(&d, (uint32_t)i);
	for (size_t i = 0; i < r->nodes_n; i++)
		d.keys[i].group = group_of(&d, &d.keys[i]);
	if (r->explain)
		explain(&d, entries, &result);
	else
		decide(&d, entries, &result);
	*out = result;
	return OK;
}

uint32_t assign_unseen(uint32_t own, uint32_t other_api_nodes, uint64_t age_ms, uint64_t window_ms)
{
	CHECK(window_ms > 0);
	if (own == 0)
		return 0;
	u128 unseen = (u128)own * other_api_nodes * (age_ms < window_ms ? age_ms : window_ms) / window_ms;
	return unseen < UINT32_MAX ? (uint32_t)unseen : UINT32_MAX;
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
	case ASSIGN_IS_DRAINING: return "draining";
	case ASSIGN_IS_SUSPECTED: return "suspected";
	case ASSIGN_HOLDS_LITTLE: return "holds too little";
	case ASSIGN_ROOM_UNSURE: return "room not sure";
	case ASSIGN_OVER_BOUND: return "over the load bound";
	case ASSIGN_CACHE_COLD: return "cache is cold";
	}
	UNREACHABLE();
}
