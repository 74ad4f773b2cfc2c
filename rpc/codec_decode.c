#include "rpc/codec_pb.h"
#include "rpc/entries.h"
#include "rpc/limits.h"
#include "rpc/wire.pb-c.h"

bool codec_take_fixed(ProtobufCBinaryData in, void *out, size_t n)
{
	if (in.len != n)
		return false;
	memcpy(out, in.data, n);
	return true;
}

bool codec_take_incarnation(const Warmcast__Incarnation *in, struct incarnation *out)
{
	if (in == NULL)
		return false;
	*out = (struct incarnation){ .count = in->count, .nonce = in->nonce };
	return true;
}

/* A challenge and key ids come together, or neither does. */
static enum err take_keys(const Warmcast__Hello *in, struct rpc_hello *h)
{
	if (in->n_key_ids > RPC_CLUSTER_KEYS_MAX)
		return ERR_TOO_BIG;
	for (size_t i = 0; i < in->n_key_ids; i++) {
		if (key_id_set(&h->keys[i], bytes_str(in->key_ids[i])) != OK)
			return ERR_INVALID;
	}
	h->keys_n = in->n_key_ids;
	if (h->keys_n == 0)
		return in->challenge.len == 0 ? OK : ERR_INVALID;
	return codec_take_fixed(in->challenge, h->challenge, RPC_CHALLENGE_BYTES) ? OK : ERR_INVALID;
}

static enum err take_hello(const Warmcast__Hello *in, struct rpc_msg *m)
{
	struct rpc_hello h = {
		.cluster = bytes_str(in->cluster),
		.name = bytes_str(in->name),
		.version_min = in->version_min,
		.version_max = in->version_max,
		.features = in->features,
		.build = bytes_str(in->build),
		.rpc_address = bytes_str(in->rpc_address),
	};
	if (!codec_take_fixed(in->node_id, h.node.b, NODE_ID_BYTES) ||
	    !codec_take_incarnation(in->incarnation, &h.incarnation))
		return ERR_INVALID;
	enum err e = take_keys(in, &h);
	if (e != OK)
		return e;
	m->kind = RPC_HELLO;
	m->hello = h;
	return OK;
}

static enum err take_proof(const Warmcast__Proof *in, struct rpc_msg *m)
{
	struct rpc_proof p;
	if (key_id_set(&p.key, bytes_str(in->key_id)) != OK || !codec_take_fixed(in->mac, p.mac, RPC_MAC_BYTES))
		return ERR_INVALID;
	m->kind = RPC_PROOF;
	m->proof = p;
	return OK;
}

static enum err take_position(const Warmcast__RowPosition *in, struct rpc_row_position *out)
{
	struct rpc_row_position p = {
		.stream = (enum rpc_stream)in->stream,
		.have = in->have,
		.horizon = in->horizon,
		.floor = in->floor,
		.base = in->base_floor,
		.fingerprint = in->fingerprint,
	};
	if (!codec_take_fixed(in->owner, p.owner.b, NODE_ID_BYTES) ||
	    !codec_take_incarnation(in->incarnation, &p.incarnation))
		return ERR_INVALID;
	*out = p;
	return OK;
}

/* Rows of streams that a newer peer has are left out (V1). */
static enum err take_positions(Warmcast__RowPosition **in, size_t in_n, struct arena *a,
    const struct rpc_row_position **out, size_t *out_n)
{
	struct rpc_row_position *rows = arena_array(a, in_n, sizeof(*rows));
	if (rows == NULL)
		return ERR_TOO_BIG;
	size_t n = 0;
	for (size_t i = 0; i < in_n; i++) {
		if (in[i]->stream >= RPC_STREAMS)
			continue;
		enum err e = take_position(in[i], &rows[n++]);
		if (e != OK)
			return e;
	}
	*out = rows;
	*out_n = n;
	return OK;
}

static enum err take_digest(const Warmcast__Digest *in, struct arena *a, struct rpc_msg *m)
{
	if (in->n_rows > RPC_DIGEST_ROWS_MAX)
		return ERR_TOO_BIG;
	struct rpc_digest d = {
		.answer = in->answer,
		.first = pb_bytes(in->first),
		.last = pb_bytes(in->last),
	};
	enum err e = take_positions(in->rows, in->n_rows, a, &d.rows, &d.rows_n);
	if (e != OK)
		return e;
	m->kind = RPC_DIGEST;
	m->digest = d;
	return OK;
}

enum err codec_take_ancestors(Warmcast__Ancestor *const *in, size_t n, struct rpc_ancestor *out)
{
	if (n > RPC_ANCESTORS_MAX)
		return ERR_TOO_BIG;
	for (size_t i = 0; i < n; i++) {
		if (!codec_take_incarnation(in[i]->incarnation, &out[i].incarnation))
			return ERR_INVALID;
		out[i].version = in[i]->version;
	}
	return OK;
}

static enum err take_entries(const Warmcast__RowFrame *in, struct arena *a, struct rpc_row_frame *f)
{
	if (in->n_entries > RPC_FRAME_ENTRIES_MAX)
		return ERR_TOO_BIG;
	struct rpc_entry *entries = arena_array(a, in->n_entries, sizeof(*entries));
	if (entries == NULL)
		return ERR_TOO_BIG;
	for (size_t i = 0; i < in->n_entries; i++) {
		const Warmcast__Entry *e = in->entries[i];
		entries[i] = (struct rpc_entry){
			.version = e->version,
			.key = pb_bytes(e->key),
			.value = pb_bytes(e->value),
			.deleted = e->deleted,
		};
	}
	f->entries = entries;
	f->entries_n = in->n_entries;
	return OK;
}

static enum err take_row_frame(const Warmcast__RowFrame *in, struct arena *a, struct rpc_msg *m)
{
	if (in->stream >= RPC_STREAMS) {
		m->kind = RPC_UNKNOWN; /* a stream of a newer peer (V1) */
		return OK;
	}
	struct rpc_row_frame f = {
		.stream = (enum rpc_stream)in->stream,
		.from = in->from,
		.to = in->to,
		.horizon = in->horizon,
		.floor = in->floor,
		.reset = in->reset,
		.repair = in->repair,
		.ancestors_n = in->n_ancestors,
	};
	if (!codec_take_fixed(in->owner, f.owner.b, NODE_ID_BYTES) ||
	    !codec_take_incarnation(in->incarnation, &f.incarnation))
		return ERR_INVALID;
	enum err e = codec_take_ancestors(in->ancestors, in->n_ancestors, f.ancestors);
	if (e == OK)
		e = take_entries(in, a, &f);
	if (e != OK)
		return e;
	m->kind = RPC_ROW_FRAME;
	m->row_frame = f;
	return OK;
}

static enum err take_announce(const Warmcast__Announce *in, struct arena *a, struct rpc_msg *m)
{
	if (in->n_rows > RPC_ANNOUNCE_ROWS_MAX)
		return ERR_TOO_BIG;
	struct rpc_row_version *rows = arena_array(a, in->n_rows, sizeof(*rows));
	if (rows == NULL)
		return ERR_TOO_BIG;
	size_t n = 0;
	for (size_t i = 0; i < in->n_rows; i++) {
		const Warmcast__RowVersion *r = in->rows[i];
		if (r->stream >= RPC_STREAMS)
			continue; /* a stream of a newer peer (V1) */
		struct rpc_row_version *v = &rows[n++];
		v->stream = (enum rpc_stream)r->stream;
		v->have = r->have;
		if (!codec_take_fixed(r->owner, v->owner.b, NODE_ID_BYTES) ||
		    !codec_take_incarnation(r->incarnation, &v->incarnation))
			return ERR_INVALID;
	}
	m->kind = RPC_ANNOUNCE;
	m->announce = (struct rpc_announce){ .rows = rows, .rows_n = n };
	return OK;
}

static enum err take_pull(const Warmcast__Pull *in, struct arena *a, struct rpc_msg *m)
{
	if (in->n_rows > RPC_PULL_ROWS_MAX)
		return ERR_TOO_BIG;
	struct rpc_pull p;
	enum err e = take_positions(in->rows, in->n_rows, a, &p.rows, &p.rows_n);
	if (e != OK)
		return e;
	m->kind = RPC_PULL;
	m->pull = p;
	return OK;
}

static enum err take_ranges(const Warmcast__Ranges *in, struct arena *a, struct rpc_msg *m)
{
	size_t n = in->n_prefixes;
	if (n > RPC_RANGES_MAX)
		return ERR_TOO_BIG;
	size_t sums_n = in->answer ? 0 : n * RPC_RANGE_FANOUT;
	if (in->sums.len != sums_n * 8 || in->n_differ != (in->answer ? n : 0))
		return ERR_INVALID;
	uint64_t *sums = arena_array(a, sums_n, sizeof(*sums));
	if (sums == NULL)
		return ERR_TOO_BIG;
	for (size_t i = 0; i < in->sums.len; i++)
		sums[i / 8] = sums[i / 8] << 8 | in->sums.data[i];
	m->kind = RPC_RANGES;
	m->ranges = (struct rpc_ranges){
		.answer = in->answer,
		.depth = in->depth,
		.prefixes = in->prefixes,
		.prefixes_n = n,
		.sums = sums,
		.differ = in->differ,
		.rows = in->rows,
	};
	return OK;
}

static enum err take_sessions(
    const ProtobufCBinaryData *in, size_t n, struct arena *a, const struct rpc_session_id **out)
{
	if (n > RPC_SESSIONS_MAX)
		return ERR_TOO_BIG;
	struct rpc_session_id *ids = arena_array(a, n, sizeof(*ids));
	if (ids == NULL)
		return ERR_TOO_BIG;
	for (size_t i = 0; i < n; i++) {
		if (!codec_take_fixed(in[i], ids[i].b, RPC_SESSION_ID_BYTES))
			return ERR_INVALID;
	}
	*out = ids;
	return OK;
}

static enum err take_session_news(const Warmcast__SessionNews *in, struct arena *a, struct rpc_msg *m)
{
	struct rpc_session_news s = { .alive_n = in->n_alive, .ended_n = in->n_ended };
	enum err e = take_sessions(in->alive, in->n_alive, a, &s.alive);
	if (e == OK)
		e = take_sessions(in->ended, in->n_ended, a, &s.ended);
	if (e != OK)
		return e;
	m->kind = RPC_SESSION_NEWS;
	m->session_news = s;
	return OK;
}

static enum err take_lease_ask(const Warmcast__LeaseAsk *in, struct rpc_msg *m)
{
	m->kind = RPC_LEASE_ASK;
	m->lease_ask = (struct rpc_lease_ask){ in->request, in->want };
	return OK;
}

static enum err take_lease_grant(const Warmcast__LeaseGrant *in, struct rpc_msg *m)
{
	m->kind = RPC_LEASE_GRANT;
	m->lease_grant = (struct rpc_lease_grant){
		.request = in->request,
		.incarnation = in->incarnation,
		.batch = in->batch,
		.places = in->places,
		.life_ms = in->life_ms,
		.weight_kbps = in->weight_kbps,
		.active = in->active,
		.outstanding = in->outstanding,
		.capacity = in->capacity,
	};
	return OK;
}

static enum err take_lease_close(const Warmcast__LeaseClose *in, struct rpc_msg *m)
{
	m->kind = RPC_LEASE_CLOSE;
	m->lease_close = (struct rpc_lease_close){ in->batch, in->used, in->incarnation };
	return OK;
}

static enum err take_warm(const Warmcast__Warm *in, struct rpc_msg *m)
{
	struct rpc_warm w = {
		.origin = pb_bytes(in->origin), .content = pb_bytes(in->content), .by = rpc_operator(pb_bytes(in->by))
	};
	if (!codec_take_fixed(in->id, w.id.b, RPC_WARM_ID_BYTES))
		return ERR_INVALID;
	m->kind = RPC_WARM;
	m->warm = w;
	return OK;
}

static enum err take_warm_told(const Warmcast__WarmTold *in, struct rpc_msg *m)
{
	struct rpc_warm_told t = {
		.state = in->state,
		.objects = in->objects,
		.remaining = in->remaining,
		.failed = in->failed,
		.bytes = in->bytes,
		.detail = bytes_str(in->detail),
	};
	if (!codec_take_fixed(in->id, t.id.b, RPC_WARM_ID_BYTES))
		return ERR_INVALID;
	m->kind = RPC_WARM_TOLD;
	m->warm_told = t;
	return OK;
}

static enum err take_watched_told(const Warmcast__WatchedTold *in, struct rpc_msg *m)
{
	if (in->n_contents > RPC_WATCHED_MAX)
		return ERR_TOO_BIG;
	if (in->n_viewers != in->n_contents)
		return ERR_INVALID;
	m->kind = RPC_WATCHED_TOLD;
	m->watched_told = (struct rpc_watched_told){
		.request = in->request,
		.contents = in->contents,
		.viewers = in->viewers,
		.n = in->n_contents,
		.more = in->more,
	};
	return OK;
}

static enum err take_body(
    const Warmcast__Envelope *env, struct rpc_names *names, struct arena *a, struct rpc_msg *m)
{
	switch (env->body_case) {
	case WARMCAST__ENVELOPE__BODY_HELLO: return take_hello(env->hello, m);
	case WARMCAST__ENVELOPE__BODY_REFUSAL:
		m->kind = RPC_REFUSAL;
		m->refusal.reason = (enum rpc_refusal)env->refusal->reason;
		m->refusal.text = bytes_str(env->refusal->text);
		return OK;
	case WARMCAST__ENVELOPE__BODY_BYE:
		m->kind = RPC_BYE;
		m->bye.reason = env->bye->reason;
		return OK;
	case WARMCAST__ENVELOPE__BODY_HEARTBEAT: m->kind = RPC_HEARTBEAT; return OK;
	case WARMCAST__ENVELOPE__BODY_DIGEST: return take_digest(env->digest, a, m);
	case WARMCAST__ENVELOPE__BODY_ROW_FRAME: return take_row_frame(env->row_frame, a, m);
	case WARMCAST__ENVELOPE__BODY_SESSION_NEWS: return take_session_news(env->session_news, a, m);
	case WARMCAST__ENVELOPE__BODY_PROOF: return take_proof(env->proof, m);
	case WARMCAST__ENVELOPE__BODY_ANNOUNCE: return take_announce(env->announce, a, m);
	case WARMCAST__ENVELOPE__BODY_PULL: return take_pull(env->pull, a, m);
	case WARMCAST__ENVELOPE__BODY_TREE:
		m->kind = RPC_TREE;
		m->tree.prune = env->tree->prune;
		m->tree.graft = env->tree->graft;
		return OK;
	case WARMCAST__ENVELOPE__BODY_RANGES: return take_ranges(env->ranges, a, m);
	case WARMCAST__ENVELOPE__BODY_LEASE_ASK: return take_lease_ask(env->lease_ask, m);
	case WARMCAST__ENVELOPE__BODY_LEASE_GRANT: return take_lease_grant(env->lease_grant, m);
	case WARMCAST__ENVELOPE__BODY_LEASE_CLOSE: return take_lease_close(env->lease_close, m);
	case WARMCAST__ENVELOPE__BODY_WARM: return take_warm(env->warm, m);
	case WARMCAST__ENVELOPE__BODY_WARM_TOLD: return take_warm_told(env->warm_told, m);
	case WARMCAST__ENVELOPE__BODY_WATCHED_ASK:
		m->kind = RPC_WATCHED_ASK;
		m->watched_ask.request = env->watched_ask->request;
		return OK;
	case WARMCAST__ENVELOPE__BODY_WATCHED_TOLD: return take_watched_told(env->watched_told, m);
	case WARMCAST__ENVELOPE__BODY_NAMED_FRAME:
	case WARMCAST__ENVELOPE__BODY_NAMED_ANNOUNCE:
	case WARMCAST__ENVELOPE__BODY_NAMED_PULL:
		return names == NULL ? ERR_INVALID : codec_take_named(env, names, a, m);
	default: m->kind = RPC_UNKNOWN; return OK; /* a kind of a newer peer (V1) */
	}
}

enum err rpc_decode_named(struct bytes frame, struct rpc_names *names, struct arena *a, struct rpc_msg *m)
{
	if (frame.n > RPC_FRAME_MAX)
		return ERR_TOO_BIG;
	ProtobufCMessage *pb;
	enum err e = pb_unpack(&warmcast__envelope__descriptor, frame, a, &pb);
	if (e != OK)
		return e;
	const Warmcast__Envelope *env = (const Warmcast__Envelope *)(const void *)pb;
	struct rpc_msg got = { .kind = RPC_UNKNOWN, .acked_bytes = env->acked_bytes };
	e = take_body(env, names, a, &got);
	if (e == OK)
		e = limits_msg(&got);
	if (e == OK)
		*m = got;
	return e;
}

enum err rpc_decode(struct bytes frame, struct arena *a, struct rpc_msg *m)
{
	return rpc_decode_named(frame, NULL, a, m);
}
