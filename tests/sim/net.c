/* Links: dialled while somebody wants them and nothing cuts them, messages late, lost, twice or out of
 * order as the seed has it. */
#include "base/check.h"
#include "golden.h"
#include "newer.h"
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

/* No random faults between the two. */
static bool calm(const struct sim *s, size_t a, size_t b)
{
	return s->healing && s->core[a] && s->core[b];
}

/* Messages of a link keep their order, but for those that are held up. */
static uint64_t travel_ms(struct sim *s, struct sim_link *l, size_t to_side)
{
	uint64_t at_ms = s->now_ms + latency(s);
	if (at_ms < l->clogged_ms[to_side])
		at_ms = l->clogged_ms[to_side];
	if (!calm(s, l->ends[0], l->ends[1]) && prng_chance(&s->prng, s->profile.jitter_per_mille))
		return at_ms + prng_below(&s->prng, 400) - s->now_ms;
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

static bool is_chosen(struct sim *s, size_t from, size_t to, enum rpc_kind kind)
{
	bool is = s->lose.armed && s->lose.from == from && s->lose.to == to && s->lose.kind == kind;
	if (is)
		s->lose.armed = false;
	return is;
}

static void fly(struct sim *s, struct sim_link *l, size_t to_side, const struct buf *b)
{
	struct sim_event *e = sim_push(s, travel_ms(s, l, to_side), SIM_DELIVER, l->ends[to_side]);
	e->link = l->id;
	e->bytes = malloc(b->n + 1);
	CHECK(e->bytes != NULL);
	if (b->n > 0)
		memcpy(e->bytes, b->p, b->n);
	e->bytes_n = b->n;
	l->flying[to_side] += b->n;
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
	if (m->kind == RPC_ROW_FRAME && l->full[side])
		sim_fail(s, from, "R7: entries are sent to node %zu over a full link", to);
	bool lost = s->cut[from][to] || is_chosen(s, from, to, m->kind) ||
	            (!calm(s, from, to) && prng_chance(&s->prng, s->profile.loss_per_mille));
	if (s->golden != NULL)
		golden_message(s->golden, from, to, m, lost);
	if (lost)
		return;
	struct buf b;
	buf_init(&b, RPC_FRAME_MAX);
	enum err e = encode(l, side, m, &b);
	if (e != OK) {
		sim_fail(s, from, "R7: a message that cannot be encoded: %s, kind %d", err_str(e), m->kind);
		buf_fini(&b);
		return;
	}
	bool newer = s->nodes[from].build == SIM_NEXT;
	if (newer)
		newer_dress(s, &b);
	fly(s, l, 1 - side, &b);
	if (!calm(s, from, to) && prng_chance(&s->prng, s->profile.duplicate_per_mille))
		fly(s, l, 1 - side, &b);
	if (newer && newer_extra(s, &b))
		fly(s, l, 1 - side, &b);
	buf_fini(&b);
}

void net_deliver(struct sim *s, const struct sim_event *e)
{
	struct sim_link *l = find(s, e->link);
	size_t side = side_of(l, e->node);
	struct sim_node *n = &s->nodes[e->node];
	l->flying[side] -= e->bytes_n;
	if (l->broken || !l->up[side] || n->k == NULL || n->boot != l->boots[side])
		return;
	struct arena a;
	arena_init(&a, 8 << 20);
	struct rpc_msg m;
	struct kvs_input in = { .kind = KVS_IN_MESSAGE };
	in.message.link = e->link;
	in.message.m = &m;
	/* Now and then a link is full and the core has to wait (R7). */
	size_t flying = l->flying[1 - side];
	bool full = flying >= s->profile.window || prng_chance(&s->prng, s->profile.full_per_mille);
	in.message.room = full ? 0 : s->profile.window - flying;
	l->full[side] = full;
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

static uint64_t features(const struct sim_node *n)
{
	/* What this build has is among the lower bits. */
	return n->build == SIM_BEFORE ? 0 : n->build == SIM_THIS ? UINT32_MAX : UINT64_MAX;
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
	    s->linked[a][b] || node_id_eq(&na->id, &nb->id))
		return;
	if (s->links_n == s->links_cap) {
		s->links_cap = s->links_cap == 0 ? 256 : s->links_cap * 2;
		s->links = realloc(s->links, s->links_cap * sizeof(*s->links));
		CHECK(s->links != NULL);
	}
	struct sim_link *l = &s->links[s->links_n++];
	*l = (struct sim_link){ .id = s->links_n, .ends = { a, b }, .boots = { na->boot, nb->boot } };
	s->linked[a][b] = s->linked[b][a] = true;
	bool named = (features(na) & features(nb) & RPC_FEATURE_NAMES) != 0;
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
	in.link_up.features = features(n) & features(peer);
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

void net_bye(struct sim *s, size_t node)
{
	for (size_t i = 0; i < s->links_n; i++) {
		struct sim_link *l = &s->links[i];
		if (!l->broken && (l->ends[0] == node || l->ends[1] == node))
			break_link(s, l, 20, true);
	}
}

void net_clog(struct sim *s)
{
	struct sim_link *l = NULL;
	for (size_t tries = 0; tries < 20 && s->links_n > 0 && (l == NULL || l->broken); tries++)
		l = &s->links[prng_below(&s->prng, s->links_n)];
	if (l == NULL || l->broken)
		return;
	uint64_t which = prng_below(&s->prng, 3);
	for (size_t side = 0; side < 2; side++)
		if (which == 2 || which == side)
			l->clogged_ms[side] = s->now_ms + sim_between(s, 300, 9000);
	sim_say(s, "link of %zu and %zu clogged", l->ends[0], l->ends[1]);
	s->stats.clogs++;
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
