/* Leases (A3) between the cores and the links: an api node's purse is told what happens to delivery nodes,
 * and what it wants is sent; a delivery node's book answers over the link that asked. A node with both roles
 * lends to itself without a link.
 */
#include "base/timers.h"
#include "node/delivery/places.h"
#include "node/ev_control_state.h"

enum { COMMANDS_AT_ONCE = 64 };

static struct peer_link *peer_of_slot(struct control *c, uint32_t slot)
{
	for (size_t i = 0; i < c->peers_n; i++)
		if (c->peers[i].slot == slot)
			return &c->peers[i];
	return NULL;
}

/* -- the delivery node's side -- */

static void to_message(const struct lease_grant *g, struct rpc_msg *m)
{
	*m = (struct rpc_msg){ .kind = RPC_LEASE_GRANT };
	m->lease_grant = (struct rpc_lease_grant){
		.request = g->req_id,
		.incarnation = g->incarnation,
		.batch = g->batch,
		.places = g->limit,
		.life_ms = g->life_ms,
		.weight_kbps = g->weight_kbps,
		.active = g->active,
		.outstanding = g->outstanding,
		.capacity = g->capacity,
	};
}

static bool book_answers(struct control *c, const struct node_id *api, struct incarnation incarnation,
    uint64_t req_id, uint32_t want, struct lease_grant *grant)
{
	struct lease_asker asker = { *api, incarnation };
	return c->c.places != NULL && places_ask(c->c.places, control_now_ms(), &asker, req_id, want, grant);
}

static void on_ask(struct control *c, const struct peer_link *p, const struct rpc_lease_ask *ask)
{
	struct lease_grant grant;
	struct rpc_msg m;
	if (!book_answers(c, &p->node, p->incarnation, ask->request, ask->want, &grant))
		return;
	to_message(&grant, &m);
	control_send(c, p->link, &m); /* lost: it is asked again, with the same number */
}

static void on_close(struct control *c, const struct node_id *api, const struct lease_close *close)
{
	if (c->c.places != NULL)
		places_close(c->c.places, control_now_ms(), api, close);
}

/* -- the api node's side -- */

static void carry_out(struct control *c, const struct lease_command *cmd)
{
	const struct node_id *self = &c->c.identity->self;
	bool own = cmd->slot == c->own_slot;
	const struct peer_link *p = own ? NULL : peer_of_slot(c, cmd->slot);
	struct rpc_msg m = { 0 };
	struct lease_grant grant;
	switch (cmd->kind) {
	case LEASE_SEND_ASK:
		if (own && book_answers(c, self, kvs_incarnation(c->kvs), cmd->ask.req_id, cmd->ask.want, &grant))
			(void)lease_purse_grant(c->purse, control_now_ms(), cmd->slot, &grant);
		m.kind = RPC_LEASE_ASK;
		m.lease_ask = (struct rpc_lease_ask){ cmd->ask.req_id, cmd->ask.want };
		break;
	case LEASE_SEND_CLOSE:
		if (own)
			on_close(c, self, &cmd->close);
		m.kind = RPC_LEASE_CLOSE;
		m.lease_close = (struct rpc_lease_close){ cmd->close.batch, cmd->close.used, cmd->close.incarnation };
		break;
	}
	if (p != NULL)
		control_send(c, p->link, &m);
}

static void step(struct control *c)
{
	struct lease_command cmd[COMMANDS_AT_ONCE];
	size_t n = lease_purse_step(c->purse, control_now_ms(), cmd, COMMANDS_AT_ONCE);
	for (size_t i = 0; i < n; i++)
		carry_out(c, &cmd[i]);
	uint64_t at = lease_purse_wake_at(c->purse), now = control_now_ms();
	ev_timer_stop(c->c.loop, &c->lease_wake);
	if (at == TIMER_NEVER)
		return;
	ev_now_update(c->c.loop);
	ev_timer_set(&c->lease_wake, at > now ? (double)(at - now) / 1000.0 : 0.0, 0.0);
	ev_timer_start(c->c.loop, &c->lease_wake);
}

static void on_lease_wake(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	step(OBJ_CAST(struct control, CONTROL_MAGIC, w->data));
}

static void on_dry(struct letter *l)
{
	step(CONTAINER_OF(l, struct control, dry_letter));
}

void control_places_dry(void *control)
{
	struct control *c = OBJ_CAST(struct control, CONTROL_MAGIC, control);
	(void)mailbox_post(c->c.mailbox, &c->dry_letter);
}

/* As place.c sees it: whoever may be handed a viewer. */
static bool takes_viewers(const struct view_node *n)
{
	return (n->roles & RPC_ROLE_DELIVERY) != 0 && n->capacity > 0 && n->liveness == KVS_ALIVE &&
	       (n->state == NODE_READY || n->state == NODE_JOINING);
}

void control_leases_members(struct control *c, const struct cluster_view *v)
{
	if (c->purse == NULL)
		return;
	for (size_t i = 0; i < v->nodes_n; i++)
		if ((v->nodes[i].roles & RPC_ROLE_DELIVERY) != 0)
			lease_purse_node(c->purse, control_now_ms(), v->nodes[i].slot, takes_viewers(&v->nodes[i]));
	step(c);
}

void control_leases_link_up(struct control *c, const struct peer_link *p)
{
	if (c->purse == NULL || (p->features & RPC_FEATURE_LEASES) == 0)
		return;
	lease_purse_link_up(c->purse, control_now_ms(), p->slot, p->incarnation.count);
	step(c);
}

void control_leases_link_down(struct control *c, const struct peer_link *p)
{
	if (c->purse == NULL)
		return;
	lease_purse_link_down(c->purse, control_now_ms(), p->slot);
	step(c);
}

static void on_grant(struct control *c, struct peer_link *p, const struct rpc_lease_grant *g)
{
	if (c->purse == NULL)
		return;
	/* A run may take a new incarnation while it lasts (R2), and its book keeps the one it was begun with. A
	 * link is of one run, so what is said on it is true. */
	if (g->incarnation != p->book) {
		p->book = g->incarnation;
		lease_purse_link_up(c->purse, control_now_ms(), p->slot, p->book);
	}
	struct lease_grant grant = {
		.req_id = g->request,
		.incarnation = g->incarnation,
		.batch = g->batch,
		.limit = g->places,
		.life_ms = g->life_ms,
		.weight_kbps = g->weight_kbps,
		.active = g->active,
		.outstanding = g->outstanding,
		.capacity = g->capacity,
	};
	(void)lease_purse_grant(c->purse, control_now_ms(), p->slot, &grant); /* counted there */
	step(c);
}

bool control_leases_hear(struct control *c, link_id link, const struct rpc_msg *m)
{
	if (m->kind != RPC_LEASE_ASK && m->kind != RPC_LEASE_GRANT && m->kind != RPC_LEASE_CLOSE)
		return false;
	struct peer_link *p = NULL;
	for (size_t i = 0; i < c->peers_n && p == NULL; i++)
		p = c->peers[i].link == link ? &c->peers[i] : NULL;
	if (p == NULL)
		return true;
	if (m->kind == RPC_LEASE_ASK) {
		on_ask(c, p, &m->lease_ask);
	} else if (m->kind == RPC_LEASE_GRANT) {
		on_grant(c, p, &m->lease_grant);
	} else {
		struct lease_close close = { m->lease_close.incarnation, m->lease_close.batch, m->lease_close.used };
		on_close(c, &p->node, &close);
	}
	return true;
}

void control_lease_stats(const struct control *c, struct lease_purse_stats *s)
{
	*s = c->purse != NULL ? *lease_purse_stats(c->purse) : (struct lease_purse_stats){ 0 };
}

bool control_lease_look(const struct control *c, uint32_t slot, struct lease_purse_view *v)
{
	return c->purse != NULL && lease_purse_look(c->purse, slot, v);
}

void control_leases_start(struct control *c)
{
	c->own_slot = tally_slot(c->c.tally, &c->c.identity->self);
	c->dry_letter.deliver = on_dry;
	ev_timer_init(&c->lease_wake, on_lease_wake, 0.0, 0.0);
	c->lease_wake.data = c;
	if (c->c.slots == NULL)
		return;
	c->purse = lease_purse_new(c->c.slots, kvs_incarnation(c->kvs));
	if (c->c.places != NULL)
		lease_purse_link_up(c->purse, control_now_ms(), c->own_slot, c->c.identity->incarnation.count);
}

void control_leases_stop(struct control *c)
{
	mailbox_withdraw(c->c.mailbox, &c->dry_letter);
	ev_timer_stop(c->c.loop, &c->lease_wake);
	lease_purse_free(c->purse);
}
