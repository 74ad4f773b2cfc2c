/* Orders to warm contents, and how far they are, between the links and who minds them. */
#include "node/ev_control_state.h"

static struct control_warm_hearer *hearer_of(struct control *c, enum rpc_kind kind)
{
	return &c->warm[kind == RPC_WARM_TOLD];
}

void control_on_warm(struct control *c, enum rpc_kind kind,
    void (*hear)(void *ctx, const struct node_id *from, const struct rpc_msg *m), void *ctx)
{
	CHECK(kind == RPC_WARM || kind == RPC_WARM_TOLD);
	*hearer_of(c, kind) = (struct control_warm_hearer){ hear, ctx };
}

static void pass(struct control *c, const struct node_id *from, const struct rpc_msg *m)
{
	const struct control_warm_hearer *h = hearer_of(c, m->kind);
	if (h->hear != NULL)
		h->hear(h->ctx, from, m);
}

bool control_warm_hear(struct control *c, link_id link, const struct rpc_msg *m)
{
	if (m->kind != RPC_WARM && m->kind != RPC_WARM_TOLD)
		return false;
	for (size_t i = 0; i < c->peers_n; i++) {
		if (c->peers[i].link == link) {
			struct node_id from = c->peers[i].node;
			pass(c, &from, m);
			break;
		}
	}
	return true;
}

const struct peer_link *control_peer(const struct control *c, const struct node_id *node)
{
	for (size_t i = 0; i < c->peers_n; i++)
		if (node_id_eq(&c->peers[i].node, node))
			return &c->peers[i];
	return NULL;
}

static enum err warm_link(const struct control *c, const struct node_id *to, link_id *link)
{
	const struct peer_link *p = control_peer(c, to);
	if (p == NULL)
		return ERR_NOT_FOUND;
	*link = p->link;
	return (p->features & RPC_FEATURE_WARM) != 0 ? OK : ERR_VERSION;
}

enum err control_warm_able(const struct control *c, const struct node_id *node)
{
	link_id link;
	return node_id_eq(node, &c->c.identity->self) ? OK : warm_link(c, node, &link);
}

enum err control_say_warm(struct control *c, const struct node_id *to, struct rpc_msg *m)
{
	link_id link;
	if (node_id_eq(to, &c->c.identity->self)) {
		pass(c, to, m);
		return OK;
	}
	enum err e = warm_link(c, to, &link);
	if (e == OK)
		control_send(c, link, m);
	return e;
}
