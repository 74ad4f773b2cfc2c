#include "node/origin/peer_choice.h"

#include "base/hash.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

uint64_t peer_rest_key(const struct node_id *id)
{
	uint64_t key = 0;
	for (size_t i = 0; i < NODE_ID_BYTES; i++)
		key = hash_mix(key ^ id->b[i]);
	return key;
}

void peer_pick_of(const struct view_node *n, struct peer_pick *out)
{
	out->id = n->id;
	(void)snprintf(out->url, sizeof(out->url), "%s", n->http_url);
	for (size_t len = strlen(out->url); len > 0 && out->url[len - 1] == '/'; len--)
		out->url[len - 1] = '\0';
}

static bool may_be_asked(const struct view_node *n)
{
	return !n->self && n->liveness == KVS_ALIVE && (n->state == NODE_READY || n->state == NODE_DRAINING) &&
	       n->http_url[0] != '\0';
}

/* Whether `a` is asked before `b`. */
static bool comes_before(const struct view_node *a, const struct view_node *b, uint64_t object_hash)
{
	if (a->has_load != b->has_load)
		return a->has_load;
	if (a->has_load) {
		uint64_t left = (uint64_t)a->load * (b->capacity > 0 ? b->capacity : 1);
		uint64_t right = (uint64_t)b->load * (a->capacity > 0 ? a->capacity : 1);
		if (left != right)
			return left < right;
	}
	return hash_mix(peer_rest_key(&a->id) ^ object_hash) < hash_mix(peer_rest_key(&b->id) ^ object_hash);
}

size_t peer_choose(const struct cluster_view *view, const struct node_id *holders, size_t holders_n,
    const struct rests *resting, uint64_t now_ms, uint64_t object_hash, struct peer_pick out[PEERS_ASKED_MAX])
{
	const struct view_node *best[PEERS_ASKED_MAX + 1];
	size_t n = 0;
	for (size_t i = 0; i < holders_n; i++) {
		const struct view_node *v = cluster_view_find(view, &holders[i]);
		if (v == NULL || !may_be_asked(v) || rests_has(resting, peer_rest_key(&v->id), now_ms))
			continue;
		size_t at = n;
		for (; at > 0 && comes_before(v, best[at - 1], object_hash); at--)
			best[at] = best[at - 1];
		best[at] = v;
		if (n < PEERS_ASKED_MAX)
			n++;
	}
	for (size_t i = 0; i < n; i++)
		peer_pick_of(best[i], &out[i]);
	return n;
}
