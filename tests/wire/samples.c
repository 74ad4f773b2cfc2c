#include "samples.h"

#include "base/check.h"
#include "base/text.h"
#include "node/proto/token.pb-c.h"
#include "node/token.h"
#include "rpc/codec.h"
#include "rpc/entries.h"
#include "rpc/entries.pb-c.h"
#include "rpc/wire.pb-c.h"

#include <stdlib.h>

#define ID(a, z)                                                     \
	{                                                                \
		{                                                            \
			(a), 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, (z) \
		}                                                            \
	}

static const uint8_t first[RPC_ROW_ID_BYTES] = { [0] = 0x10, [16] = 1 };
static const uint8_t last[RPC_ROW_ID_BYTES] = { [0] = 0x20, [16] = 2 };
static const struct rpc_row_position rows[] = {
	{ ID(0xa1, 1), RPC_LOCATIONS, { 3, 0x0102030405060708u }, 300, 301, 10, 9, 0xf1f2f3f4f5f6f7f8u },
	{ ID(0xa2, 1), RPC_LOAD, { 1, 1 }, 1, 1, 0, 0, 1 },
};
static const struct rpc_entry entries[] = {
	{ .version = 7, .key = BYTES_LIT("omain\0lv1"), .value = BYTES_LIT("\x08\x01") },
	{ .version = 200, .key = BYTES_LIT("r"), .deleted = true },
};
static const struct rpc_row_version versions[] = { { ID(0xb1, 9), RPC_LOCATIONS, { 5, 6 }, 7 } };
static const uint32_t prefixes[] = { 15, 1 };
static const uint64_t sums[2 * RPC_RANGE_FANOUT] = { [0] = 0x0102030405060708, [31] = 1 };
static const struct rpc_session_id sessions[] = { { { 1, [15] = 9 } }, { { 2 } } };

/* On a link with names too: the last three kinds. */
#define ROW_FRAME                                 \
	{                                             \
		.kind = RPC_ROW_FRAME, .row_frame = {     \
			.owner = ID(0xb1, 9),                 \
			.stream = RPC_LOCATIONS,              \
			.incarnation = { 5, 6 },              \
			.ancestors = { { { 1, 0xfe }, 77 } }, \
			.ancestors_n = 1,                     \
			.from = 6,                            \
			.to = 200,                            \
			.horizon = 201,                       \
			.floor = 5,                           \
			.reset = true,                        \
			.repair = true,                       \
			.entries = entries,                   \
			.entries_n = 2                        \
		}                                         \
	}
static const struct rpc_msg named[] = {
	{ .kind = RPC_ANNOUNCE, .acked_bytes = 5, .announce = { versions, 1 } },
	ROW_FRAME,
	{ .kind = RPC_PULL, .pull = { rows, 2 } },
	ROW_FRAME,
	{ .kind = RPC_PULL, .pull = { rows, 1 } },
	{ .kind = RPC_ANNOUNCE, .announce = { versions, 1 } },
};

static const struct rpc_msg messages[] = {
	{ .kind = RPC_HELLO,
	    .hello = { .cluster = BYTES_LIT("demo"),
	        .node = ID(1, 16),
	        .name = BYTES_LIT("api-1"),
	        .incarnation = { 5, 0x1122334455667788u },
	        .version_min = 1,
	        .version_max = 2,
	        .features = 0x8000000000000103u,
	        .build = BYTES_LIT("0.1.0"),
	        .rpc_address = BYTES_LIT("127.0.0.1:7000"),
	        .keys = { { "c2", 2 }, { "c1", 2 } },
	        .keys_n = 2,
	        .challenge = { [0] = 0xc1, [31] = 0xcf } } },
	{ .kind = RPC_REFUSAL,
	    .acked_bytes = 0xffffffffffu,
	    .refusal = { .reason = RPC_REFUSED_VERSION, .text = BYTES_LIT("no") } },
	{ .kind = RPC_BYE, .bye = { .reason = 1 } },
	{ .kind = RPC_HEARTBEAT, .acked_bytes = 128 },
	{ .kind = RPC_DIGEST,
	    .digest = { true, { first, sizeof(first) }, { last, sizeof(last) }, .rows = rows, .rows_n = 2 } },
	ROW_FRAME,
	{ .kind = RPC_PROOF, .proof = { .key = { "c1", 2 }, .mac = { [0] = 0xa1, [31] = 0xaf } } },
	{ .kind = RPC_ANNOUNCE, .announce = { versions, 1 } },
	{ .kind = RPC_PULL, .pull = { rows, 2 } },
	{ .kind = RPC_TREE, .tree = { 1, 2 } },
	{ .kind = RPC_RANGES,
	    .ranges = { .depth = 1, .prefixes = prefixes, .prefixes_n = 2, .sums = sums, .rows = 3 } },
	{ .kind = RPC_RANGES,
	    .ranges = { .answer = true, .depth = 1, .prefixes = prefixes, .prefixes_n = 2, .differ = prefixes } },
	{ .kind = RPC_LEASE_ASK, .lease_ask = { 300, 64 } },
	{ .kind = RPC_LEASE_GRANT, .lease_grant = { 300, 7, 9, 64, 10000, 5000, 100, 128, 500 } },
	{ .kind = RPC_LEASE_CLOSE, .lease_close = { 9, 33, 7 } },
	{ .kind = RPC_WARM,
	    .warm = { { { [0] = 0xaa, [15] = 0xbb } }, BYTES_LIT("main"), BYTES_LIT("vod/lv1"),
	        BYTES_LIT("ann@ops") } },
	{ .kind = RPC_WARM_TOLD,
	    .warm_told = { .id = { { [0] = 0xaa, [15] = 0xbb } },
	        .state = RPC_WARM_RUNNING,
	        .objects = 3,
	        .remaining = 300,
	        .failed = 1,
	        .bytes = 70000,
	        .detail = BYTES_LIT("x") } },
	{ .kind = RPC_WATCHED_ASK, .watched_ask = { 300 } },
	{ .kind = RPC_WATCHED_TOLD, .watched_told = { 300, sums, (const uint32_t[]){ 300, 1 }, 2, 7 } },
	{ .kind = RPC_SESSION_NEWS,
	    .session_news = { .alive = sessions, .alive_n = 2, .ended = sessions + 1, .ended_n = 1 } },
};

/* -- entries: each way in a function of its own, since each has a struct of its own -- */

static enum err again_register(struct bytes in, struct arena *a, struct buf *out)
{
	struct rpc_register v;
	enum err e = rpc_decode_register(in, a, &v);
	return e == OK ? rpc_encode_register(&v, out) : e;
}

static enum err again_load(struct bytes in, struct arena *a, struct buf *out)
{
	struct rpc_load v;
	enum err e = rpc_decode_load(in, a, &v);
	return e == OK ? rpc_encode_load(&v, out) : e;
}

static enum err again_location(struct bytes in, struct arena *a, struct buf *out)
{
	struct rpc_location v;
	enum err e = rpc_decode_location(in, a, &v);
	return e == OK ? rpc_encode_location(&v, out) : e;
}

static enum err again_probe(struct bytes in, struct arena *a, struct buf *out)
{
	struct rpc_probe v;
	enum err e = rpc_decode_probe(in, a, &v);
	return e == OK ? rpc_encode_probe(&v, out) : e;
}

static enum err again_revocation(struct bytes in, struct arena *a, struct buf *out)
{
	uint64_t v;
	enum err e = rpc_decode_revocation(in, a, &v);
	return e == OK ? rpc_encode_revocation(v, out) : e;
}

static enum err again_claim(struct bytes in, struct arena *a, struct buf *out)
{
	struct rpc_claim v;
	enum err e = rpc_decode_claim(in, a, &v);
	return e == OK ? rpc_encode_claim(&v, out) : e;
}

static enum err again_command(struct bytes in, struct arena *a, struct buf *out)
{
	struct rpc_command v;
	enum err e = rpc_decode_command(in, a, &v);
	return e == OK ? rpc_encode_command(&v, out) : e;
}

static enum err again_forgotten(struct bytes in, struct arena *a, struct buf *out)
{
	uint64_t v;
	enum err e = rpc_decode_forgotten(in, a, &v);
	return e == OK ? rpc_encode_forgotten(v, out) : e;
}

static enum err again_applied(struct bytes in, struct arena *a, struct buf *out)
{
	struct rpc_applied v;
	enum err e = rpc_decode_applied(in, a, &v);
	return e == OK ? rpc_encode_applied(&v, out) : e;
}

static const struct {
	const char *name;
	const ProtobufCMessageDescriptor *d;
	enum err (*again)(struct bytes in, struct arena *a, struct buf *out);
} entry_kinds[] = {
	{ "register", &warmcast__register__descriptor, again_register },
	{ "load", &warmcast__load__descriptor, again_load },
	{ "location", &warmcast__location__descriptor, again_location },
	{ "probe", &warmcast__probe__descriptor, again_probe },
	{ "revocation", &warmcast__revocation__descriptor, again_revocation },
	{ "claim", &warmcast__claim__descriptor, again_claim },
	{ "command", &warmcast__command__descriptor, again_command },
	{ "forgotten", &warmcast__forgotten__descriptor, again_forgotten },
	{ "applied", &warmcast__applied__descriptor, again_applied },
};
enum { ENTRY_KINDS = sizeof(entry_kinds) / sizeof(entry_kinds[0]) };

struct sink {
	void (*each)(void *arg, const char *kind, struct bytes bytes);
	void *arg;
	struct buf out;
};

static void emit(struct sink *s, const char *kind, enum err e)
{
	CHECK(e == OK && buf_err(&s->out) == OK);
	s->each(s->arg, kind, buf_bytes(&s->out));
	buf_clear(&s->out);
}

static void each_entry(struct sink *s)
{
	static const struct bytes urls[] = { BYTES_LIT("http://127.0.0.3:8080"), BYTES_LIT("http://d.example") };
	struct rpc_register r = { .name = BYTES_LIT("delivery-1"),
		.zone = BYTES_LIT("a"),
		.roles = RPC_ROLE_DELIVERY | RPC_ROLE_INGEST,
		.state = NODE_DRAINING,
		.rpc_address = BYTES_LIT("127.0.0.3:7000"),
		.http_urls = urls,
		.http_urls_n = 2,
		.api_url = BYTES_LIT("http://api"),
		.build = BYTES_LIT("0.1.0"),
		.version_min = 1,
		.version_max = 1,
		.features = 0x8000000000000101u,
		.life = 2,
		.capacity_sessions = 5000,
		.capacity_mbps = 9000 };
	emit(s, "register", rpc_encode_register(&r, &s->out));
	struct rpc_load l = { 300, 2, 999, 1ull << 40, 1, UINT32_MAX, 77, 4, 2 };
	emit(s, "load", rpc_encode_load(&l, &s->out));
	struct rpc_location o = { 1 << 20, 12, 500, BYTES_LIT("master.m3u8"), 4500 };
	emit(s, "location", rpc_encode_location(&o, &s->out));
	struct rpc_probe p = { 1700000000000000u, 8, BYTES_LIT("zzz") };
	emit(s, "probe", rpc_encode_probe(&p, &s->out));
	emit(s, "revocation", rpc_encode_revocation(1702592000, &s->out));
	struct rpc_claim c = { { 4, 0x0102030405060708u }, 3, true };
	emit(s, "claim", rpc_encode_claim(&c, &s->out));
	static const struct node_id drained = ID(0xdd, 0xee);
	struct rpc_command purge = { { 1700000000000u, 4 }, RPC_COMMAND_PURGE, BYTES_LIT("vod/lv1"), ID(7, 7),
		BYTES_LIT("ann@ops"), 0, BYTES_NONE };
	emit(s, "command", rpc_encode_command(&purge, &s->out));
	for (uint32_t kind = RPC_COMMAND_EXPEL; kind <= RPC_COMMAND_UNDRAIN; kind++) {
		struct rpc_command of_node = { { 1700000000000u, kind }, kind, bytes_of(&drained, NODE_ID_BYTES),
			ID(7, 7), BYTES_LIT("ben"), 0, BYTES_NONE };
		if (kind == RPC_COMMAND_UNDRAIN) {
			of_node.drained_ms = 1699999999999u;
			of_node.drained_by = BYTES_LIT("ann@ops");
		}
		emit(s, "command", rpc_encode_command(&of_node, &s->out));
	}
	emit(s, "forgotten", rpc_encode_forgotten(300, &s->out));
	struct rpc_applied a = { .ids = { { { 1, [15] = 9 } }, { { 2 } } }, .n = 2 };
	emit(s, "applied", rpc_encode_applied(&a, &s->out));
}

/* -- tokens -- */

static const char *const token_kinds[] = {
	[TOKEN_PLAYBACK] = "token-playback", [TOKEN_SESSION] = "token-session", [TOKEN_PEER] = "token-peer"
};

static enum token_kind token_kind_of(const char *kind)
{
	for (enum token_kind k = TOKEN_PLAYBACK; (unsigned)k <= TOKEN_KINDS; k++)
		if (strcmp(kind, token_kinds[k]) == 0)
			return k;
	return 0;
}

static void read_keys(struct token_keys *keys)
{
	size_t bad_line;
	CHECK(token_keys_parse(BYTES_LIT(SAMPLES_TOKEN_KEYS), keys, &bad_line) == OK);
}

static void each_token(struct sink *s)
{
	struct token t = { .session = { 1, [15] = 9 },
		.origin = BYTES_LIT("main"),
		.content = BYTES_LIT("vod/lv1"),
		.prefixes = { BYTES_LIT("common/audio"), BYTES_LIT("ads/slate.ts") },
		.prefixes_n = 2,
		.issued_by = ID(0xa0, 1),
		.node = ID(0xd0, 1),
		.node_incarnation = 7,
		.lease_batch = 3,
		.lease_index = 300,
		.kbps = 4500,
		.issued_at_s = 1700000000,
		.start_by_s = 1700000030,
		.renew_after_s = 1700021600,
		.not_after_s = 1702592000,
		.client = BYTES_LIT("tv-42"),
		.entry = BYTES_LIT("v/index.m3u8") };
	struct token_keys keys;
	read_keys(&keys);
	for (t.kind = TOKEN_PLAYBACK; (unsigned)t.kind <= TOKEN_KINDS; t.kind++) {
		struct arena a;
		struct bytes text;
		arena_init(&a, 1 << 16);
		enum err e = token_sign(&keys, &t, &a, &text);
		if (e == OK)
			buf_put_bytes(&s->out, text);
		emit(s, token_kinds[t.kind], e);
		arena_fini(&a);
	}
	token_keys_fini(&keys);
}

/* The message in a token of format 2. */
static enum err token_body(struct bytes text, struct arena *a, ProtobufCMessage **out)
{
	enum { FORMAT_2 = 2 };
	size_t n = TOKEN_TEXT_MAX;
	uint8_t *raw = arena_alloc(a, n);
	CHECK(raw != NULL);
	enum err e = text_unbase64url(raw, &n, text);
	if (e != OK)
		return e;
	if (n < 2 || raw[0] != FORMAT_2 || n < 2u + raw[1] + TOKEN_MAC_BYTES)
		return ERR_VERSION;
	size_t head = 2u + raw[1];
	*out =
	    protobuf_c_message_unpack(&warmcast__token__descriptor, NULL, n - head - TOKEN_MAC_BYTES, raw + head);
	return *out == NULL ? ERR_INVALID : OK;
}

static ProtobufCBinaryData data_of(struct bytes b)
{
	return (ProtobufCBinaryData){ .len = b.n, .data = (uint8_t *)(uintptr_t)b.p };
}

/* What this build understands of it. */
static void token_text(const struct token *t, struct buf *out)
{
	Warmcast__Token m = WARMCAST__TOKEN__INIT;
	ProtobufCBinaryData prefix_data[TOKEN_PREFIXES_MAX];
	for (size_t i = 0; i < t->prefixes_n; i++)
		prefix_data[i] = data_of(t->prefixes[i]);
	m.session = data_of(bytes_of(t->session, sizeof(t->session)));
	m.origin = data_of(t->origin);
	m.content = data_of(t->content);
	m.n_prefixes = t->prefixes_n;
	m.prefixes = prefix_data;
	m.issued_by = data_of(bytes_of(t->issued_by.b, NODE_ID_BYTES));
	m.node = data_of(bytes_of(t->node.b, NODE_ID_BYTES));
	m.node_incarnation = t->node_incarnation;
	m.issued_at_s = t->issued_at_s;
	m.start_by_s = t->start_by_s;
	m.renew_after_s = t->renew_after_s;
	m.not_after_s = t->not_after_s;
	m.client = data_of(t->client);
	m.lease_batch = t->lease_batch;
	m.lease_index = t->lease_index;
	m.kbps = t->kbps;
	m.entry = data_of(t->entry);
	pb_text(&m.base, out);
}

static enum err reread_token(
    enum token_kind kind, struct bytes in, struct arena *a, struct buf *recorded, struct buf *again)
{
	struct token_keys keys;
	struct token t;
	ProtobufCMessage *m;
	enum err e = token_body(in, a, &m);
	if (e != OK)
		return e;
	pb_text(m, recorded);
	protobuf_c_message_free_unpacked(m, NULL);
	read_keys(&keys);
	e = token_verify(&keys, in, kind, a, &t);
	token_keys_fini(&keys);
	if (e == OK)
		token_text(&t, again);
	return e;
}

/* -- all of them -- */

void samples_each(void (*each)(void *arg, const char *kind, struct bytes bytes), void *arg)
{
	struct sink s = { .each = each, .arg = arg };
	struct rpc_names *names = rpc_names_new(RPC_NAMES_MAX);
	buf_init(&s.out, SAMPLE_MAX);
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		struct arena a;
		arena_init(&a, RPC_ARENA_MAX);
		emit(&s, "message", rpc_encode(&messages[i], &a, &s.out));
		arena_fini(&a);
	}
	for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++) {
		struct arena a;
		arena_init(&a, RPC_ARENA_MAX);
		enum err e = rpc_encode_named(&named[i], names, &a, &s.out);
		rpc_names_said(names);
		emit(&s, "named", e);
		arena_fini(&a);
	}
	rpc_names_free(names);
	each_entry(&s);
	each_token(&s);
	buf_fini(&s.out);
}

/* -- reading again -- */

struct samples_reader {
	struct rpc_names *heard, *said;
};

struct samples_reader *samples_reader_new(void)
{
	struct samples_reader *r = calloc(1, sizeof(*r));
	CHECK(r != NULL);
	r->heard = rpc_names_new(0);
	r->said = rpc_names_new(RPC_NAMES_MAX);
	return r;
}

void samples_reader_free(struct samples_reader *r)
{
	rpc_names_free(r->heard);
	rpc_names_free(r->said);
	free(r);
}

static enum err again_message(
    struct samples_reader *r, bool in_names, struct bytes in, struct arena *a, struct buf *out)
{
	struct rpc_msg m;
	if (!in_names) {
		enum err e = rpc_decode(in, a, &m);
		return e == OK ? rpc_encode(&m, a, out) : e;
	}
	enum err e = rpc_decode_named(in, r->heard, a, &m);
	if (e == OK)
		e = rpc_encode_named(&m, r->said, a, out);
	if (e == OK)
		rpc_names_said(r->said);
	return e;
}

static const ProtobufCMessageDescriptor *schema_of(const char *kind, size_t *entry)
{
	*entry = ENTRY_KINDS;
	if (strcmp(kind, "message") == 0 || strcmp(kind, "named") == 0)
		return &warmcast__envelope__descriptor;
	for (size_t i = 0; i < ENTRY_KINDS; i++) {
		if (strcmp(kind, entry_kinds[i].name) == 0) {
			*entry = i;
			return entry_kinds[i].d;
		}
	}
	return NULL;
}

static enum err put_text(const ProtobufCMessageDescriptor *d, struct bytes in, struct buf *out)
{
	ProtobufCMessage *m = protobuf_c_message_unpack(d, NULL, in.n, in.p);
	if (m == NULL)
		return ERR_INVALID;
	pb_text(m, out);
	protobuf_c_message_free_unpacked(m, NULL);
	return OK;
}

enum err samples_reread(
    struct samples_reader *r, const char *kind, struct bytes in, struct buf *recorded, struct buf *again)
{
	struct arena a;
	struct buf bytes;
	size_t entry;
	const ProtobufCMessageDescriptor *d = schema_of(kind, &entry);
	enum err e = ERR_NOT_FOUND;
	arena_init(&a, RPC_ARENA_MAX);
	buf_init(&bytes, SAMPLE_MAX);
	if (token_kind_of(kind) != 0) {
		e = reread_token(token_kind_of(kind), in, &a, recorded, again);
	} else if (d != NULL) {
		e = put_text(d, in, recorded);
		if (e == OK)
			e = entry < ENTRY_KINDS ? entry_kinds[entry].again(in, &a, &bytes)
			                        : again_message(r, strcmp(kind, "named") == 0, in, &a, &bytes);
		if (e == OK)
			e = put_text(d, buf_bytes(&bytes), again);
	}
	arena_fini(&a);
	buf_fini(&bytes);
	return e;
}

void samples_seen(struct pb_seen *s, const char *kind, struct bytes in)
{
	struct arena a;
	size_t entry;
	ProtobufCMessage *m;
	const ProtobufCMessageDescriptor *d = schema_of(kind, &entry);
	arena_init(&a, 1 << 16);
	if (d != NULL)
		m = protobuf_c_message_unpack(d, NULL, in.n, in.p);
	else
		CHECK(token_body(in, &a, &m) == OK);
	CHECK(m != NULL);
	pb_seen_add(s, m);
	protobuf_c_message_free_unpacked(m, NULL);
	arena_fini(&a);
}

void samples_missing(const struct pb_seen *s, struct buf *out)
{
	pb_seen_missing(s, &warmcast__envelope__descriptor, out);
	for (size_t i = 0; i < ENTRY_KINDS; i++)
		pb_seen_missing(s, entry_kinds[i].d, out);
	pb_seen_missing(s, &warmcast__token__descriptor, out);
}
