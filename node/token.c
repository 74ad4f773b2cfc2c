#include "node/token.h"

#include "base/check.h"
#include "base/text.h"
#include "node/proto/token.pb-c.h"

#include <sodium/utils.h>
#include <string.h>

enum {
	FORMAT = 2,
	RAW_MAX_BYTES = TOKEN_TEXT_MAX / 4 * 3,
	/* version, key id and its length, MAC: what stands around the protobuf at most */
	FRAME_MAX_BYTES = 2 + TOKEN_KEY_ID_MAX + TOKEN_MAC_BYTES,
	FIELDS = 16 + TOKEN_PREFIXES_MAX, /* as many as a token can have */
	FIELD_MAX_BYTES = 2 + 10,         /* of a number; of bytes their tag and length */
	PB_MAX_BYTES = FIELDS * FIELD_MAX_BYTES + 3 * 16 /* ids */ + TOKEN_ORIGIN_MAX + TOKEN_CLIENT_MAX +
	               (2 + TOKEN_PREFIXES_MAX) * TOKEN_NAME_MAX,
};

/* -- names -- */

/* Segments joined by single slashes, none of which could lead elsewhere. */
static bool is_clean_path(struct bytes s)
{
	if (s.n == 0 || !text_is_utf8(s))
		return false;
	for (;;) {
		size_t end = bytes_index(s, '/');
		struct bytes segment = bytes_head(s, end);
		if (segment.n == 0 || bytes_eq(segment, BYTES_LIT(".")) || bytes_eq(segment, BYTES_LIT("..")))
			return false;
		if (end == s.n)
			return true;
		s = bytes_from(s, end + 1);
	}
}

static bool kind_known(enum token_kind kind)
{
	return kind >= TOKEN_PLAYBACK && (unsigned)kind <= TOKEN_KINDS;
}

/* The limits that hold both ways: for what is signed, and for what came from another version. */
static enum err check_fields(const struct token *t)
{
	if (t->origin.n > TOKEN_ORIGIN_MAX || t->content.n > TOKEN_NAME_MAX || t->client.n > TOKEN_CLIENT_MAX ||
	    t->entry.n > TOKEN_NAME_MAX || t->prefixes_n > TOKEN_PREFIXES_MAX)
		return ERR_TOO_BIG;
	if (t->origin.n == 0 || !text_is_utf8(t->origin) || !is_clean_path(t->content) || t->not_after_s == 0 ||
	    (t->entry.n > 0 && !is_clean_path(t->entry)))
		return ERR_INVALID;
	for (size_t i = 0; i < t->prefixes_n; i++) {
		if (t->prefixes[i].n > TOKEN_NAME_MAX)
			return ERR_TOO_BIG;
		if (!is_clean_path(t->prefixes[i]))
			return ERR_INVALID;
	}
	return OK;
}

/* Of all kinds, one behind the other. */
static void macs(uint8_t out[TOKEN_MACS_BYTES], const struct token_key *key, struct bytes data)
{
	crypto_generichash_state state;
	memcpy(&state, key->keyed, sizeof(state));
	CHECK(crypto_generichash_update(&state, data.p, data.n) == 0);
	CHECK(crypto_generichash_final(&state, out, TOKEN_MACS_BYTES) == 0);
}

static const uint8_t *mac_of(const uint8_t all[TOKEN_MACS_BYTES], enum token_kind kind)
{
	return all + (kind - 1) * TOKEN_MAC_BYTES;
}

/* -- signing -- */

/* Packed by hand: protobuf-c took 2,500 instructions for each token. What has its default value is left out,
 * as protobuf-c leaves it out; what is read goes through protobuf-c. */

static uint8_t *put_varint(uint8_t *to, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		*to++ = (uint8_t)(v | 0x80);
	*to++ = (uint8_t)v;
	return to;
}

static inline uint8_t *put_tag(uint8_t *to, unsigned field, ProtobufCWireType type)
{
	unsigned tag = field << 3 | type;
	if (tag >= 0x80)
		return put_varint(to, tag);
	*to = (uint8_t)tag;
	return to + 1;
}

static inline uint8_t *put_number(uint8_t *to, unsigned field, uint64_t v)
{
	return v == 0 ? to : put_varint(put_tag(to, field, PROTOBUF_C_WIRE_TYPE_VARINT), v);
}

static inline uint8_t *put_bytes(uint8_t *to, unsigned field, struct bytes s)
{
	if (s.n == 0)
		return to;
	to = put_varint(put_tag(to, field, PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED), s.n);
	memcpy(to, s.p, s.n);
	return to + s.n;
}

/* Of fields that check_fields has passed at most PB_MAX_BYTES; numbers as in proto/token.proto. */
static size_t pack(const struct token *t, uint8_t out[PB_MAX_BYTES])
{
	uint8_t *to = put_bytes(out, 2, bytes_of(t->session, sizeof(t->session)));
	to = put_bytes(to, 3, t->origin);
	to = put_bytes(to, 4, t->content);
	for (size_t i = 0; i < t->prefixes_n; i++)
		to = put_bytes(to, 5, t->prefixes[i]);
	to = put_bytes(to, 6, bytes_of(t->issued_by.b, NODE_ID_BYTES));
	to = put_bytes(to, 7, bytes_of(t->node.b, NODE_ID_BYTES));
	to = put_number(to, 8, t->node_incarnation);
	to = put_number(to, 9, t->issued_at_s);
	to = put_number(to, 10, t->start_by_s);
	to = put_number(to, 11, t->renew_after_s);
	to = put_number(to, 12, t->not_after_s);
	to = put_bytes(to, 13, t->client);
	to = put_number(to, 14, t->lease_batch);
	to = put_number(to, 15, t->lease_index);
	to = put_number(to, 16, t->kbps);
	to = put_bytes(to, 20, t->entry);
	return (size_t)(to - out);
}

/* A token before it is text: `n` bytes that are signed, and room for a MAC behind them. */
struct raw {
	uint8_t b[PB_MAX_BYTES + FRAME_MAX_BYTES];
	size_t n;
	uint8_t macs[TOKEN_MACS_BYTES];
};

static enum err sign(const struct token_keys *keys, const struct token *t, struct raw *raw)
{
	struct token_key key;
	enum err e = check_fields(t);
	if (e != OK)
		return e;
	CHECK(token_keys_first(keys, &key));
	size_t n = 0;
	raw->b[n++] = FORMAT;
	raw->b[n++] = (uint8_t)key.id.n;
	memcpy(raw->b + n, key.id.b, key.id.n);
	n += key.id.n;
	size_t pb_n = pack(t, raw->b + n);
	if (pb_n > RAW_MAX_BYTES - FRAME_MAX_BYTES)
		return ERR_TOO_BIG;
	raw->n = n + pb_n;
	macs(raw->macs, &key, bytes_of(raw->b, raw->n));
	return OK;
}

/* The text of one kind. `former` is that of another, or empty: all but the MAC is the same. */
static enum err write_text(
    struct raw *raw, enum token_kind kind, struct bytes former, struct arena *a, struct bytes *text)
{
	size_t raw_n = raw->n + TOKEN_MAC_BYTES, text_n = TEXT_BASE64URL_LEN(raw_n);
	CHECK(text_n <= TOKEN_TEXT_MAX);
	char *p = arena_alloc(a, text_n);
	if (p == NULL)
		return ERR_NO_MEMORY;
	memcpy(raw->b + raw->n, mac_of(raw->macs, kind), TOKEN_MAC_BYTES);
	size_t threes = former.n == 0 ? 0 : raw->n / 3;
	if (threes > 0)
		memcpy(p, former.p, threes * 4);
	text_base64url(p + threes * 4, bytes_of(raw->b + threes * 3, raw_n - threes * 3));
	*text = bytes_of(p, text_n);
	return OK;
}

enum err token_sign(const struct token_keys *keys, const struct token *t, struct arena *a, struct bytes *text)
{
	struct raw raw;
	if (!kind_known(t->kind))
		return ERR_INVALID;
	enum err e = sign(keys, t, &raw);
	return e == OK ? write_text(&raw, t->kind, BYTES_NONE, a, text) : e;
}

enum err token_sign_session(const struct token_keys *keys, const struct token *t, struct arena *a,
    struct bytes *playback, struct bytes *session)
{
	struct raw raw;
	struct bytes first, second;
	enum err e = sign(keys, t, &raw);
	if (e == OK)
		e = write_text(&raw, TOKEN_PLAYBACK, BYTES_NONE, a, &first);
	if (e == OK)
		e = write_text(&raw, TOKEN_SESSION, first, a, &second);
	if (e != OK)
		return e;
	*playback = first;
	*session = second;
	return OK;
}

/* -- verifying -- */

/* Where the parts of an envelope lie. */
struct envelope {
	struct bytes key_id, pb, signed_part, mac;
};

static enum err open_envelope(struct bytes raw, struct envelope *out)
{
	if (raw.n < 2 + TOKEN_MAC_BYTES)
		return ERR_INVALID;
	if (raw.p[0] != FORMAT)
		return ERR_VERSION;
	size_t id_n = raw.p[1];
	if (id_n == 0 || id_n > TOKEN_KEY_ID_MAX || raw.n < 2 + id_n + TOKEN_MAC_BYTES)
		return ERR_INVALID;
	out->signed_part = bytes_head(raw, raw.n - TOKEN_MAC_BYTES);
	out->mac = bytes_from(raw, raw.n - TOKEN_MAC_BYTES);
	out->key_id = bytes_of(raw.p + 2, id_n);
	out->pb = bytes_from(out->signed_part, 2 + id_n);
	return OK;
}

/* protobuf-c takes its memory from the arena, and gives nothing back. */
struct pb_memory {
	struct arena *arena;
	bool exhausted;
};

static void *pb_alloc(void *memory, size_t n)
{
	struct pb_memory *m = memory;
	void *p = arena_alloc(m->arena, n);
	m->exhausted |= p == NULL;
	return p;
}

static void pb_free(void *memory, void *p)
{
	(void)memory;
	(void)p;
}

static struct bytes pb_slice(ProtobufCBinaryData b)
{
	return bytes_of(b.data, b.len);
}

static bool pb_fixed(ProtobufCBinaryData b, uint8_t *out, size_t n)
{
	if (b.len != n)
		return false;
	memcpy(out, b.data, n);
	return true;
}

static enum err from_pb(const Warmcast__Token *pb, struct token *t)
{
	if (pb->n_prefixes > TOKEN_PREFIXES_MAX)
		return ERR_INVALID;
	if (!pb_fixed(pb->session, t->session, TOKEN_SESSION_BYTES) ||
	    !pb_fixed(pb->issued_by, t->issued_by.b, NODE_ID_BYTES) ||
	    !pb_fixed(pb->node, t->node.b, NODE_ID_BYTES))
		return ERR_INVALID;
	t->origin = pb_slice(pb->origin);
	t->content = pb_slice(pb->content);
	t->prefixes_n = pb->n_prefixes;
	for (size_t i = 0; i < pb->n_prefixes; i++)
		t->prefixes[i] = pb_slice(pb->prefixes[i]);
	t->node_incarnation = pb->node_incarnation;
	t->lease_batch = pb->lease_batch;
	t->lease_index = pb->lease_index;
	t->kbps = pb->kbps;
	t->issued_at_s = pb->issued_at_s;
	t->start_by_s = pb->start_by_s;
	t->renew_after_s = pb->renew_after_s;
	t->not_after_s = pb->not_after_s;
	t->client = pb_slice(pb->client);
	t->entry = pb_slice(pb->entry);
	return check_fields(t) == OK ? OK : ERR_INVALID;
}

enum err token_verify(const struct token_keys *keys, struct bytes text, enum token_kind kind, struct arena *a,
    struct token *out)
{
	CHECK(kind_known(kind));
	if (text.n > TOKEN_TEXT_MAX)
		return ERR_INVALID;
	uint8_t raw[RAW_MAX_BYTES];
	size_t raw_n = sizeof(raw);
	if (text_unbase64url(raw, &raw_n, text) != OK)
		return ERR_INVALID;
	struct envelope env;
	enum err e = open_envelope(bytes_of(raw, raw_n), &env);
	if (e != OK)
		return e;
	struct token_key key;
	if (!token_keys_find(keys, env.key_id, &key))
		return ERR_FORGED;
	uint8_t expected[TOKEN_MACS_BYTES];
	macs(expected, &key, env.signed_part);
	if (sodium_memcmp(mac_of(expected, kind), env.mac.p, TOKEN_MAC_BYTES) != 0)
		return ERR_FORGED;

	struct pb_memory memory = { .arena = a };
	ProtobufCAllocator allocator = { .alloc = pb_alloc, .free = pb_free, .allocator_data = &memory };
	const Warmcast__Token *pb = warmcast__token__unpack(&allocator, env.pb.n, env.pb.p);
	if (pb == NULL)
		return memory.exhausted ? ERR_NO_MEMORY : ERR_INVALID;
	struct token t = { .kind = kind };
	e = from_pb(pb, &t);
	if (e == OK)
		*out = t;
	return e;
}

/* -- what it allows -- */

enum err token_check(const struct token *t, uint64_t now_s)
{
	return now_s > t->not_after_s ? ERR_EXPIRED : OK;
}

bool token_may_start(const struct token *t, uint64_t now_s)
{
	return now_s <= t->not_after_s && (t->start_by_s == 0 || now_s <= t->start_by_s);
}

bool token_wants_renewal(const struct token *t, uint64_t now_s)
{
	return t->renew_after_s != 0 && now_s > t->renew_after_s;
}

static bool is_below(struct bytes object, struct bytes folder)
{
	return object.n > folder.n + 1 && bytes_starts_with(object, folder) && object.p[folder.n] == '/';
}

bool token_opens(const struct token *t, struct bytes object)
{
	/* A caller that forgot to decode or to refuse dots opens nothing by it. */
	if (!is_clean_path(object))
		return false;
	if (is_below(object, t->content))
		return true;
	for (size_t i = 0; i < t->prefixes_n; i++)
		if (is_below(object, t->prefixes[i]) || bytes_eq(object, t->prefixes[i]))
			return true;
	return false;
}
