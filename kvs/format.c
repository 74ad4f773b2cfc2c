#include "kvs/format.h"

#include "base/check.h"
#include "base/hash.h"

#include <string.h>

enum { DELETED = 1 };

/* Part of the format: never changed. */
static const struct hash_key record_key = { "warmcast record." };
static const struct hash_key entry_key_key = { "warmcast ent key" };
static const struct hash_key entry_value_key = { "warmcast ent val" };

/* -- numbers -- */

static void put_u64(uint8_t *out, uint64_t v)
{
	for (unsigned i = 0; i < 8; i++)
		out[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t get_u64(const uint8_t *in)
{
	uint64_t v = 0;
	for (unsigned i = 0; i < 8; i++)
		v |= (uint64_t)in[i] << (8 * i);
	return v;
}

void kvs_format_put_u32(uint8_t out[4], uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		out[i] = (uint8_t)(v >> (24 - 8 * i));
}

uint32_t kvs_format_u32(const uint8_t in[4])
{
	return (uint32_t)in[0] << 24 | (uint32_t)in[1] << 16 | (uint32_t)in[2] << 8 | in[3];
}

/* -- sealed records: a hash, then fields -- */

struct writer {
	uint8_t *p;
	size_t n;
};

static struct writer seal_begin(uint8_t *out)
{
	return (struct writer){ .p = out, .n = 8 };
}

static void add(struct writer *w, const void *p, size_t n)
{
	memcpy(w->p + w->n, p, n);
	w->n += n;
}

static void add_u64(struct writer *w, uint64_t v)
{
	put_u64(w->p + w->n, v);
	w->n += 8;
}

static void add_u8(struct writer *w, uint8_t v)
{
	w->p[w->n++] = v;
}

static struct bytes seal_end(struct writer *w)
{
	struct bytes all = bytes_of(w->p, w->n);
	put_u64(w->p, hash64(&record_key, bytes_from(all, 8)));
	return all;
}

/* Reads fields one after the other; past the end all is zero and `bad` sticks. */
struct reader {
	struct bytes rest;
	bool bad;
};

static struct reader unseal(struct bytes in)
{
	if (in.n < 8 || get_u64(in.p) != hash64(&record_key, bytes_from(in, 8)))
		return (struct reader){ .bad = true };
	return (struct reader){ .rest = bytes_from(in, 8) };
}

static void take(struct reader *r, void *out, size_t n)
{
	memset(out, 0, n);
	if (r->rest.n < n) {
		r->bad = true;
		return;
	}
	if (n > 0)
		memcpy(out, r->rest.p, n);
	r->rest = bytes_from(r->rest, n);
}

static uint64_t take_u64(struct reader *r)
{
	uint8_t b[8];
	take(r, b, sizeof(b));
	return get_u64(b);
}

static uint8_t take_u8(struct reader *r)
{
	uint8_t v;
	take(r, &v, 1);
	return v;
}

/* -- rows -- */

void kvs_format_row_key(struct kvs_row_key k, uint8_t out[KVS_FORMAT_ROW_KEY])
{
	kvs_format_put_u32(out, k.owner);
	out[4] = (uint8_t)k.stream;
}

enum err kvs_format_parse_row_key(struct bytes in, struct kvs_row_key *out)
{
	if (in.n < KVS_FORMAT_ROW_KEY || in.p[4] >= RPC_STREAMS)
		return ERR_CORRUPT;
	*out = (struct kvs_row_key){ .owner = kvs_format_u32(in.p), .stream = (enum rpc_stream)in.p[4] };
	return OK;
}

void kvs_format_row_name(
    const struct node_id *owner, enum rpc_stream stream, uint8_t out[KVS_FORMAT_ROW_NAME])
{
	memcpy(out, owner->b, NODE_ID_BYTES);
	out[NODE_ID_BYTES] = (uint8_t)stream;
}

enum err kvs_format_parse_row_name(struct bytes in, struct node_id *owner, enum rpc_stream *stream)
{
	if (in.n < KVS_FORMAT_ROW_NAME || in.p[NODE_ID_BYTES] >= RPC_STREAMS)
		return ERR_CORRUPT;
	memcpy(owner->b, in.p, NODE_ID_BYTES);
	*stream = (enum rpc_stream)in.p[NODE_ID_BYTES];
	return OK;
}

enum err kvs_format_row_whose(struct bytes in, struct node_id *owner, enum rpc_stream *stream)
{
	return in.n < 8 ? ERR_CORRUPT : kvs_format_parse_row_name(bytes_from(in, 8), owner, stream);
}

struct bytes kvs_format_row(const struct kvs_row_record *r, uint8_t out[KVS_FORMAT_ROW_MAX])
{
	const struct kvs_row_meta *m = &r->meta;
	CHECK(m->ancestors_n <= RPC_ANCESTORS_MAX);
	struct writer w = seal_begin(out);
	add(&w, m->owner.b, NODE_ID_BYTES);
	add_u8(&w, (uint8_t)m->stream);
	add_u64(&w, m->incarnation.count);
	add_u64(&w, m->incarnation.nonce);
	add_u64(&w, m->have);
	add_u64(&w, m->horizon);
	add_u64(&w, m->floor);
	add_u64(&w, m->base);
	add_u64(&w, r->entries_n);
	add_u64(&w, r->sum);
	add_u8(&w, (uint8_t)m->ancestors_n);
	for (size_t i = 0; i < m->ancestors_n; i++) {
		add_u64(&w, m->ancestors[i].incarnation.count);
		add_u64(&w, m->ancestors[i].incarnation.nonce);
		add_u64(&w, m->ancestors[i].version);
	}
	return seal_end(&w);
}

enum err kvs_format_parse_row(struct bytes in, struct kvs_row_record *out)
{
	struct reader r = unseal(in);
	struct kvs_row_record rec = { .entries_n = 0 };
	struct kvs_row_meta *m = &rec.meta;
	take(&r, m->owner.b, NODE_ID_BYTES);
	m->stream = (enum rpc_stream)take_u8(&r);
	m->incarnation.count = take_u64(&r);
	m->incarnation.nonce = take_u64(&r);
	m->have = take_u64(&r);
	m->horizon = take_u64(&r);
	m->floor = take_u64(&r);
	m->base = take_u64(&r);
	rec.entries_n = take_u64(&r);
	rec.sum = take_u64(&r);
	m->ancestors_n = take_u8(&r);
	if (m->ancestors_n > RPC_ANCESTORS_MAX)
		return ERR_CORRUPT;
	for (size_t i = 0; i < m->ancestors_n; i++) {
		m->ancestors[i].incarnation.count = take_u64(&r);
		m->ancestors[i].incarnation.nonce = take_u64(&r);
		m->ancestors[i].version = take_u64(&r);
	}
	if (r.bad)
		return ERR_CORRUPT;
	*out = rec;
	return OK;
}

/* -- entries: version, flags, value as it came -- */

struct bytes kvs_format_entry_key(struct kvs_row_key k, struct bytes key, uint8_t *out)
{
	CHECK(key.n <= RPC_KEY_MAX);
	kvs_format_row_key(k, out);
	if (key.n > 0)
		memcpy(out + KVS_FORMAT_ROW_KEY, key.p, key.n);
	return bytes_of(out, KVS_FORMAT_ROW_KEY + key.n);
}

struct bytes kvs_format_entry(const struct rpc_entry *e, uint8_t *out)
{
	CHECK(e->value.n <= RPC_VALUE_MAX);
	put_u64(out, e->version);
	out[8] = e->deleted ? DELETED : 0;
	if (e->value.n > 0)
		memcpy(out + 9, e->value.p, e->value.n);
	return bytes_of(out, 9 + e->value.n);
}

enum err kvs_format_parse_entry(struct bytes in, struct rpc_entry *e)
{
	if (in.n < 9 || in.n > KVS_FORMAT_VALUE_MAX)
		return ERR_CORRUPT;
	e->version = get_u64(in.p);
	e->deleted = (in.p[8] & DELETED) != 0;
	e->value = bytes_from(in, 9);
	return OK;
}

uint64_t kvs_format_key_hash(struct bytes key)
{
	return hash64(&entry_key_key, key);
}

uint64_t kvs_format_entry_hash(uint64_t key_hash, struct bytes encoded)
{
	return hash_mix(key_hash ^ hash64(&entry_value_key, encoded));
}

/* -- identity -- */

struct bytes kvs_format_identity(const struct kvs_identity_record *r, uint8_t out[KVS_FORMAT_IDENTITY_MAX])
{
	size_t boot_n = strnlen(r->boot_id, KVS_FORMAT_BOOT_ID_MAX);
	struct writer w = seal_begin(out);
	add(&w, r->id.b, NODE_ID_BYTES);
	add_u64(&w, r->incarnation.count);
	add_u64(&w, r->incarnation.nonce);
	add_u8(&w, r->clean ? 1 : 0);
	add_u8(&w, (uint8_t)boot_n);
	add(&w, r->boot_id, boot_n);
	return seal_end(&w);
}

enum err kvs_format_parse_identity(struct bytes in, struct kvs_identity_record *out)
{
	struct reader r = unseal(in);
	struct kvs_identity_record rec = { .clean = false };
	take(&r, rec.id.b, NODE_ID_BYTES);
	rec.incarnation.count = take_u64(&r);
	rec.incarnation.nonce = take_u64(&r);
	rec.clean = take_u8(&r) != 0;
	size_t boot_n = take_u8(&r);
	if (boot_n > KVS_FORMAT_BOOT_ID_MAX)
		return ERR_CORRUPT;
	take(&r, rec.boot_id, boot_n);
	if (r.bad)
		return ERR_CORRUPT;
	*out = rec;
	return OK;
}
