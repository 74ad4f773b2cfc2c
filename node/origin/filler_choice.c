#include "node/origin/filler_choice.h"

#include "assign/assign.h"

static bool may_fill(const struct view_node *n, bool self_serves)
{
	bool serves = !n->self || self_serves;
	return serves && (n->roles & RPC_ROLE_DELIVERY) != 0 && n->capacity > 0 && n->liveness == KVS_ALIVE &&
	       n->state == NODE_READY && n->http_url[0] != '\0';
}

size_t filler_choose(const struct cluster_view *view, struct bytes origin, struct bytes content,
    const struct rests *resting, uint64_t now_ms, bool self_serves, struct arena *a,
    struct peer_pick out[FILLERS_ASKED_MAX])
{
	struct assign_node *nodes = arena_array(a, view->nodes_n, sizeof(*nodes));
	const struct view_node **known = arena_array(a, view->nodes_n, sizeof(const struct view_node *));
	uint32_t *order = arena_array(a, view->nodes_n, sizeof(*order));
	size_t nodes_n = 0, n = 0;
	if (nodes == NULL || known == NULL || order == NULL)
		return 0;
	for (size_t i = 0; i < view->nodes_n; i++) {
		const struct view_node *v = &view->nodes[i];
		if (!may_fill(v, self_serves))
			continue;
		known[nodes_n] = v;
		nodes[nodes_n++] = (struct assign_node){ .id = v->id, .capacity = v->capacity };
	}
	if (assign_rank(origin, content, nodes, nodes_n, a, order) != OK)
		return 0;
	for (size_t i = 0; i < nodes_n && n < FILLERS_ASKED_MAX; i++) {
		const struct view_node *v = known[order[i]];
		if (v->self)
			break;
		if (!rests_has(resting, peer_rest_key(&v->id), now_ms))
			peer_pick_of(v, &out[n++]);
	}
	return n;
}
