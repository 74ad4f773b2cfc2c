#include "base/hash.h"
#include "rpc/hello.h"
#include "rpc/nng_set.h"

#include <stdarg.h>
#include <stdio.h>

enum { QUIET_MS = 60 * 1000 };

static enum cluster_role own_role(const struct link *l)
{
	return l->dialled ? CLUSTER_DIALLER : CLUSTER_DIALLED;
}

static enum cluster_role peer_role(const struct link *l)
{
	return l->dialled ? CLUSTER_DIALLED : CLUSTER_DIALLER;
}

/* With the keys that this link began with, whatever the set has now. */
static struct rpc_hello own_hello(const struct link *l)
{
	struct rpc_hello h = l->set->self.hello;
	cluster_keys_name(&l->keys, &h);
	return h;
}

void link_say_hello(struct link *l)
{
	struct nng_links *set = l->set;
	struct rpc_msg m = { .kind = RPC_HELLO, .hello = own_hello(l) };
	l->features = m.hello.features;
	if (l->keys.n > 0)
		set->random(m.hello.challenge, sizeof(m.hello.challenge));
	link_say(l, &m);
	cluster_transcript_put(&l->transcript, own_role(l), buf_bytes(&set->frame));
}

/* Only after hello_check: there is a key in common, or neither side has one. */
static void say_proof(struct link *l)
{
	const struct cluster_key *key = cluster_keys_for(&l->keys, &l->peer.hello);
	struct rpc_msg m = { .kind = RPC_PROOF };
	if (key == NULL)
		return;
	cluster_prove(key, own_role(l), &l->transcript, &m.proof);
	link_say(l, &m);
}

void link_say_heartbeat(struct link *l)
{
	struct rpc_msg m = { .kind = RPC_HEARTBEAT };
	link_say(l, &m);
}

static struct bytes without_port(const char *address)
{
	struct bytes b = bytes_str(address);
	for (size_t i = b.n; i > 0; i--) {
		if (b.p[i - 1] == ':')
			return bytes_head(b, i - 1);
	}
	return b;
}

static void report_refusal(struct link *l, enum rpc_refusal reason, bool by_peer, const char *text)
{
	static const struct hash_key key = { "refusals said" };
	struct nng_links *set = l->set;
	struct bytes who = l->dialled ? bytes_str(l->address) : without_port(l->address);
	if (l->peer_known)
		who = bytes_of(l->peer.hello.node.b, NODE_ID_BYTES);
	set->counters.refused++;
	if (once_say(&set->refusals, hash64(&key, who) ^ hash_mix((uint64_t)reason + 1), nng_now_ms(), QUIET_MS))
		set->events->refused(
		    set->ctx, l->address, reason, l->peer_known ? &l->peer.hello : NULL, by_peer, text);
}

/* Says no, and lingers until it is heard. A second link between two nodes that know each other is no
 * event; nor, on the side that was dialled, is a node that dialled itself. */
static void refuse_saying(struct link *l, enum rpc_refusal reason, const char *text)
{
	const struct rpc_hello *peer = l->peer_known ? &l->peer.hello : NULL;
	const struct rpc_hello *self = &l->set->self.hello;
	struct rpc_msg m = { .kind = RPC_REFUSAL, .refusal = { .reason = reason, .text = bytes_str(text) } };
	link_say(l, &m);
	enum dial_end end = DIAL_FAILED;
	if (reason == RPC_REFUSED_DUPLICATE)
		end = DIAL_DUPLICATE;
	else if (reason == RPC_REFUSED_SELF && incarnation_cmp(self->incarnation, peer->incarnation) == 0)
		end = DIAL_SELF;
	bool again = end == DIAL_SELF && l->dial != NULL && !dial_first_self(l->dial);
	if (reason != RPC_REFUSED_DUPLICATE && !again)
		report_refusal(l, reason, false, text);
	if (link_is_listening(l)) /* the core may have closed it */
		link_leave(l, true, false, end);
}

static void refuse(struct link *l, enum rpc_refusal reason)
{
	char text[RPC_TEXT_MAX + 1];
	const struct rpc_hello own = own_hello(l);
	hello_refusal_text(reason, &own, l->peer_known ? &l->peer.hello : NULL, text);
	refuse_saying(l, reason, text);
}

static bool awaits_proof(const struct link *l)
{
	return l->state == LINK_PROOF || (l->state == LINK_CONFIRM && l->keys.n > 0);
}

bool link_proof_is_late(struct link *l)
{
	char text[RPC_TEXT_MAX + 1];
	if (!awaits_proof(l))
		return false;
	struct bytes name = l->peer.hello.name;
	snprintf(text, sizeof(text), "node '%.*s' sent no proof of the cluster's key within %d ms", (int)name.n,
	    (const char *)name.p, RPC_HELLO_TIMEOUT_MS);
	refuse_saying(l, RPC_REFUSED_KEY, text);
	return true;
}

static void malformed(struct link *l)
{
	l->set->counters.malformed++;
	refuse(l, RPC_REFUSED_MALFORMED);
}

/* A handshake of TLS, or an alert, where a frame is awaited: no frame begins so. */
static bool looks_like_tls(struct bytes b)
{
	return b.n >= 2 && (b.p[0] == 0x16 || b.p[0] == 0x15) && b.p[1] == 0x03;
}

static void __attribute__((format(printf, 2, 3))) note_tls(struct link *l, const char *format, ...)
{
	char text[RPC_TEXT_MAX + 1];
	va_list ap;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	report_refusal(l, RPC_REFUSED_TLS, false, text);
}

/* Who was dialled without TLS speaks first, so that one who says nothing may be waiting for TLS. Both sides
 * wait, and either may hang up a moment before the other: a close after a long wait says the same. */
void link_note_tls(struct link *l, enum err e)
{
	bool tls = l->set->cert != NULL;
	int waited_ms = (int)(nng_now_ms() - l->since_ms);
	bool silent = e == ERR_TIMEOUT || (e == ERR_CLOSED && waited_ms >= RPC_HELLO_TIMEOUT_MS / 2);
	if (e == ERR_FORGED)
		note_tls(l, "its certificate is missing, not of a CA in tls.ca_file, or not good today");
	else if (tls && e == ERR_INVALID)
		note_tls(l, "TLS failed: the other side has none, or does not believe this node's certificate");
	else if (tls && silent)
		note_tls(
		    l, "connected, and no hello over TLS came within %d ms: has the other side no tls:?", waited_ms);
	else if (l->dialled && silent)
		note_tls(l,
		    "connected, and no hello came within %d ms: it hangs, or wants TLS, and this node has no tls:",
		    waited_ms);
}

static void refused_by_peer(struct link *l, const struct rpc_msg *m)
{
	char text[RPC_TEXT_MAX + 1];
	enum rpc_refusal reason = m->refusal.reason;
	snprintf(text, sizeof(text), "%.*s", (int)m->refusal.text.n, (const char *)m->refusal.text.p);
	bool quiet = reason == RPC_REFUSED_DUPLICATE || (reason == RPC_REFUSED_SELF && !l->dialled);
	if (!quiet)
		report_refusal(l, reason, true, text);
	if (link_is_listening(l)) /* the core may have closed it */
		link_leave(l, false, false, reason == RPC_REFUSED_DUPLICATE ? DIAL_DUPLICATE : DIAL_FAILED);
}

/* A newer link to the same node takes the place of this one. */
static void give_way(struct link *l, bool same_run)
{
	struct rpc_msg m = { .kind = RPC_BYE };
	link_say(l, &m);
	link_leave(l, true, same_run, DIAL_DUPLICATE);
}

/* The link at slot i, if it is another one to the same node, and counts. */
static struct link *rival(const struct link *l, size_t i)
{
	struct link *other = l->set->slots[i];
	return other != NULL && other != l && link_counts(other, &l->peer.hello.node) ? other : NULL;
}

static bool an_old_one_stays(const struct link *l)
{
	for (size_t i = 0; i < RPC_LINKS_MAX; i++) {
		const struct link *old = rival(l, i);
		if (old == NULL)
			continue;
		struct hello_link was = {
			.peer = old->peer.hello.incarnation,
			.dialled = old->dialled,
			.unproven = awaits_proof(old) && !l->dialled,
		};
		if (hello_meet(&l->set->self.hello.node, &l->peer.hello, l->dialled, was) == HELLO_OLD_STAYS)
			return true;
	}
	return false;
}

/* Both sides want the link, and have proven themselves if there is a key. */
static void let_in(struct link *l)
{
	for (size_t i = 0; i < RPC_LINKS_MAX; i++) {
		struct link *old = rival(l, i);
		int order = old == NULL ? 1 : incarnation_cmp(old->peer.hello.incarnation, l->peer.hello.incarnation);
		if (order <= 0)
			give_way(old, order == 0);
	}
	link_come_up(l);
}

/* Both hellos are said: whoever hears the second one may be told in names at once. */
static void agree(struct link *l)
{
	if ((l->features & l->peer.hello.features & RPC_FEATURE_NAMES) != 0)
		l->names = rpc_names_new(RPC_NAMES_MAX);
}

/* On the side that was dialled: the peer is who it says. */
static void welcome(struct link *l)
{
	if (an_old_one_stays(l)) {
		refuse(l, RPC_REFUSED_DUPLICATE);
		return;
	}
	if (l->keys.n > 0)
		say_proof(l);
	else
		link_say_heartbeat(l);
	let_in(l);
}

/* On the side that dialled; what the hello says is not proven yet, so no other link gives way yet. */
static void answer_hello(struct link *l)
{
	if (l->dial != NULL)
		dial_peer_is(l->dial, &l->peer.hello.node);
	if (an_old_one_stays(l)) {
		refuse(l, RPC_REFUSED_DUPLICATE);
		return;
	}
	link_say_hello(l);
	agree(l);
	say_proof(l);
	l->state = LINK_CONFIRM;
}

static void hear_hello(struct link *l, const struct rpc_hello *h)
{
	const struct rpc_hello own = own_hello(l), *self = &own, *peer = &l->peer.hello;
	hello_copy_set(&l->peer, h);
	l->peer_known = true;
	enum rpc_refusal reason = hello_check(self, peer, &l->version);
	if (reason != RPC_NOT_REFUSED) {
		/* The other side is to see for itself what is wrong, with a name to it. */
		bool myself =
		    reason == RPC_REFUSED_SELF && incarnation_cmp(self->incarnation, peer->incarnation) == 0;
		if (l->dialled && !myself)
			link_say_hello(l);
		refuse(l, reason);
	} else if (l->dialled) {
		answer_hello(l);
	} else {
		agree(l);
		if (l->keys.n > 0)
			l->state = LINK_PROOF;
		else
			welcome(l);
	}
}

static void hear_proof(struct link *l, const struct rpc_msg *m)
{
	if (m->kind != RPC_PROOF || !cluster_believe(&l->keys, peer_role(l), &l->transcript, &m->proof))
		refuse(l, RPC_REFUSED_KEY);
	else if (l->dialled)
		let_in(l);
	else
		welcome(l);
}

static bool take_ack(struct link *l, uint64_t acked)
{
	if (acked > l->said_bytes)
		return false;
	if (acked > l->acked_bytes)
		l->acked_bytes = acked;
	return true;
}

static void hear(struct link *l, const struct rpc_msg *m)
{
	struct nng_links *set = l->set;
	if (m->kind == RPC_REFUSAL) {
		refused_by_peer(l, m);
		return;
	}
	if (m->kind == RPC_BYE) {
		link_leave(l, false, true, DIAL_FAILED);
		return;
	}
	if (l->state == LINK_HELLO) {
		if (m->kind == RPC_HELLO)
			hear_hello(l, &m->hello);
		else
			malformed(l);
		return;
	}
	if (awaits_proof(l)) {
		hear_proof(l, m);
		return;
	}
	if (m->kind == RPC_HELLO || m->kind == RPC_PROOF) {
		malformed(l);
		return;
	}
	if (l->state == LINK_CONFIRM)
		let_in(l);
	if (l->state == LINK_UP)
		set->events->message(set->ctx, l->id, m);
}

static void hear_frame(struct link *l, struct bytes frame)
{
	struct nng_links *set = l->set;
	struct rpc_msg m;
	set->counters.frames_in++;
	set->counters.bytes_in += FRAME_PREFIX_BYTES + frame.n;
	enum err e = rpc_decode_named(frame, l->names, &set->decode_arena, &m);
	struct nng_traffic *kind = &set->counters.by_kind[e == OK ? m.kind : RPC_UNKNOWN];
	kind->frames_in++;
	kind->bytes_in += FRAME_PREFIX_BYTES + frame.n;
	if (e == OK && m.kind == RPC_HELLO && l->state == LINK_HELLO)
		cluster_transcript_put(&l->transcript, peer_role(l), frame);
	if (e != OK || !take_ack(l, m.acked_bytes))
		malformed(l);
	else
		hear(l, &m);
	arena_reset(&set->decode_arena);
	l->consumed_bytes += FRAME_PREFIX_BYTES + frame.n;
}

/* Every frame that is whole in what came; at most one ring full, then the loop's other work is due. */
void link_hear(struct link *l)
{
	for (size_t budget = NNG_CONN_IN_BYTES; budget > 0 && link_is_listening(l);) {
		struct bytes came = nng_conn_peek(l->conn);
		if (came.n == 0)
			return;
		if (came.n > budget)
			came.n = budget;
		budget -= came.n;
		struct bytes rest = came, frame;
		enum frame_result r = FRAME_READY;
		while (link_is_listening(l) && (r = frame_next(&l->frames, &rest, &frame)) == FRAME_READY)
			hear_frame(l, frame);
		if (r == FRAME_TOO_BIG && l->state == LINK_HELLO && looks_like_tls(came))
			refuse_saying(l, RPC_REFUSED_TLS, "the other side speaks TLS, and this node has no tls:");
		else if (r == FRAME_TOO_BIG)
			malformed(l);
		else if (link_is_listening(l))
			nng_conn_consume(l->conn, came.n);
	}
}
