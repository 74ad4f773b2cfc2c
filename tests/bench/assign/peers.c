#include "sim.h"

#include "base/check.h"
#include "base/hash.h"

#include <stdlib.h>

enum { POINTS = 100 };

struct point {
	uint64_t at;
	unsigned node;
};

static bool seems_full(const struct world *w, const struct arrival *a, unsigned node)
{
	return world_load(w, a->api, node) >= w->setup->capacity;
}

static void take(struct choice *out, unsigned node)
{
	if (out->n < 2)
		out->nodes[out->n++] = node;
}

static bool is_taken(const struct choice *c, unsigned node)
{
	return c->n > 0 && c->nodes[0] == node;
}

static void choose_least(struct world *w, const struct arrival *a, struct choice *out)
{
	while (out->n < 2) {
		uint32_t least = w->setup->capacity;
		unsigned best = NODES_MAX, n = w->setup->nodes;
		/* Equal ones in turn, or the first node would get all. */
		for (unsigned i = 0, from = (unsigned)(hash_mix(a->at_us) % n); i < n; i++) {
			unsigned node = (from + i) % n;
			uint32_t load = world_load(w, a->api, node);
			if (load < least && !is_taken(out, node)) {
				least = load;
				best = node;
			}
		}
		if (best == NODES_MAX)
			return;
		take(out, best);
	}
}

/* Pairs, until one of them seems to have room. */
static void choose_two(struct world *w, const struct arrival *a, struct choice *out)
{
	struct prng p;
	prng_init(&p, a->at_us);
	for (unsigned tries = 0; tries < 1000 && out->n < 2; tries++) {
		unsigned x = (unsigned)prng_below(&p, w->setup->nodes), y = (unsigned)prng_below(&p, w->setup->nodes);
		unsigned best = world_load(w, a->api, x) <= world_load(w, a->api, y) ? x : y;
		if (!seems_full(w, a, best) && !is_taken(out, best))
			take(out, best);
	}
}

static int cmp_points(const void *pa, const void *pb)
{
	const struct point *a = pa, *b = pb;
	return a->at < b->at ? -1 : a->at > b->at;
}

static const struct point *ring_of(const struct world *w)
{
	static struct point ring[NODES_MAX * POINTS];
	static uint64_t made_for;
	static unsigned nodes;
	if (nodes == w->setup->nodes && made_for == w->setup->seed)
		return ring;
	nodes = w->setup->nodes;
	made_for = w->setup->seed;
	for (unsigned i = 0; i < nodes * POINTS; i++)
		ring[i] = (struct point){ hash_mix(hash_mix(made_for + 1 + i) + 1), i / POINTS };
	qsort(ring, (size_t)nodes * POINTS, sizeof(*ring), cmp_points);
	return ring;
}

/* The first on the ring, from the content on, that is under the limit. */
static void walk(struct world *w, const struct arrival *a, double limit, struct choice *out)
{
	const struct point *ring = ring_of(w);
	unsigned n = w->setup->nodes * POINTS, low = 0, high = n;
	uint64_t at = hash_mix(hash_mix(a->content + 1) + w->setup->seed);
	while (low < high) {
		unsigned middle = (low + high) / 2;
		if (ring[middle].at < at)
			low = middle + 1;
		else
			high = middle;
	}
	for (unsigned i = 0; i < n && out->n < 2; i++) {
		unsigned node = ring[(low + i) % n].node;
		if (world_load(w, a->api, node) < limit && !is_taken(out, node))
			take(out, node);
	}
}

static void choose_ring(struct world *w, const struct arrival *a, struct choice *out)
{
	walk(w, a, w->setup->capacity, out);
}

/* Mirrokni, Thorup and Zadimoghaddam, 2018: nobody above 1.25 times the mean, the one to come counted in. */
static void choose_bounded(struct world *w, const struct arrival *a, struct choice *out)
{
	uint64_t sum = 1;
	for (unsigned i = 0; i < w->setup->nodes; i++)
		sum += world_load(w, a->api, i);
	double limit = 1.25 * (double)sum / w->setup->nodes;
	walk(w, a, limit < w->setup->capacity ? limit : w->setup->capacity, out);
}

const struct policy policy_least = { "least", "least loaded", choose_least, NULL, PEER };
const struct policy policy_two = { "two", "two random choices", choose_two, NULL, PEER };
const struct policy policy_ring = { "ring", "consistent hashing", choose_ring, NULL, PEER };
const struct policy policy_bounded = { "bounded", "bounded loads, 1.25", choose_bounded, NULL, PEER };
