#include "kvs/drains.h"

#include <stdlib.h>
#include <string.h>

void drains_fini(struct kvs *k)
{
	free(k->commands.drains);
}

/* Where that node's is, or belongs. */
static size_t lower(const struct kvs *k, const struct node_id *node)
{
	const struct commands *c = &k->commands;
	size_t low = 0, high = c->drains_n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (node_id_cmp(&c->drains[middle].subject, node) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static const struct drain_order *find(const struct kvs *k, const struct node_id *node)
{
	size_t at = lower(k, node);
	bool there = at < k->commands.drains_n && node_id_eq(&k->commands.drains[at].subject, node);
	return there ? &k->commands.drains[at] : NULL;
}

static struct node_id subject_of(const struct rpc_command *c)
{
	struct node_id id;
	memcpy(id.b, c->subject.p, NODE_ID_BYTES); /* the codec's limit */
	return id;
}

void drains_add(struct kvs *k, const struct rpc_command_id *id, const struct rpc_command *what)
{
	struct commands *c = &k->commands;
	struct drain_order o = {
		.subject = subject_of(what), .at = what->at, .id = *id, .drain = what->kind == RPC_COMMAND_DRAIN
	};
	size_t at = lower(k, &o.subject);
	if (at == c->drains_n || !node_id_eq(&c->drains[at].subject, &o.subject)) {
		if (c->drains_n == KVS_DRAINS_MAX)
			return;
		c->drains = kvs_grow(c->drains, &c->drains_cap, c->drains_n + 1, sizeof(*c->drains));
		memmove(c->drains + at + 1, c->drains + at, (c->drains_n - at) * sizeof(*c->drains));
		c->drains_n++;
	} else if (rpc_command_cmp(c->drains[at].at, &c->drains[at].id, o.at, &o.id) >= 0) {
		return;
	}
	c->drains[at] = o;
}

bool drains_is_over(
    const struct kvs *k, const struct rpc_command_id *id, const struct rpc_command *c, uint64_t wall_ms)
{
	struct node_id subject = subject_of(c);
	const struct drain_order *latest = find(k, &subject);
	if (latest != NULL && rpc_command_cmp(latest->at, &latest->id, c->at, id) > 0)
		return true;
	return c->kind == RPC_COMMAND_UNDRAIN && c->at.wall_ms + KVS_PURGE_KEPT_MS < wall_ms;
}

bool kvs_drain_ordered(const struct kvs *k, const struct node_id *node)
{
	const struct drain_order *o = find(k, node);
	return o != NULL && o->drain;
}
