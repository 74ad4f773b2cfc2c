/* Links as TCP makes them, one a pair of nodes: frames in order, none twice; and the dials that a core
 * wants, kept as rpc/nng_dial.c keeps them. */
#include "base/check.h"
#include "base/text.h"
#include "rpc/backoff.h"
#include "rpc/codec.h"
#include "rpc/frame.h"
#include "rpc/nng_link.h"
#include "scale.h"

#include <stdlib.h>
#include <string.h>

enum {
	CONNECT_TIMEOUT_US = 2000 * 1000, /* of rpc/nng_dial.c */
	STALL_US = 200 * 1000,            /* the least time after which TCP sends a last segment again */
	/* A dialler is let in four one-way trips after it began: SYN, SYN and hello, hello, first frame. */
	TRIPS_ACCEPTED = 3,
	TRIPS_DIALLED = 4,
	/* Of so many nodes, a name costs memory on every link: links say fewer of them. */
	SCALE_MANY = 2000,
	SCALE_MANY_NAMES = 128,
};

static size_t side_of(const struct scale_link *l, size_t node)
{
	return l->ends[0] == node ? 0 : 1;
}

static void count_sent(struct scale *s, enum rpc_kind kind, size_t bytes)
{
	CHECK((unsigned)kind < SCALE_KINDS);
	s->sent.frames[kind]++;
	s->sent.bytes[kind] += bytes;
}

static bool is_cut(const struct scale *s, size_t a, size_t b)
{
	return s->halved && a % 2 != b % 2;
}

/* -- frames -- */

static uint64_t arrival_us(struct scale *s, struct scale_link *l, size_t to_side, bool stalled)
{
	uint64_t at_us = s->now_us + l->latency_us + prng_below(&s->prng, l->latency_us / 10 + 1);
	if (stalled)
		at_us += STALL_US;
	if (at_us < l->last_us[to_side])
		at_us = l->last_us[to_side];
	l->last_us[to_side] = at_us;
	return at_us;
}

void scale_send(struct scale *s, size_t from, uint64_t link, struct rpc_msg *m)
{
	CHECK(link >= 1 && link <= s->links_n);
	struct scale_link *l = &s->links[link - 1];
	size_t side = side_of(l, from);
	if (!l->up[side])
		return;
	m->acked_bytes = frame_ack(l->consumed[side], l->told[side]);
	arena_reset(&s->encode_arena);
	buf_clear(&s->frame);
	CHECK(rpc_encode_named(m, l->names[side], &s->encode_arena, &s->frame) == OK);
	count_sent(s, m->kind, FRAME_PREFIX_BYTES + s->frame.n);
	bool lost = prng_chance(&s->prng, s->loss_per_mille);
	if (l->closed || is_cut(s, l->ends[0], l->ends[1]) || (lost && !s->o.stalls))
		return; /* as if it was never said: the names on both ends stay the same */
	rpc_names_said(l->names[side]);
	if (m->acked_bytes != 0)
		l->told[side] = m->acked_bytes;
	uint64_t at_us = arrival_us(s, l, 1 - side, lost);
	struct scale_event *e = scale_push(s, at_us - s->now_us, SCALE_DELIVER, l->ends[1 - side]);
	e->number = link;
	e->bytes_n = s->frame.n;
	e->bytes = malloc(s->frame.n + 1);
	CHECK(e->bytes != NULL);
	if (s->frame.n > 0)
		memcpy(e->bytes, s->frame.p, s->frame.n);
}

void scale_deliver(struct scale *s, const struct scale_event *e)
{
	struct scale_link *l = &s->links[e->number - 1];
	size_t side = side_of(l, e->node);
	if (!l->up[side])
		return;
	struct rpc_msg m;
	arena_reset(&s->decode_arena);
	struct bytes frame = bytes_of(e->bytes, e->bytes_n);
	CHECK(rpc_decode_named(frame, l->names[side], &s->decode_arena, &m) == OK);
	l->consumed[side] += FRAME_PREFIX_BYTES + e->bytes_n;
	if (s->o.settled && m.kind == RPC_HEARTBEAT)
		scale_hear(s, e->node, e->number);
	else
		scale_message(s, e->node, e->number, &m);
	if (m.kind == RPC_ROW_FRAME)
		scale_count_frame(s, e->node, &m.row_frame);
}

/* -- dials -- */

static struct scale_dial *find_dial(struct scale_node *n, size_t node)
{
	for (size_t i = 0; i < n->dials_n; i++)
		if (n->dials[i].node == node)
			return &n->dials[i];
	return NULL;
}

static bool has_link(const struct scale_node *n, size_t node)
{
	for (size_t i = 0; i < n->peers_n; i++)
		if (n->peers[i].node == node)
			return true;
	return false;
}

static void dial_in(struct scale *s, size_t from, struct scale_dial *d, uint64_t in_us)
{
	if (d->due || !d->wanted)
		return;
	d->due = true;
	scale_push(s, in_us, SCALE_DIAL, from)->other = d->node;
}

void scale_want(struct scale *s, size_t from, const struct kvs_dial *dial)
{
	struct scale_node *n = &s->nodes[from];
	uint64_t node;
	CHECK(text_u64(bytes_str(dial->address), s->o.nodes - 1, &node) == OK);
	if (node == from)
		return;
	struct scale_dial *d = find_dial(n, node);
	if (d == NULL) {
		n->dials = scale_grow(n->dials, &n->dials_cap, n->dials_n + 1, sizeof(*n->dials));
		d = &n->dials[n->dials_n++];
		*d = (struct scale_dial){ .node = node };
	}
	/* A link that is up stays so when it is wanted no more. */
	d->wanted = dial->wanted;
	d->attempts = 0;
	dial_in(s, from, d, 0);
}

static uint64_t new_latency_us(struct scale *s)
{
	return scale_between(s, s->o.latency_min_us, s->o.latency_max_us);
}

static void add_peer(struct scale_node *n, size_t node, uint64_t link)
{
	n->peers = scale_grow(n->peers, &n->peers_cap, n->peers_n + 1, sizeof(*n->peers));
	n->peers[n->peers_n++] = (struct scale_peer){ node, link };
}

static void connect(struct scale *s, size_t from, size_t to)
{
	s->links = scale_grow(s->links, &s->links_cap, s->links_n + 1, sizeof(*s->links));
	struct scale_link *l = &s->links[s->links_n++];
	*l = (struct scale_link){ .ends = { from, to }, .latency_us = (uint32_t)new_latency_us(s) };
	for (size_t side = 0; side < 2; side++)
		l->names[side] = rpc_names_new(s->o.nodes > SCALE_MANY ? SCALE_MANY_NAMES : RPC_NAMES_MAX);
	uint64_t trip_us = l->latency_us;
	add_peer(&s->nodes[from], to, s->links_n);
	add_peer(&s->nodes[to], from, s->links_n);
	l->last_us[0] = s->now_us + TRIPS_DIALLED * trip_us;
	l->last_us[1] = s->now_us + TRIPS_ACCEPTED * trip_us;
	scale_push(s, TRIPS_ACCEPTED * trip_us, SCALE_LINK_UP, to)->number = s->links_n;
	scale_push(s, TRIPS_DIALLED * trip_us, SCALE_LINK_UP, from)->number = s->links_n;
	count_sent(s, RPC_HELLO, FRAME_PREFIX_BYTES + s->nodes[from].hello_bytes);
	count_sent(s, RPC_HELLO, FRAME_PREFIX_BYTES + s->nodes[to].hello_bytes);
}

void scale_dial(struct scale *s, const struct scale_event *e)
{
	struct scale_node *n = &s->nodes[e->node], *peer = &s->nodes[e->other];
	struct scale_dial *d = find_dial(n, e->other);
	d->due = false;
	if (!d->wanted || has_link(n, e->other))
		return;
	bool cut = is_cut(s, e->node, e->other);
	if (scale_runs(s, e->other) && !cut) {
		connect(s, e->node, e->other);
		return;
	}
	d->attempts++;
	d->due = true;
	uint64_t answer_us = 2 * new_latency_us(s);
	bool silent = cut || peer->stopped;
	if (silent)
		answer_us = cut ? CONNECT_TIMEOUT_US : RPC_HELLO_TIMEOUT_MS * 1000;
	struct scale_event *failed = scale_push(s, answer_us, SCALE_DIAL_FAILED, e->node);
	failed->other = e->other;
	failed->refused = !silent;
}

void scale_dial_failed(struct scale *s, const struct scale_event *e)
{
	struct scale_dial *d = find_dial(&s->nodes[e->node], e->other);
	d->due = false;
	if (!d->wanted)
		return;
	dial_in(s, e->node, d,
	    backoff_ms(&s->prng, d->attempts, RPC_DIAL_BACKOFF_MIN_MS, RPC_DIAL_BACKOFF_MAX_MS) * 1000);
	if (!e->refused)
		return;
	char address[24];
	scale_address(e->other, address);
	struct kvs_input in = { .kind = KVS_IN_DIAL_FAILED };
	in.dial_failed.address = address;
	scale_step(s, e->node, &in);
}

/* -- links -- */

void scale_link_up(struct scale *s, const struct scale_event *e)
{
	struct scale_link *l = &s->links[e->number - 1];
	size_t side = side_of(l, e->node), other = l->ends[1 - side];
	struct scale_node *peer = &s->nodes[other];
	if (l->closed || peer->k == NULL)
		return;
	l->up[side] = true;
	struct scale_dial *d = find_dial(&s->nodes[e->node], other);
	if (d != NULL)
		d->attempts = 0;
	char address[24];
	scale_address(other, address);
	struct kvs_input in = { .kind = KVS_IN_LINK_UP };
	in.link_up.link = e->number;
	in.link_up.node = peer->id;
	in.link_up.incarnation = peer->incarnation;
	in.link_up.address = bytes_str(address);
	in.link_up.version = RPC_VERSION_MAX;
	in.link_up.features = RPC_FEATURE_BROADCAST | RPC_FEATURE_RANGES;
	in.link_up.dialled = side == 0;
	scale_step(s, e->node, &in);
}

static void forget_peer(struct scale_node *n, uint64_t link)
{
	for (size_t i = 0; i < n->peers_n; i++) {
		if (n->peers[i].link == link) {
			n->peers[i] = n->peers[--n->peers_n];
			return;
		}
	}
}

void scale_forget_names(struct scale_link *l)
{
	for (size_t side = 0; side < 2; side++) {
		rpc_names_free(l->names[side]);
		l->names[side] = NULL;
	}
}

void scale_link_down(struct scale *s, const struct scale_event *e)
{
	struct scale_link *l = &s->links[e->number - 1];
	size_t side = side_of(l, e->node);
	struct scale_node *n = &s->nodes[e->node];
	bool was_up = l->up[side];
	l->up[side] = false;
	scale_forget_names(l);
	forget_peer(n, e->number);
	struct scale_dial *d = find_dial(n, l->ends[1 - side]);
	if (d != NULL)
		dial_in(s, e->node, d, 0);
	if (!was_up)
		return;
	struct kvs_input in = { .kind = KVS_IN_LINK_DOWN };
	in.link_down.link = e->number;
	in.link_down.bye = e->bye;
	scale_step(s, e->node, &in);
}

void scale_close(struct scale *s, size_t from, uint64_t link)
{
	CHECK(link >= 1 && link <= s->links_n);
	struct scale_link *l = &s->links[link - 1];
	bool cut = is_cut(s, l->ends[0], l->ends[1]);
	if (l->closed && !cut)
		return;
	l->closed = true;
	size_t side = side_of(l, from);
	for (size_t i = 0; i < 2; i++) {
		if (cut && i != side)
			continue; /* its end hears of it when the halves meet, or gives up as well */
		/* What was sent before arrives first. */
		uint64_t at_us = i == side ? s->now_us : arrival_us(s, l, i, false);
		struct scale_event *e = scale_push(s, at_us - s->now_us, SCALE_LINK_DOWN, l->ends[i]);
		e->number = link;
		e->bye = true;
	}
}

void scale_kill(struct scale *s, size_t node)
{
	struct scale_node *n = &s->nodes[node];
	if (s->shared_fd >= 0)
		scale_memory_drop(s, node);
	else
		kvs_free(n->k);
	n->k = NULL;
	s->living_n--;
	for (size_t i = 0; i < n->peers_n; i++) {
		struct scale_link *l = &s->links[n->peers[i].link - 1];
		size_t far = 1 - side_of(l, node);
		l->closed = true;
		/* What it had sent arrives first. */
		uint64_t at_us = arrival_us(s, l, far, false);
		scale_push(s, at_us - s->now_us, SCALE_LINK_DOWN, l->ends[far])->number = n->peers[i].link;
	}
	n->peers_n = 0;
}

/* -- halves -- */

void scale_halve(struct scale *s)
{
	s->halved = true;
}

/* Of what was said over a link meanwhile nothing came through: it is gone, and whoever still has an end of it
 * hears so. */
static void break_link(struct scale *s, size_t link)
{
	struct scale_link *l = &s->links[link];
	l->closed = true;
	for (size_t i = 0; i < 2; i++)
		if (l->up[i])
			scale_push(s, prng_below(&s->prng, STALL_US), SCALE_LINK_DOWN, l->ends[i])->number = link + 1;
}

void scale_join_halves(struct scale *s)
{
	for (size_t i = 0; i < s->links_n; i++)
		if (is_cut(s, s->links[i].ends[0], s->links[i].ends[1]))
			break_link(s, i);
	s->halved = false;
}
