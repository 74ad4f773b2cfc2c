#include "rpc/entries.h"

#include "base/check.h"
#include "base/hash.h"
#include "base/text.h"
#include "rpc/entries.pb-c.h"
#include "rpc/limits.h"
#include "rpc/pb.h"

#include <stdio.h>

enum { LOCATION_CLASS = 'o' };

const char *node_state_str(enum node_state s)
{
	switch (s) {
	case NODE_JOINING: return "joining";
	case NODE_READY: return "ready";
	case NODE_DRAINING: return "draining";
	case NODE_LEFT: return "left";
	case NODE_EXPELLED: return "expelled";
	}
	return "unknown";
}

enum err rpc_location_key(struct bytes origin, struct bytes content, uint8_t *key, size_t *key_n)
{
	if (origin.n == 0 || content.n == 0 || bytes_index(origin, 0) != origin.n)
		return ERR_INVALID;
	if (origin.n > RPC_KEY_MAX - 2 || content.n > RPC_KEY_MAX - 2 - origin.n)
		return ERR_TOO_BIG;
	uint8_t *at = key;
	*at++ = LOCATION_CLASS;
	memcpy(at, origin.p, origin.n);
	at += origin.n;
	*at++ = 0;
	memcpy(at, content.p, content.n);
	*key_n = 2 + origin.n + content.n;
	return OK;
}

enum err rpc_location_key_split(struct bytes key, struct bytes *origin, struct bytes *content)
{
	if (key.n > RPC_KEY_MAX || key.n == 0 || key.p[0] != LOCATION_CLASS)
		return ERR_INVALID;
	struct bytes rest = bytes_from(key, 1);
	size_t nul = bytes_index(rest, 0);
	if (nul == 0 || nul + 1 >= rest.n)
		return ERR_INVALID;
	*origin = bytes_head(rest, nul);
	*content = bytes_from(rest, nul + 1);
	return OK;
}

uint64_t rpc_watched_hash(struct bytes location_key)
{
	static const struct hash_key key = { "warmcast-watched" };
	return hash64(&key, location_key);
}

size_t rpc_probe_key(uint32_t slot, uint8_t key[RPC_PROBE_KEY_MAX])
{
	CHECK(slot < RPC_PROBE_SLOTS);
	int n = snprintf((char *)key, RPC_PROBE_KEY_MAX, "%c%u", RPC_PROBE_CLASS, slot);
	CHECK(n > 1 && n < RPC_PROBE_KEY_MAX);
	return (size_t)n;
}

enum err rpc_probe_key_slot(struct bytes key, uint32_t *slot)
{
	uint8_t again[RPC_PROBE_KEY_MAX];
	uint32_t n = 0;
	if (key.n < 2 || key.n >= RPC_PROBE_KEY_MAX || key.p[0] != RPC_PROBE_CLASS)
		return ERR_INVALID;
	for (size_t i = 1; i < key.n; i++) {
		if (key.p[i] < '0' || key.p[i] > '9')
			return ERR_INVALID;
		n = n * 10 + (key.p[i] - '0');
	}
	/* Leading zeros would be a second name for a slot. */
	if (n >= RPC_PROBE_SLOTS || !bytes_eq(key, bytes_of(again, rpc_probe_key(n, again))))
		return ERR_INVALID;
	*slot = n;
	return OK;
}

static enum err check_register(const struct rpc_register *r)
{
	const struct {
		struct bytes text;
		size_t min, max;
	} texts[] = {
		{ r->name, 1, RPC_NAME_MAX },
		{ r->zone, 0, RPC_NAME_MAX },
		{ r->rpc_address, 0, RPC_ADDRESS_MAX },
		{ r->api_url, 0, RPC_ADDRESS_MAX },
		{ r->build, 0, RPC_NAME_MAX },
	};
	enum err e = OK;
	for (size_t i = 0; e == OK && i < sizeof(texts) / sizeof(texts[0]); i++)
		e = limits_text(texts[i].text, texts[i].min, texts[i].max);
	if (e == OK && r->http_urls_n > RPC_URLS_MAX)
		return ERR_TOO_BIG;
	for (size_t i = 0; e == OK && i < r->http_urls_n; i++)
		e = limits_text(r->http_urls[i], 1, RPC_ADDRESS_MAX);
	return e;
}

static enum err pack_register(const struct rpc_register *r, struct arena *a, struct buf *out)
{
	Warmcast__Register m = WARMCAST__REGISTER__INIT;
	char *urls[RPC_URLS_MAX];
	m.name = arena_str(a, r->name);
	m.zone = arena_str(a, r->zone);
	m.rpc_address = arena_str(a, r->rpc_address);
	m.api_url = arena_str(a, r->api_url);
	m.build = arena_str(a, r->build);
	if (m.name == NULL || m.zone == NULL || m.rpc_address == NULL || m.api_url == NULL || m.build == NULL)
		return ERR_NO_MEMORY;
	for (size_t i = 0; i < r->http_urls_n; i++) {
		urls[i] = arena_str(a, r->http_urls[i]);
		if (urls[i] == NULL)
			return ERR_NO_MEMORY;
	}
	m.roles = r->roles;
	m.state = (uint32_t)r->state;
	m.http_urls = urls;
	m.n_http_urls = r->http_urls_n;
	m.version_min = r->version_min;
	m.version_max = r->version_max;
	m.features = r->features;
	m.life = r->life;
	m.capacity_sessions = r->capacity_sessions;
	m.capacity_mbps = r->capacity_mbps;
	return pb_pack(&m.base, RPC_VALUE_MAX, out);
}

enum { REGISTER_TEXT_MAX = 4 * RPC_NAME_MAX + (RPC_URLS_MAX + 2) * RPC_ADDRESS_MAX + 64 };

enum err rpc_encode_register(const struct rpc_register *r, struct buf *out)
{
	enum err e = check_register(r);
	if (e != OK)
		return e;
	if (r->state < NODE_JOINING || r->state > NODE_LEFT)
		return ERR_INVALID;
	struct arena a;
	arena_init(&a, REGISTER_TEXT_MAX);
	e = pack_register(r, &a, out);
	arena_fini(&a);
	return e;
}

/* A state that a newer build may have (V1) is none that a viewer can be sent to. */
static enum node_state known_state(uint32_t s)
{
	return s >= NODE_JOINING && s <= NODE_LEFT ? (enum node_state)s : NODE_JOINING;
}

enum err rpc_decode_register(struct bytes value, struct arena *a, struct rpc_register *r)
{
	if (value.n > RPC_VALUE_MAX)
		return ERR_TOO_BIG;
	ProtobufCMessage *pb;
	enum err e = pb_unpack(&warmcast__register__descriptor, value, a, &pb);
	if (e != OK)
		return e;
	const Warmcast__Register *m = (const Warmcast__Register *)(const void *)pb;
	struct rpc_register got = {
		.name = bytes_str(m->name),
		.zone = bytes_str(m->zone),
		.roles = m->roles,
		.state = known_state(m->state),
		.rpc_address = bytes_str(m->rpc_address),
		.api_url = bytes_str(m->api_url),
		.build = bytes_str(m->build),
		.version_min = m->version_min,
		.version_max = m->version_max,
		.features = m->features,
		.life = m->life,
		.capacity_sessions = m->capacity_sessions,
		.capacity_mbps = m->capacity_mbps,
	};
	if (m->n_http_urls > RPC_URLS_MAX)
		return ERR_TOO_BIG;
	struct bytes *urls = arena_array(a, m->n_http_urls, sizeof(*urls));
	if (urls == NULL)
		return ERR_NO_MEMORY;
	for (size_t i = 0; i < m->n_http_urls; i++)
		urls[i] = bytes_str(m->http_urls[i]);
	got.http_urls = urls;
	got.http_urls_n = m->n_http_urls;
	e = check_register(&got);
	if (e == OK)
		*r = got;
	return e;
}

enum err rpc_encode_load(const struct rpc_load *l, struct buf *out)
{
	Warmcast__Load m = WARMCAST__LOAD__INIT;
	m.sessions = l->sessions;
	m.egress_mbps = l->egress_mbps;
	m.hit_permille = l->hit_permille;
	m.cached_bytes = l->cached_bytes;
	m.miss_permille = l->miss_permille;
	m.evict_age_s = l->evict_age_s;
	m.reckoned_mbps = l->reckoned_mbps;
	m.copies_left = l->copies_left;
	m.copies_failed = l->copies_failed;
	return pb_pack(&m.base, RPC_VALUE_MAX, out);
}

enum err rpc_decode_load(struct bytes value, struct arena *a, struct rpc_load *l)
{
	if (value.n > RPC_VALUE_MAX)
		return ERR_TOO_BIG;
	ProtobufCMessage *pb;
	enum err e = pb_unpack(&warmcast__load__descriptor, value, a, &pb);
	if (e != OK)
		return e;
	const Warmcast__Load *m = (const Warmcast__Load *)(const void *)pb;
	*l = (struct rpc_load){
		.sessions = m->sessions,
		.egress_mbps = m->egress_mbps,
		.hit_permille = m->hit_permille,
		.cached_bytes = m->cached_bytes,
		.miss_permille = m->miss_permille < 1000 ? m->miss_permille : 1000,
		.evict_age_s = m->evict_age_s,
		.reckoned_mbps = m->reckoned_mbps,
		.copies_left = m->copies_left,
		.copies_failed = m->copies_failed,
	};
	return OK;
}

enum err rpc_encode_location(const struct rpc_location *l, struct buf *out)
{
	enum err e = limits_text(l->entry, 0, RPC_ENTRY_NAME_MAX);
	if (e != OK)
		return e;
	struct arena a;
	arena_init(&a, RPC_ENTRY_NAME_MAX + 1);
	Warmcast__Location m = WARMCAST__LOCATION__INIT;
	m.bytes = l->bytes;
	m.objects = l->objects;
	m.share_permille = l->share_permille;
	m.kbps = l->kbps;
	m.entry = arena_str(&a, l->entry);
	e = m.entry == NULL ? ERR_NO_MEMORY : pb_pack(&m.base, RPC_VALUE_MAX, out);
	arena_fini(&a);
	return e;
}

/* As in proto/entries.proto. */
enum {
	LOCATION_BYTES = 1,
	LOCATION_OBJECTS = 2,
	LOCATION_SHARE_PERMILLE = 3,
	LOCATION_ENTRY = 4,
	LOCATION_KBPS = 5,
};

/* False for a field of the wrong type. Of one that comes again the last counts. */
static bool read_location_field(const struct pb_field *f, struct rpc_location *l)
{
	bool is_number = f->type == PROTOBUF_C_WIRE_TYPE_VARINT;
	switch (f->number) {
	case LOCATION_BYTES: l->bytes = f->value; return is_number;
	case LOCATION_OBJECTS: l->objects = (uint32_t)f->value; return is_number;
	case LOCATION_SHARE_PERMILLE: l->share_permille = (uint32_t)f->value; return is_number;
	case LOCATION_KBPS: l->kbps = (uint32_t)f->value; return is_number;
	case LOCATION_ENTRY:
		l->entry = f->payload;
		return f->type == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED && text_is_utf8(f->payload);
	default: return true;
	}
}

/* By hand: a session reads the location of each holder, for which protobuf-c took 1,800 instructions. */
enum err rpc_decode_location(struct bytes value, struct arena *a, struct rpc_location *l)
{
	if (value.n > RPC_VALUE_MAX)
		return ERR_TOO_BIG;
	struct rpc_location got = { 0 };
	struct pb_field f;
	while (value.n > 0)
		if (!pb_next(&value, &f) || !read_location_field(&f, &got))
			return ERR_INVALID;
	if (got.entry.n > RPC_ENTRY_NAME_MAX)
		return ERR_TOO_BIG;
	got.entry = arena_dup(a, got.entry);
	if (got.entry.p == NULL)
		return ERR_TOO_BIG;
	*l = got;
	return OK;
}

void rpc_claim_key(const struct node_id *on, uint8_t key[RPC_CLAIM_KEY_BYTES])
{
	key[0] = 'c';
	memcpy(key + 1, on->b, NODE_ID_BYTES);
}

bool rpc_claim_key_split(struct bytes key, struct node_id *on)
{
	if (key.n != RPC_CLAIM_KEY_BYTES || key.p[0] != 'c')
		return false;
	memcpy(on->b, key.p + 1, NODE_ID_BYTES);
	return true;
}

enum err rpc_encode_claim(const struct rpc_claim *c, struct buf *out)
{
	Warmcast__Claim m = WARMCAST__CLAIM__INIT;
	m.count = c->incarnation.count;
	m.nonce = c->incarnation.nonce;
	m.life = c->life;
	m.answer = c->answer;
	return pb_pack(&m.base, RPC_VALUE_MAX, out);
}

enum err rpc_decode_claim(struct bytes value, struct arena *a, struct rpc_claim *c)
{
	if (value.n > RPC_VALUE_MAX)
		return ERR_TOO_BIG;
	ProtobufCMessage *pb;
	enum err e = pb_unpack(&warmcast__claim__descriptor, value, a, &pb);
	if (e != OK)
		return e;
	const Warmcast__Claim *m = (const Warmcast__Claim *)(const void *)pb;
	*c = (struct rpc_claim){ .incarnation = { m->count, m->nonce }, .life = m->life, .answer = m->answer };
	return OK;
}

enum err rpc_encode_probe(const struct rpc_probe *p, struct buf *out)
{
	if (p->filler.n > RPC_PROBE_FILLER_MAX)
		return ERR_TOO_BIG;
	Warmcast__Probe m = WARMCAST__PROBE__INIT;
	m.wall_us = p->wall_us;
	m.number = p->number;
	m.filler = pb_data(p->filler);
	return pb_pack(&m.base, RPC_VALUE_MAX, out);
}

enum err rpc_decode_probe(struct bytes value, struct arena *a, struct rpc_probe *p)
{
	if (value.n > RPC_VALUE_MAX)
		return ERR_TOO_BIG;
	ProtobufCMessage *pb;
	enum err e = pb_unpack(&warmcast__probe__descriptor, value, a, &pb);
	if (e != OK)
		return e;
	const Warmcast__Probe *m = (const Warmcast__Probe *)(const void *)pb;
	if (m->filler.len > RPC_PROBE_FILLER_MAX)
		return ERR_TOO_BIG;
	*p = (struct rpc_probe){ .wall_us = m->wall_us, .number = m->number, .filler = pb_bytes(m->filler) };
	return OK;
}

void rpc_revocation_key(const struct rpc_session_id *id, uint8_t key[RPC_REVOCATION_KEY_BYTES])
{
	key[0] = RPC_REVOCATION_CLASS;
	memcpy(key + 1, id->b, RPC_SESSION_ID_BYTES);
}

bool rpc_revocation_key_split(struct bytes key, struct rpc_session_id *id)
{
	if (key.n != RPC_REVOCATION_KEY_BYTES || key.p[0] != RPC_REVOCATION_CLASS)
		return false;
	memcpy(id->b, key.p + 1, RPC_SESSION_ID_BYTES);
	return true;
}

enum err rpc_encode_revocation(uint64_t not_after_s, struct buf *out)
{
	Warmcast__Revocation m = WARMCAST__REVOCATION__INIT;
	m.not_after_s = not_after_s;
	return pb_pack(&m.base, RPC_VALUE_MAX, out);
}

enum err rpc_decode_revocation(struct bytes value, struct arena *a, uint64_t *not_after_s)
{
	if (value.n > RPC_VALUE_MAX)
		return ERR_TOO_BIG;
	ProtobufCMessage *pb;
	enum err e = pb_unpack(&warmcast__revocation__descriptor, value, a, &pb);
	if (e != OK)
		return e;
	const Warmcast__Revocation *m = (const Warmcast__Revocation *)(const void *)pb;
	if (m->not_after_s == 0)
		return ERR_INVALID;
	*not_after_s = m->not_after_s;
	return OK;
}
