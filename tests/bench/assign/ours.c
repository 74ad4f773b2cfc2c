#include "sim.h"

#include "base/check.h"
#include "node/tally.h"

static struct arena arena;

static bool has_bit(uint64_t bits, unsigned i)
{
	return (bits >> i & 1) != 0;
}

static void decide(struct world *w, const struct arrival *a, const struct assign_node *nodes,
    uint32_t reserve_permille, struct choice *out)
{
	struct assign_request r = {
		.origin = BYTES_LIT("main"),
		.content = w->trace->names[a->content],
		.nodes = nodes,
		.nodes_n = w->setup->nodes,
		.reserve_permille = reserve_permille,
	};
	struct assign_result got;
	arena_reset(&arena);
	CHECK(assign_decide(&r, &arena, &got) == OK);
	if (out->n == 0)
		out->warm = got.outcome == ASSIGN_WARM;
	if (got.outcome != ASSIGN_REFUSED)
		out->nodes[out->n++] = got.node;
}

static struct assign_node node_of(const struct world *w, const struct arrival *a, unsigned i)
{
	bool holds = has_bit(w->seen_holders[a->content], i);
	uint64_t then_us = a->at_us > w->setup->age_us ? a->at_us - w->setup->age_us : 0;
	return (struct assign_node){
		.id = w->ids[i],
		.state = ASSIGN_READY,
		.capacity = w->setup->capacity,
		.load = w->seen_load[i],
		.age_ms = w->setup->age_us / 1000,
		.holder = holds,
		.share_permille = holds ? cache_share_permille(&w->nodes[i].cache, a->content, then_us) : 0,
		.miss_permille = w->nodes[i].miss_permille,
		.evict_age_s = w->variant == WITHOUT_AGES ? 0 : w->nodes[i].evict_age_s,
	};
}

static void choose_ours(struct world *w, const struct arrival *a, struct choice *out)
{
	struct assign_node nodes[NODES_MAX];
	if (arena.max == 0)
		arena_init(&arena, 1 << 20);
	world_lease(w, a->api);
	for (unsigned i = 0; i < w->setup->nodes; i++) {
		nodes[i] = node_of(w, a, i);
		unsigned window_s;
		uint32_t own = world_own(w, a->api, i, &window_s);
		nodes[i].load += own;
		if (w->variant != WITHOUT_UNSEEN)
			nodes[i].unseen = assign_unseen(own, w->setup->apis - 1, nodes[i].age_ms, window_s * 1000);
		nodes[i].places = w->leases[a->api][i].places;
	}
	decide(w, a, nodes, 0, out);
}

/* The node that refused decides where to, by what it knows itself: it has no lease, and keeps away from all
 * that are nearly full, for the viewer is sent on only once. */
static void hop_ours(struct world *w, const struct arrival *a, unsigned refused_by, struct choice *out)
{
	struct assign_node nodes[NODES_MAX];
	unsigned window_s;
	for (unsigned i = 0; i < w->setup->nodes; i++) {
		nodes[i] = node_of(w, a, i);
		nodes[i].load += world_own(w, w->setup->apis + refused_by, i, &window_s);
	}
	nodes[refused_by].capacity = 0;
	decide(w, a, nodes, ASSIGN_HOP_RESERVE_PERMILLE, out);
	if (out->n == 2)
		tally_add(w->tallies[w->setup->apis + refused_by], out->nodes[1], w->now_us / 1000000);
}

const struct policy policy_ours = { "ours", "Warmcast", choose_ours, hop_ours, WITH_ALL };
/* What each part of it is worth. */
const struct policy policy_no_ages = { "no_ages", "- ages of caches", choose_ours, hop_ours, WITHOUT_AGES };
const struct policy policy_no_unseen = { "no_unseen", "- unseen load", choose_ours, hop_ours,
	WITHOUT_UNSEEN };
const struct policy policy_no_leases = { "no_leases", "- leases", choose_ours, hop_ours, WITHOUT_LEASES };
const struct policy policy_spares = { "spares", "+ spares evicted first", choose_ours, hop_ours,
	WITH_SPARES };
