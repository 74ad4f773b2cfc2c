#include "kvs/tree.h"

#include "kvs/out.h"
#include "kvs/rules.h"

unsigned tree_bucket(const struct node_id *owner)
{
	return owner->b[0] % KVS_BUCKETS;
}

uint64_t tree_first(const struct kvs *k)
{
	return k->mesh ? 0 : UINT64_MAX;
}

static uint64_t bit(const struct node_id *owner)
{
	return 1ull << tree_bucket(owner);
}

static bool is_neighbour(const struct kvs *k, const struct node_id *owner)
{
	for (size_t i = 0; i < k->links_n; i++)
		if (k->links[i]->near && node_id_eq(&k->links[i]->member->id, owner))
			return true;
	return false;
}

bool tree_pushes(const struct kvs *k, const struct kvs_link *link, const struct replica *r)
{
	if (node_id_eq(&link->member->id, &r->owner))
		return false;
	bool ours = node_id_eq(&r->owner, &k->cfg.self);
	if (k->mesh && (ours || !is_neighbour(k, &r->owner)))
		return true;
	return (link->eager & bit(&r->owner)) != 0;
}

static void say(struct kvs *k, struct kvs_link *link, uint64_t prune, uint64_t graft)
{
	if (link->tree == NULL)
		link->tree = out_send(k, link, RPC_TREE, false);
	k->asked = true;
	if (link->tree == NULL)
		return; /* the next duplicate or miss says it again */
	link->tree->tree.prune = (link->tree->tree.prune | prune) & ~graft;
	link->tree->tree.graft = (link->tree->tree.graft | graft) & ~prune;
}

void tree_on_news(struct kvs *k, struct kvs_link *link, const struct node_id *owner)
{
	link->duplicates[tree_bucket(owner)] = 0;
	k->misses[tree_bucket(owner)] = 0;
}

void tree_on_duplicate(struct kvs *k, struct kvs_link *link, const struct node_id *owner)
{
	uint8_t *n = &link->duplicates[tree_bucket(owner)];
	if (!link->near || !kvs_rule_prunes(++*n))
		return;
	*n = 0;
	link->eager &= ~bit(owner);
	say(k, link, bit(owner), 0);
}

void tree_on_miss(struct kvs *k, struct kvs_link *link, const struct node_id *owner)
{
	uint8_t *n = &k->misses[tree_bucket(owner)];
	if (!link->near || !kvs_rule_grafts(++*n))
		return;
	*n = 0;
	link->eager |= bit(owner);
	say(k, link, 0, bit(owner));
}

void tree_on_message(struct kvs_link *link, uint64_t prune, uint64_t graft)
{
	link->eager = (link->eager & ~prune) | graft;
}
