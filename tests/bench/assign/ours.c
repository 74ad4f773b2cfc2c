#include "sim.h"

#include "base/check.h"

static void choose_ours(struct world *w, const struct arrival *a, struct choice *out)
{
	static struct arena arena;
	if (arena.max == 0)
		arena_init(&arena, 1 << 20);
	arena_reset(&arena);
	struct assign_node nodes[NODES_MAX];
	uint64_t holders = w->seen_holders[a->content];
	world_lease(w, a->api);
	for (unsigned i = 0; i < w->setup->nodes; i++)
		nodes[i] = (struct assign_node){
			.id = w->ids[i],
			.state = ASSIGN_READY,
			.capacity = w->setup->capacity,
			.load = world_load(w, a->api, i),
			.age_ms = w->setup->age_us / 1000,
			.holder = (holders >> i & 1) != 0,
		};
	struct assign_request r = {
		.origin = BYTES_LIT("main"),
		.content = w->trace->names[a->content],
		.nodes = nodes,
		.nodes_n = w->setup->nodes,
	};
	struct assign_result got;
	CHECK(assign_decide(&r, &arena, &got) == OK);
	out->warm = got.outcome == ASSIGN_WARM;
	for (size_t i = 0; i < got.usable_n && out->n < 2; i++)
		out->nodes[out->n++] = got.candidates[i].node;
}

const struct policy policy_ours = { "ours", "Warmcast", choose_ours, true };
