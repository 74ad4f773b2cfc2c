#include "kvs/expel.h"

#include "kvs/commands.h"
#include "kvs/members.h"
#include "kvs/out.h"

#include <string.h>

enum { HEARD_MS = 1000, UNHEARD_MS = 5000 }; /* how long a new link stays, compared or not */

static bool stands_against(const struct expel *e, size_t n, const struct node_id *node)
{
	for (size_t i = 0; i < n; i++)
		if (e[i].stands && node_id_eq(&e[i].subject, node))
			return true;
	return false;
}

bool expel_has(const struct kvs *k, const struct node_id *node)
{
	return stands_against(k->commands.expels, k->commands.expels_n, node);
}

static void set_expelled(struct kvs *k, struct member *m, bool expelled)
{
	if (m->expelled == expelled)
		return;
	members_set_expelled(k, m, expelled);
	if (m == k->self)
		k->commands.self_expelled = expelled;
	k->commands.close_expelled |= expelled;
	if (expelled && k->out != NULL && !out_events_full(k))
		out_event(k, KVS_EVENT_NODE_EXPELLED, &m->id, "an operator's order", 0);
}

/* From scratch: one that comes late may stand before what was decided without it. */
static void decide(struct kvs *k)
{
	struct commands *c = &k->commands;
	for (size_t i = 0; i < c->expels_n; i++)
		c->expels[i].stands = !stands_against(c->expels, i, &c->expels[i].issuer);
	for (size_t i = 0; i < k->members_n; i++)
		set_expelled(k, k->members[i], expel_has(k, &k->members[i]->id));
}

void expel_add(struct kvs *k, const struct rpc_command_id *id, const struct rpc_command *what)
{
	struct commands *c = &k->commands;
	size_t at = 0;
	int order = 1;
	while (
	    at < c->expels_n && (order = rpc_command_cmp(c->expels[at].at, &c->expels[at].id, what->at, id)) < 0)
		at++;
	if ((at < c->expels_n && order == 0) || c->expels_n == KVS_EXPELS_MAX)
		return;
	struct expel e = { .id = *id, .at = what->at, .issuer = what->issuer };
	memcpy(e.subject.b, what->subject.p, NODE_ID_BYTES);
	c->expels = kvs_grow(c->expels, &c->expels_cap, c->expels_n + 1, sizeof(*c->expels));
	memmove(c->expels + at + 1, c->expels + at, (c->expels_n - at) * sizeof(*c->expels));
	c->expels[at] = e;
	c->expels_n++;
	decide(k);
}

void expel_hear(struct kvs *k, const struct node_id *by)
{
	if (expel_has(k, by))
		return;
	if (!k->commands.self_expelled && !out_events_full(k))
		out_event(k, KVS_EVENT_NODE_EXPELLED, &k->cfg.self, "a peer says so", 0);
	k->commands.self_expelled = true;
}

void expel_flush(struct kvs *k)
{
	if (!k->commands.close_expelled)
		return;
	k->commands.close_expelled = false;
	for (size_t i = 0; i < k->links_n; i++) {
		struct kvs_link *link = k->links[i];
		if (!link->member->expelled || link->closing)
			continue;
		uint64_t due_ms = link->since_ms + (link->compared ? HEARD_MS : UNHEARD_MS);
		if (k->now_ms >= due_ms)
			link->closing = out_close(k, link);
		if (!link->closing)
			commands_look_at(k, due_ms);
		k->commands.close_expelled |= !link->closing;
	}
}

bool kvs_expelled(const struct kvs *k)
{
	return k->commands.self_expelled;
}
