#include "rpc/codec_pb.h"
#include "rpc/entries.h"
#include "rpc/limits.h"
#include "rpc/names.h"
#include "rpc/wire.pb-c.h"

void *codec_make(struct builder *b, size_t count, size_t size)
{
	void *p = arena_array(b->arena, count, size);
	if (p == NULL)
		b->exhausted = true;
	return p;
}

static char *make_text(struct builder *b, struct bytes s)
{
	char *p = arena_str(b->arena, s);
	if (p == NULL)
		b->exhausted = true;
	return p;
}

Warmcast__Incarnation *codec_make_incarnation(struct builder *b, struct incarnation in)
{
	Warmcast__Incarnation *m = codec_make(b, 1, sizeof(*m));
	if (m == NULL)
		return NULL;
	warmcast__incarnation__init(m);
	m->count = in.count;
	m->nonce = in.nonce;
	return m;
}

ProtobufCBinaryData codec_make_id(const struct node_id *id)
{
	return pb_data(bytes_of(id->b, NODE_ID_BYTES));
}

static void make_keys(struct builder *b, const struct rpc_hello *h, Warmcast__Hello *m)
{
	if (h->keys_n == 0)
		return;
	char **ids = codec_make(b, h->keys_n, sizeof(*ids));
	if (ids == NULL)
		return;
	for (size_t i = 0; i < h->keys_n; i++)
		ids[i] = make_text(b, key_id_bytes(&h->keys[i]));
	m->key_ids = ids;
	m->n_key_ids = h->keys_n;
	m->challenge = pb_data(bytes_of(h->challenge, RPC_CHALLENGE_BYTES));
}

static Warmcast__Hello *make_hello(struct builder *b, const struct rpc_hello *h)
{
	Warmcast__Hello *m = codec_make(b, 1, sizeof(*m));
	if (m == NULL)
		return NULL;
	warmcast__hello__init(m);
	m->cluster = make_text(b, h->cluster);
	m->node_id = codec_make_id(&h->node);
	m->name = make_text(b, h->name);
	m->incarnation = codec_make_incarnation(b, h->incarnation);
	m->version_min = h->version_min;
	m->version_max = h->version_max;
	m->features = h->features;
	m->build = make_text(b, h->build);
	m->rpc_address = make_text(b, h->rpc_address);
	make_keys(b, h, m);
	return m;
}

static Warmcast__Proof *make_proof(struct builder *b, const struct rpc_proof *p)
{
	Warmcast__Proof *m = codec_make(b, 1, sizeof(*m));
	if (m == NULL)
		return NULL;
	warmcast__proof__init(m);
	m->key_id = make_text(b, key_id_bytes(&p->key));
	m->mac = pb_data(bytes_of(p->mac, RPC_MAC_BYTES));
	return m;
}

static Warmcast__Refusal *make_refusal(struct builder *b, const struct rpc_msg *in)
{
	Warmcast__Refusal *m = codec_make(b, 1, sizeof(*m));
	if (m == NULL)
		return NULL;
	warmcast__refusal__init(m);
	m->reason = (uint32_t)in->refusal.reason;
	m->text = make_text(b, in->refusal.text);
	return m;
}

static Warmcast__RowPosition *make_position(struct builder *b, const struct rpc_row_position *p)
{
	Warmcast__RowPosition *m = codec_make(b, 1, sizeof(*m));
	if (m == NULL)
		return NULL;
	warmcast__row_position__init(m);
	m->owner = codec_make_id(&p->owner);
	m->stream = (uint32_t)p->stream;
	m->incarnation = codec_make_incarnation(b, p->incarnation);
	m->have = p->have;
	m->horizon = p->horizon;
	m->floor = p->floor;
	m->base_floor = p->base;
	m->fingerprint = p->fingerprint;
	return m;
}

static Warmcast__Digest *make_digest(struct builder *b, const struct rpc_digest *d)
{
	Warmcast__Digest *m = codec_make(b, 1, sizeof(*m));
	Warmcast__RowPosition **rows = codec_make(b, d->rows_n, sizeof(*rows));
	if (m == NULL || rows == NULL)
		return NULL;
	warmcast__digest__init(m);
	m->answer = d->answer;
	m->first = pb_data(d->first);
	m->last = pb_data(d->last);
	for (size_t i = 0; i < d->rows_n; i++)
		rows[i] = make_position(b, &d->rows[i]);
	m->rows = rows;
	m->n_rows = d->rows_n;
	return m;
}

Warmcast__Ancestor **codec_make_ancestors(struct builder *b, const struct rpc_ancestor *from, size_t n)
{
	Warmcast__Ancestor **list = codec_make(b, n, sizeof(*list));
	Warmcast__Ancestor *each = codec_make(b, n, sizeof(*each));
	if (list == NULL || each == NULL)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		list[i] = &each[i];
		warmcast__ancestor__init(&each[i]);
		each[i].incarnation = codec_make_incarnation(b, from[i].incarnation);
		each[i].version = from[i].version;
	}
	return list;
}

static Warmcast__Entry *make_entry(struct builder *b, const struct rpc_entry *e)
{
	Warmcast__Entry *m = codec_make(b, 1, sizeof(*m));
	if (m == NULL)
		return NULL;
	warmcast__entry__init(m);
	m->version = e->version;
	m->key = pb_data(e->key);
	m->value = pb_data(e->value);
	m->deleted = e->deleted;
	return m;
}

static Warmcast__RowFrame *make_row_frame(struct builder *b, const struct rpc_row_frame *f)
{
	Warmcast__RowFrame *m = codec_make(b, 1, sizeof(*m));
	Warmcast__Entry **entries = codec_make(b, f->entries_n, sizeof(*entries));
	if (m == NULL || entries == NULL)
		return NULL;
	warmcast__row_frame__init(m);
	m->owner = codec_make_id(&f->owner);
	m->stream = (uint32_t)f->stream;
	m->incarnation = codec_make_incarnation(b, f->incarnation);
	m->ancestors = codec_make_ancestors(b, f->ancestors, f->ancestors_n);
	m->n_ancestors = f->ancestors_n;
	m->from = f->from;
	m->to = f->to;
	m->horizon = f->horizon;
	m->floor = f->floor;
	m->reset = f->reset;
	m->repair = f->repair;
	for (size_t i = 0; i < f->entries_n; i++)
		entries[i] = make_entry(b, &f->entries[i]);
	m->entries = entries;
	m->n_entries = f->entries_n;
	return m;
}

static Warmcast__Announce *make_announce(struct builder *b, const struct rpc_announce *a)
{
	Warmcast__Announce *m = codec_make(b, 1, sizeof(*m));
	Warmcast__RowVersion **rows = codec_make(b, a->rows_n, sizeof(*rows));
	Warmcast__RowVersion *each = codec_make(b, a->rows_n, sizeof(*each));
	if (m == NULL || rows == NULL || each == NULL)
		return NULL;
	warmcast__announce__init(m);
	for (size_t i = 0; i < a->rows_n; i++) {
		rows[i] = &each[i];
		warmcast__row_version__init(&each[i]);
		each[i].owner = codec_make_id(&a->rows[i].owner);
		each[i].stream = (uint32_t)a->rows[i].stream;
		each[i].incarnation = codec_make_incarnation(b, a->rows[i].incarnation);
		each[i].have = a->rows[i].have;
	}
	m->rows = rows;
	m->n_rows = a->rows_n;
	return m;
}

static Warmcast__Pull *make_pull(struct builder *b, const struct rpc_pull *p)
{
	Warmcast__Pull *m = codec_make(b, 1, sizeof(*m));
	Warmcast__RowPosition **rows = codec_make(b, p->rows_n, sizeof(*rows));
	if (m == NULL || rows == NULL)
		return NULL;
	warmcast__pull__init(m);
	for (size_t i = 0; i < p->rows_n; i++)
		rows[i] = make_position(b, &p->rows[i]);
	m->rows = rows;
	m->n_rows = p->rows_n;
	return m;
}

static ProtobufCBinaryData make_sums(struct builder *b, const uint64_t *sums, size_t n)
{
	uint8_t *p = codec_make(b, n, sizeof(*sums));
	for (size_t i = 0; p != NULL && i < n * sizeof(*sums); i++)
		p[i] = (uint8_t)(sums[i / 8] >> (56 - 8 * (i % 8)));
	return (ProtobufCBinaryData){ .len = n * sizeof(*sums), .data = p };
}

static uint32_t *make_numbers(struct builder *b, const uint32_t *from, size_t n)
{
	uint32_t *p = codec_make(b, n, sizeof(*p));
	for (size_t i = 0; p != NULL && i < n; i++)
		p[i] = from[i];
	return p;
}

static Warmcast__Ranges *make_ranges(struct builder *b, const struct rpc_ranges *r)
{
	Warmcast__Ranges *m = codec_make(b, 1, sizeof(*m));
	if (m == NULL)
		return NULL;
	warmcast__ranges__init(m);
	m->answer = r->answer;
	m->depth = r->depth;
	m->rows = r->rows;
	m->prefixes = make_numbers(b, r->prefixes, r->prefixes_n);
	m->n_prefixes = r->prefixes_n;
	if (r->answer) {
		m->differ = make_numbers(b, r->differ, r->prefixes_n);
		m->n_differ = r->prefixes_n;
	} else {
		m->sums = make_sums(b, r->sums, r->prefixes_n * RPC_RANGE_FANOUT);
	}
	return m;
}

static Warmcast__Tree *make_tree(struct builder *b, const struct rpc_msg *in)
{
	Warmcast__Tree *m = codec_make(b, 1, sizeof(*m));
	if (m == NULL)
		return NULL;
	warmcast__tree__init(m);
	m->prune = in->tree.prune;
	m->graft = in->tree.graft;
	return m;
}

static ProtobufCBinaryData *make_sessions(struct builder *b, const struct rpc_session_id *ids, size_t n)
{
	ProtobufCBinaryData *list = codec_make(b, n, sizeof(*list));
	for (size_t i = 0; list != NULL && i < n; i++)
		list[i] = pb_data(bytes_of(ids[i].b, RPC_SESSION_ID_BYTES));
	return list;
}

static Warmcast__SessionNews *make_session_news(struct builder *b, const struct rpc_session_news *s)
{
	Warmcast__SessionNews *m = codec_make(b, 1, sizeof(*m));
	if (m == NULL)
		return NULL;
	warmcast__session_news__init(m);
	m->alive = make_sessions(b, s->alive, s->alive_n);
	m->n_alive = s->alive_n;
	m->ended = make_sessions(b, s->ended, s->ended_n);
	m->n_ended = s->ended_n;
	return m;
}

static Warmcast__LeaseAsk *make_lease_ask(struct builder *b, const struct rpc_lease_ask *in)
{
	Warmcast__LeaseAsk *m = codec_make(b, 1, sizeof(*m));
	if (m == NULL)
		return NULL;
	warmcast__lease_ask__init(m);
	m->request = in->request;
	m->want = in->want;
	return m;
}

static Warmcast__LeaseGrant *make_lease_grant(struct builder *b, const struct rpc_lease_grant *in)
{
	Warmcast__LeaseGrant *m = codec_make(b, 1, sizeof(*m));
	if (m == NULL)
		return NULL;
	warmcast__lease_grant__init(m);
	m->request = in->request;
	m->incarnation = in->incarnation;
	m->batch = in->batch;
	m->places = in->places;
	m->life_ms = in->life_ms;
	m->weight_kbps = in->weight_kbps;
	m->active = in->active;
	m->outstanding = in->outstanding;
	m->capacity = in->capacity;
	return m;
}

static Warmcast__LeaseClose *make_lease_close(struct builder *b, const struct rpc_lease_close *in)
{
	Warmcast__LeaseClose *m = codec_make(b, 1, sizeof(*m));
	if (m == NULL)
		return NULL;
	warmcast__lease_close__init(m);
	m->batch = in->batch;
	m->used = in->used;
	m->incarnation = in->incarnation;
	return m;
}

static void make_lease(struct builder *b, const struct rpc_msg *in, Warmcast__Envelope *env)
{
	switch (in->kind) {
	case RPC_LEASE_ASK:
		env->body_case = WARMCAST__ENVELOPE__BODY_LEASE_ASK;
		env->lease_ask = make_lease_ask(b, &in->lease_ask);
		break;
	case RPC_LEASE_GRANT:
		env->body_case = WARMCAST__ENVELOPE__BODY_LEASE_GRANT;
		env->lease_grant = make_lease_grant(b, &in->lease_grant);
		break;
	case RPC_LEASE_CLOSE:
		env->body_case = WARMCAST__ENVELOPE__BODY_LEASE_CLOSE;
		env->lease_close = make_lease_close(b, &in->lease_close);
		break;
	default: break;
	}
}

static Warmcast__Warm *make_warm(struct builder *b, const struct rpc_warm *in)
{
	Warmcast__Warm *m = codec_make(b, 1, sizeof(*m));
	if (m == NULL)
		return NULL;
	warmcast__warm__init(m);
	m->id = pb_data(bytes_of(in->id.b, RPC_WARM_ID_BYTES));
	m->origin = pb_data(in->origin);
	m->content = pb_data(in->content);
	m->by = pb_data(rpc_operator(in->by));
	return m;
}

static Warmcast__WarmTold *make_warm_told(struct builder *b, const struct rpc_warm_told *in)
{
	Warmcast__WarmTold *m = codec_make(b, 1, sizeof(*m));
	if (m == NULL)
		return NULL;
	warmcast__warm_told__init(m);
	m->id = pb_data(bytes_of(in->id.b, RPC_WARM_ID_BYTES));
	m->state = in->state;
	m->objects = in->objects;
	m->remaining = in->remaining;
	m->failed = in->failed;
	m->bytes = in->bytes;
	m->detail = make_text(b, in->detail);
	return m;
}

static void make_warming(struct builder *b, const struct rpc_msg *in, Warmcast__Envelope *env)
{
	if (in->kind == RPC_WARM) {
		env->body_case = WARMCAST__ENVELOPE__BODY_WARM;
		env->warm = make_warm(b, &in->warm);
	} else {
		env->body_case = WARMCAST__ENVELOPE__BODY_WARM_TOLD;
		env->warm_told = make_warm_told(b, &in->warm_told);
	}
}

static Warmcast__WatchedTold *make_watched_told(struct builder *b, const struct rpc_watched_told *in)
{
	Warmcast__WatchedTold *m = codec_make(b, 1, sizeof(*m));
	uint64_t *contents = codec_make(b, in->n, sizeof(*contents));
	if (m == NULL || contents == NULL)
		return NULL;
	warmcast__watched_told__init(m);
	for (size_t i = 0; i < in->n; i++)
		contents[i] = in->contents[i];
	m->request = in->request;
	m->contents = contents;
	m->viewers = make_numbers(b, in->viewers, in->n);
	m->n_contents = m->n_viewers = in->n;
	m->more = in->more;
	return m;
}

static void make_watched(struct builder *b, const struct rpc_msg *in, Warmcast__Envelope *env)
{
	if (in->kind == RPC_WATCHED_TOLD) {
		env->body_case = WARMCAST__ENVELOPE__BODY_WATCHED_TOLD;
		env->watched_told = make_watched_told(b, &in->watched_told);
		return;
	}
	env->body_case = WARMCAST__ENVELOPE__BODY_WATCHED_ASK;
	env->watched_ask = codec_make(b, 1, sizeof(*env->watched_ask));
	if (env->watched_ask == NULL)
		return;
	warmcast__watched_ask__init(env->watched_ask);
	env->watched_ask->request = in->watched_ask.request;
}

static void make_body(struct builder *b, const struct rpc_msg *in, Warmcast__Envelope *env,
    Warmcast__Bye *bye, Warmcast__Heartbeat *heartbeat)
{
	switch (in->kind) {
	case RPC_UNKNOWN: break;
	case RPC_HELLO:
		env->body_case = WARMCAST__ENVELOPE__BODY_HELLO;
		env->hello = make_hello(b, &in->hello);
		break;
	case RPC_REFUSAL:
		env->body_case = WARMCAST__ENVELOPE__BODY_REFUSAL;
		env->refusal = make_refusal(b, in);
		break;
	case RPC_BYE:
		env->body_case = WARMCAST__ENVELOPE__BODY_BYE;
		bye->reason = in->bye.reason;
		env->bye = bye;
		break;
	case RPC_HEARTBEAT:
		env->body_case = WARMCAST__ENVELOPE__BODY_HEARTBEAT;
		env->heartbeat = heartbeat;
		break;
	case RPC_DIGEST:
		env->body_case = WARMCAST__ENVELOPE__BODY_DIGEST;
		env->digest = make_digest(b, &in->digest);
		break;
	case RPC_ROW_FRAME:
		env->body_case = WARMCAST__ENVELOPE__BODY_ROW_FRAME;
		env->row_frame = make_row_frame(b, &in->row_frame);
		break;
	case RPC_SESSION_NEWS:
		env->body_case = WARMCAST__ENVELOPE__BODY_SESSION_NEWS;
		env->session_news = make_session_news(b, &in->session_news);
		break;
	case RPC_PROOF:
		env->body_case = WARMCAST__ENVELOPE__BODY_PROOF;
		env->proof = make_proof(b, &in->proof);
		break;
	case RPC_ANNOUNCE:
		env->body_case = WARMCAST__ENVELOPE__BODY_ANNOUNCE;
		env->announce = make_announce(b, &in->announce);
		break;
	case RPC_PULL:
		env->body_case = WARMCAST__ENVELOPE__BODY_PULL;
		env->pull = make_pull(b, &in->pull);
		break;
	case RPC_TREE:
		env->body_case = WARMCAST__ENVELOPE__BODY_TREE;
		env->tree = make_tree(b, in);
		break;
	case RPC_RANGES:
		env->body_case = WARMCAST__ENVELOPE__BODY_RANGES;
		env->ranges = make_ranges(b, &in->ranges);
		break;
	case RPC_LEASE_ASK:
	case RPC_LEASE_GRANT:
	case RPC_LEASE_CLOSE: make_lease(b, in, env); break;
	case RPC_WARM:
	case RPC_WARM_TOLD: make_warming(b, in, env); break;
	case RPC_WATCHED_ASK:
	case RPC_WATCHED_TOLD: make_watched(b, in, env); break;
	}
}

enum err rpc_encode_named(
    const struct rpc_msg *m, struct rpc_names *names, struct arena *scratch, struct buf *out)
{
	if (m->kind == RPC_UNKNOWN)
		return ERR_INVALID;
	enum err e = limits_msg(m);
	if (e != OK)
		return e;
	Warmcast__Envelope env = WARMCAST__ENVELOPE__INIT;
	Warmcast__Bye bye = WARMCAST__BYE__INIT;
	Warmcast__Heartbeat heartbeat = WARMCAST__HEARTBEAT__INIT;
	struct builder b = { .arena = scratch, .names = names };
	env.acked_bytes = m->acked_bytes;
	if (names != NULL)
		names_begin(names);
	if (names == NULL || !codec_make_named(&b, m, &env))
		make_body(&b, m, &env, &bye, &heartbeat);
	if (b.exhausted)
		return ERR_TOO_BIG;
	return pb_pack(&env.base, RPC_FRAME_MAX, out);
}

enum err rpc_encode(const struct rpc_msg *m, struct arena *scratch, struct buf *out)
{
	return rpc_encode_named(m, NULL, scratch, out);
}
