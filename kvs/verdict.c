#include "kvs/verdict.h"

#include "base/check.h"

/* The end of the work list. */
static const uint32_t NONE = UINT32_MAX;

static bool has_claim_of(const struct verdict_node *node, size_t watcher)
{
	return (node->claims >> watcher & 1) != 0;
}

static size_t claims_on(const struct verdict_node *node)
{
	return (size_t)__builtin_popcount(node->claims);
}

/* On this or a former life. */
static bool answers(uint32_t who, const struct verdict_node *on)
{
	for (size_t i = 0; i < on->watchers_n; i++)
		if (on->watchers[i] == who)
			return ((on->claims | on->former) >> i & 1) != 0;
	return false;
}

static bool claims(uint32_t who, const struct verdict_node *on)
{
	for (size_t i = 0; i < on->watchers_n; i++)
		if (on->watchers[i] == who)
			return has_claim_of(on, i);
	return false;
}

static void start(struct verdict_node *nodes, size_t n, uint32_t at)
{
	CHECK(at < n);
	struct verdict_node *node = &nodes[at];
	CHECK(node->watchers_n <= RING_NEIGHBOURS_MAX && (node->claims | node->former) >> node->watchers_n == 0);
	node->down = node->waiting = false;
	node->unanswered = 0;
	for (size_t i = 0; i < node->watchers_n; i++) {
		CHECK(node->watchers[i] < n);
		if (has_claim_of(node, i) && !answers(at, &nodes[node->watchers[i]]))
			node->unanswered++;
	}
}

/* The watcher is not down and does not claim the node: then a claim of the node's on it is unanswered. */
static bool is_witness(const struct verdict_node *nodes, uint32_t watcher, uint32_t node)
{
	const struct verdict_node *w = &nodes[watcher];
	if (w->claims == 0)
		return true;
	return w->unanswered == (claims(node, w) ? 1 : 0);
}

static bool is_down(const struct verdict_node *nodes, uint32_t at)
{
	const struct verdict_node *node = &nodes[at];
	size_t c = claims_on(node), l = 0;
	bool witnessed = false;
	for (size_t i = 0; i < node->watchers_n; i++) {
		if (nodes[node->watchers[i]].down)
			continue;
		l++;
		witnessed = witnessed || (!has_claim_of(node, i) && is_witness(nodes, node->watchers[i], at));
	}
	size_t half = (l + 1) / 2;
	return (c >= 2 && c >= (half < 3 ? half : 3)) || (c >= 1 && !witnessed);
}

/* A node without a claim cannot fall. */
static void look_at(struct verdict_node *nodes, uint32_t *first, uint32_t at)
{
	struct verdict_node *node = &nodes[at];
	if (node->waiting || node->down || node->claims == 0)
		return;
	node->waiting = true;
	node->next = *first;
	*first = at;
}

void verdict_all(struct verdict_node *nodes, size_t n, const uint32_t *listed, size_t listed_n)
{
	uint32_t first = NONE;
	CHECK(n < NONE);
	for (size_t i = 0; i < listed_n; i++)
		start(nodes, n, listed[i]);
	for (size_t i = 0; i < listed_n; i++)
		look_at(nodes, &first, listed[i]);
	while (first != NONE) {
		uint32_t at = first;
		struct verdict_node *node = &nodes[at];
		first = node->next;
		node->waiting = false;
		if (!is_down(nodes, at))
			continue;
		node->down = true;
		for (size_t i = 0; i < node->watchers_n; i++)
			look_at(nodes, &first, node->watchers[i]);
	}
}
