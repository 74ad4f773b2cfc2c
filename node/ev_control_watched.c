/* Which contents have viewers on which delivery node, asked and answered over the links (V5). */
#include "node/delivery/sessions.h"
#include "node/ev_control_state.h"

#include <stdlib.h>

enum { NAMES_MAX_BYTES = 64 << 20 };

/* What is told of `n` contents, sorted: those with the most viewers. */
static enum err fill(const struct watched *w, size_t n, struct arena *a, struct rpc_watched_told *out)
{
	size_t told = n < RPC_WATCHED_MAX ? n : RPC_WATCHED_MAX;
	uint64_t *contents = arena_array(a, told, sizeof(*contents));
	uint32_t *viewers = arena_array(a, told, sizeof(*viewers));
	if (contents == NULL || viewers == NULL)
		return ERR_NO_MEMORY;
	for (size_t i = 0; i < told; i++) {
		uint8_t key[RPC_KEY_MAX];
		size_t key_n;
		enum err e = rpc_location_key(w[i].origin, w[i].content, key, &key_n);
		if (e != OK)
			return e;
		contents[i] = rpc_watched_hash(bytes_of(key, key_n));
		viewers[i] = w[i].viewers;
	}
	out->contents = contents;
	out->viewers = viewers;
	out->n = told;
	out->more = n - told;
	return OK;
}

static enum err own(struct control *c, struct arena *a, struct rpc_watched_told *out)
{
	struct watched *w = NULL;
	size_t n = 0;
	enum err e = c->c.sessions != NULL ? sessions_watched(c->c.sessions, a, &w, &n) : OK;
	if (e != OK)
		return e;
	if (n > 0)
		qsort(w, n, sizeof(*w), watched_cmp);
	return fill(w, n, a, out);
}

/* Whom it cannot be told hears nothing, and takes all for watched. */
static void answer(struct control *c, link_id link, uint64_t request)
{
	struct rpc_msg m = { .kind = RPC_WATCHED_TOLD, .watched_told = { .request = request } };
	struct arena a;
	arena_init(&a, NAMES_MAX_BYTES);
	if (own(c, &a, &m.watched_told) == OK)
		control_send(c, link, &m);
	arena_fini(&a);
}

static void pass(struct control *c, const struct node_id *from, const struct rpc_watched_told *told)
{
	if (c->watched.hear != NULL)
		c->watched.hear(c->watched.ctx, from, told);
}

bool control_watched_hear(struct control *c, link_id link, const struct rpc_msg *m)
{
	if (m->kind == RPC_WATCHED_ASK) {
		answer(c, link, m->watched_ask.request);
		return true;
	}
	if (m->kind != RPC_WATCHED_TOLD)
		return false;
	for (size_t i = 0; i < c->peers_n; i++) {
		if (c->peers[i].link == link) {
			struct node_id from = c->peers[i].node;
			pass(c, &from, &m->watched_told);
			break;
		}
	}
	return true;
}

void control_on_watched(struct control *c,
    void (*hear)(void *ctx, const struct node_id *from, const struct rpc_watched_told *told), void *ctx)
{
	c->watched.hear = hear;
	c->watched.ctx = ctx;
}

static void tell_self(struct control *c, uint64_t request)
{
	struct rpc_watched_told told = { .request = request };
	struct arena a;
	arena_init(&a, NAMES_MAX_BYTES);
	if (own(c, &a, &told) == OK)
		pass(c, &c->c.identity->self, &told);
	arena_fini(&a);
}

enum err control_ask_watched(struct control *c, const struct node_id *node, uint64_t request)
{
	const struct peer_link *p = control_peer(c, node);
	if (node_id_eq(node, &c->c.identity->self)) {
		tell_self(c, request);
		return OK;
	}
	if (p == NULL)
		return ERR_NOT_FOUND;
	if ((p->features & RPC_FEATURE_WATCHED) == 0)
		return ERR_VERSION;
	struct rpc_msg m = { .kind = RPC_WATCHED_ASK, .watched_ask = { request } };
	control_send(c, p->link, &m);
	return OK;
}
