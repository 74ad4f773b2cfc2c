/* Links: dialled while somebody wants them and nothing cuts them, messages late, lost, twice or out of
 * order as the seed has it. */
#include "base/check.h"
#include "rpc/codec.h"
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIM_NAMES = 8 }; /* so few that numbers are given anew */

static struct sim_link *find(struct sim *s, uint64_t id)
{
	return id >= 1 && id <= s->links_n ? &s->links[id - 1] : NULL;
}

static size_t side_of(const struct sim_link *l, size_t node)
{
	return l->ends[0] == node ? 0 : 1;
}

static uint64_t latency(struct sim *s)
{
	return sim_between(s, s->profile.latency_min_ms, s->profile.latency_max_ms);
}

/* Messages of a link keep their order, but for those that are held up. */
static uint64_t travel_ms(struct sim *s, struct sim_link *l, size_t to_side)
{
	if (!s->healing && prng_chance(&s->prng, s->profile.jitter_per_mille))
		return latency(s) + prng_below(&s->prng, 400);
	uint64_t at_ms = s->now_ms + latency(s);
	if (at_ms < l->last_ms[to_side])
		at_ms = l->last_ms[to_side];
	l->last_ms[to_side] = at_ms;
	return at_ms - s->now_ms;
}

/* Names belong to a stream, which loses nothing and keeps the order. So they are said and heard here, and
 * what the seed loses, doubles or holds up are whole messages. */
static enum err translate(struct sim_link *l, size_t side, const struct rpc_msg *m, struct buf *out)
{
	struct arena a;
	struct buf said;
	struct rpc_msg heard;
	arena_init(&a, 4 * RPC_ARENA_MAX);
	buf_init(&said, RPC_FRAME_MAX);
	enum err e = rpc_encode_named(m, l->names[side], &a, &said);
	if (e == OK) {
		rpc_names_said(l->names[side]);
		e = rpc_decode_named(buf_bytes(&said), l->names[1 - side], &a, &heard);
	}
	if (e == OK)
		e = rpc_encode(&heard, &a, out);
	buf_fini(&said);
	arena_fini(&a);
	return e;
}

static enum err encode(struct sim_link *l, size_t side, const struct rpc_msg *m, struct buf *out)
{
	struct arena scratch;
	bool named = m->kind == RPC_ROW_FRAME || m->kind == RPC_ANNOUNCE || m->kind == RPC_PULL;
	if (named && l->names[side] != NULL)
		return translate(l, side, m, out);
	arena_init(&scratch, RPC_ARENA_MAX);
	enum err e = rpc_encode(m, &scratch, out);
	arena_fini(&scratch);
	return e;
}

void net_forget_names(struct sim_link *l)
{
	for (size_t side = 0; side < 2; side++) {
		rpc_names_free(l->names[side]);
		l->names[side] = NULL;
	}
}

void net_send(struct sim *s, size_t from, uint64_t link, const struct rpc_msg *m)
{
	struct sim_link *l = find(s, link);
	size_t side = l == NULL ? 0 : side_of(l, from);
	if (l == NULL || l->broken || !l->up[side] || l->boots[side] != s->nodes[from].boot)
		return;
	s->stats.messages++;
	s->stats.frames += m->kind == RPC_ROW_FRAME;
	size_t to = l->ends[1 - side];
	if (s->cut[from][to] || (!s->healing && prng_chance(&s->prng, s->profile.loss_per_mille)))
		return;
	struct buf b;
	buf_init(&b, RPC_FRAME_MAX);
	enum err e = encode(l, side, m, &b);
	if (e != OK) {
		sim_fail(s, from, "R7: a message that cannot be encoded: %s, kind %d", err_str(e), m->kind);
		buf_fini(&b);
		return;
	}
	bool twice = !s->healing && prng_chance(&s->prng, s->profile.duplicate_per_mille);
	for (int copy = 0; copy < (twice ? 2 : 1); copy++) {
		struct sim_event *ev = sim_push(s, travel_ms(s, l, 1 - side), SIM_DELIVER, to);
		ev->link = link;
		ev->bytes = malloc(b.n + 1);
		CHECK(ev->bytes != NULL);
		if (b.n > 0)
			memcpy(ev->bytes, b.p, b.n);
		ev->bytes_n = b.n;
	}
	buf_fini(&b);
}

void net_deliver(struct sim *s, const struct sim_event *e)
{
	struct sim_link *l = find(s, e->link);
	size_t side = side_of(l, e->node);
	struct sim_node *n = &s->nodes[e->node];
	if (l->broken || !l->up[side] || n->k == NULL || n->boot != l->boots[side])
		return;
	struct arena a;
	arena_init(&a, 8 << 20);
	struct rpc_msg m;
	struct kvs_input in = { .kind = KVS_IN_MESSAGE };
	in.message.link = e->link;
	in.message.m = &m;
	/* Now and then a link is full and the core has to wait (R7). */
	in.message.room = prng_chance(&s->prng, s->profile.full_per_mille) ? 0 : KVS_LINK_WINDOW;
	if (rpc_decode(bytes_of(e->bytes, e->bytes_n), &a, &m) != OK)
		sim_fail(s, e->node, "a message that cannot be decoded");
	else
		host_step(s, e->node, &in);
	arena_fini(&a);
}

/* Where no process runs, the host refuses. */
static void refuse(struct sim *s, struct sim_node *from, const struct sim_node *to)
{
	if (from->k == NULL || to->k != NULL || !from->wants[to->index] || s->now_ms < from->stalled_ms)
		return;
	char address[16];
	snprintf(address, sizeof(address), "h:%zu", to->index);
	struct kvs_input in = { .kind = KVS_IN_DIAL_FAILED };
	in.dial_failed.address = address;
	host_step(s, from->index, &in);
}

/* One attempt; the pair keeps trying for ever. */
void net_connect(struct sim *s, size_t a, size_t b)
{
	struct sim_event *again = sim_push(s, sim_between(s, 100, 900), SIM_CONNECT, a);
	again->other = b;
	struct sim_node *na = &s->nodes[a], *nb = &s->nodes[b];
	if (!s->cut[a][b] && !s->cut[b][a]) {
		refuse(s, na, nb);
		refuse(s, nb, na);
	}
	if (na->k == NULL || nb->k == NULL || s->cut[a][b] || s->cut[b][a] || !(na->wants[b] || nb->wants[a]) ||
	    s->linked[a][b])
		return;
	if (s->links_n == s->links_cap) {
		s->links_cap = s->links_cap == 0 ? 256 : s->links_cap * 2;
		s->links = realloc(s->links, s->links_cap * sizeof(*s->links));
		CHECK(s->links != NULL);
	}
	struct sim_link *l = &s->links[s->links_n++];
	*l = (struct sim_link){ .id = s->links_n, .ends = { a, b }, .boots = { na->boot, nb->boot } };
	s->linked[a][b] = s->linked[b][a] = true;
	bool named = (na->features & nb->features & RPC_FEATURE_NAMES) != 0;
	for (size_t side = 0; named && side < 2; side++)
		l->names[side] = rpc_names_new(SIM_NAMES);
	for (size_t side = 0; side < 2; side++) {
		struct sim_event *up = sim_push(s, latency(s), SIM_LINK_UP, l->ends[side]);
		up->link = l->id;
		up->boot = l->boots[side];
	}
}

void net_link_up(struct sim *s, const struct sim_event *e)
{
	struct sim_link *l = find(s, e->link);
	size_t side = side_of(l, e->node), other = l->ends[1 - side];
	struct sim_node *n = &s->nodes[e->node], *peer = &s->nodes[other];
	if (l->broken || n->k == NULL || n->boot != e->boot || peer->k == NULL ||
	    peer->boot != l->boots[1 - side])
		return;
	l->up[side] = true;
	sim_say(s, "link %llu up at %zu to %zu", (unsigned long long)l->id, e->node, other);
	struct kvs_input in = { .kind = KVS_IN_LINK_UP };
	in.link_up.link = l->id;
	in.link_up.node = peer->id;
	in.link_up.incarnation = kvs_incarnation(peer->k);
	in.link_up.version = RPC_VERSION_MAX;
	in.link_up.features = n->features & peer->features;
	in.link_up.dialled = side == 0;
	host_step(s, e->node, &in);
}

void net_link_down(struct sim *s, const struct sim_event *e)
{
	struct sim_link *l = find(s, e->link);
	size_t side = side_of(l, e->node);
	struct sim_node *n = &s->nodes[e->node];
	if (!l->up[side] || n->k == NULL || n->boot != l->boots[side])
		return;
	l->up[side] = false;
	sim_say(s, "link %llu down at %zu%s", (unsigned long long)l->id, e->node, e->flag ? ", bye" : "");
	struct kvs_input in = { .kind = KVS_IN_LINK_DOWN };
	in.link_down.link = l->id;
	in.link_down.bye = e->flag;
	host_step(s, e->node, &in);
}

static void break_link(struct sim *s, struct sim_link *l, uint64_t within_ms, bool bye)
{
	l->broken = true;
	net_forget_names(l);
	s->linked[l->ends[0]][l->ends[1]] = s->linked[l->ends[1]][l->ends[0]] = false;
	for (size_t side = 0; side < 2; side++) {
		struct sim_event *down =
		    sim_push(s, prng_below(&s->prng, within_ms + 1), SIM_LINK_DOWN, l->ends[side]);
		down->link = l->id;
		down->flag = bye;
	}
}

void net_close(struct sim *s, size_t from, uint64_t link)
{
	struct sim_link *l = find(s, link);
	if (!l->broken && l->boots[side_of(l, from)] == s->nodes[from].boot)
		break_link(s, l, 20, true);
}

void net_forget(struct sim *s, size_t node, bool silent)
{
	for (size_t i = 0; i < s->links_n; i++) {
		struct sim_link *l = &s->links[i];
		if (!l->broken && (l->ends[0] == node || l->ends[1] == node))
			break_link(s, l, silent ? 4000 : 20, false);
	}
}

void net_recut(struct sim *s)
{
	for (size_t i = 0; i < s->links_n; i++) {
		struct sim_link *l = &s->links[i];
		bool is_cut = s->cut[l->ends[0]][l->ends[1]] || s->cut[l->ends[1]][l->ends[0]];
		/* Some connections live through a short cut. */
		if (!l->broken && is_cut && prng_chance(&s->prng, 700))
			break_link(s, l, 3000, prng_chance(&s->prng, 50));
	}
}
