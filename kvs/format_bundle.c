#include "kvs/format_bundle.h"

#include "base/check.h"

#include <endian.h>
#include <string.h>

enum { DELETED = 1, SAME = 2, DIFFERENCE = 4, NUMBER_MAX = 10 };

/* -- table keys -- */

struct bytes kvs_bundle_table_key(struct kvs_bundle_key k, uint8_t out[KVS_BUNDLE_TABLE_KEY_MAX])
{
	uint64_t hash = htobe64(k.hash);
	memcpy(out, &hash, sizeof(hash));
	if (k.which == 0 && k.first == 0)
		return bytes_of(out, 8);
	out[8] = k.which;
	kvs_format_put_u32(out + 9, k.first);
	return bytes_of(out, KVS_BUNDLE_TABLE_KEY_MAX);
}

enum err kvs_bundle_parse_table_key(struct bytes in, struct kvs_bundle_key *out)
{
	if (in.n != 8 && in.n != KVS_BUNDLE_TABLE_KEY_MAX)
		return ERR_CORRUPT;
	uint64_t hash;
	memcpy(&hash, in.p, sizeof(hash));
	struct kvs_bundle_key k = { .hash = be64toh(hash) };
	if (in.n > 8) {
		k.which = in.p[8];
		k.first = kvs_format_u32(in.p + 9);
	}
	*out = k;
	return OK;
}

/* -- numbers -- */

static size_t number(uint64_t v, uint8_t out[NUMBER_MAX])
{
	size_t n = 0;
	while (v >= 0x80) {
		out[n++] = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	out[n++] = (uint8_t)v;
	return n;
}

static bool take_number(struct bytes *in, uint64_t *out)
{
	uint64_t v = 0;
	if (in->n > 0 && in->p[0] < 0x80) { /* as nearly all are */
		*out = in->p[0];
		*in = bytes_from(*in, 1);
		return true;
	}
	for (unsigned i = 0; i < NUMBER_MAX && i < in->n; i++) {
		v |= (uint64_t)(in->p[i] & 0x7f) << (7 * i);
		if (in->p[i] < 0x80) {
			*in = bytes_from(*in, i + 1);
			*out = v;
			return true;
		}
	}
	return false;
}

static bool take_bytes(struct bytes *in, uint64_t n, struct bytes *out)
{
	if (n > in->n)
		return false;
	*out = bytes_head(*in, (size_t)n);
	*in = bytes_from(*in, (size_t)n);
	return true;
}

/* -- reading -- */

enum err kvs_bundle_open(struct kvs_bundle_reader *r, struct bytes in)
{
	uint64_t n;
	struct bytes key;
	if (!take_number(&in, &n) || n > RPC_KEY_MAX || !take_bytes(&in, n, &key))
		return ERR_CORRUPT;
	r->key = key;
	r->rest = in;
	r->slot_min = 0;
	r->last = BYTES_NONE;
	r->turn = 0;
	return OK;
}

static bool take_difference(struct kvs_bundle_reader *r, struct bytes *value)
{
	uint64_t head, tail, n;
	struct bytes middle;
	if (!take_number(&r->rest, &head) || !take_number(&r->rest, &tail) || !take_number(&r->rest, &n) ||
	    !take_bytes(&r->rest, n, &middle))
		return false;
	if (head > r->last.n || tail > r->last.n - head || head + n + tail > KVS_BUNDLE_SHARED_MAX)
		return false;
	uint8_t *out = r->built[r->turn++ % 2];
	memcpy(out, r->last.p, head);
	memcpy(out + head, middle.p, middle.n);
	memcpy(out + head + middle.n, r->last.p + r->last.n - tail, tail);
	*value = bytes_of(out, (size_t)(head + n + tail));
	return true;
}

static bool take_value(struct kvs_bundle_reader *r, uint8_t flags, struct bytes *value)
{
	uint64_t n;
	switch (flags) {
	case DELETED: *value = BYTES_NONE; return true;
	case SAME: *value = r->last; return true;
	case DIFFERENCE: return r->last.n > 0 && take_difference(r, value);
	case 0: return take_number(&r->rest, &n) && n <= RPC_VALUE_MAX && take_bytes(&r->rest, n, value);
	default: return false;
	}
}

enum err kvs_bundle_next(struct kvs_bundle_reader *r, struct kvs_bundle_entry *e)
{
	uint64_t skip;
	struct bytes value;
	if (r->rest.n == 0)
		return ERR_NOT_FOUND;
	struct kvs_bundle_entry got;
	if (!take_number(&r->rest, &skip) || skip > UINT32_MAX || r->slot_min + skip > UINT32_MAX ||
	    !take_number(&r->rest, &got.version) || r->rest.n == 0)
		return ERR_CORRUPT;
	uint8_t flags = r->rest.p[0];
	r->rest = bytes_from(r->rest, 1);
	if (!take_value(r, flags, &value))
		return ERR_CORRUPT;
	got.slot = (uint32_t)(r->slot_min + skip);
	got.deleted = flags == DELETED;
	got.value = value;
	r->slot_min = (uint64_t)got.slot + 1;
	if (!got.deleted)
		r->last = value;
	*e = got;
	return OK;
}

/* -- writing -- */

/* What goes before a value's own bytes, and which those are. */
struct encoded {
	uint8_t head[5 * NUMBER_MAX + 1];
	size_t head_n;
	struct bytes own;
};

static void add_number(struct encoded *x, uint64_t v)
{
	x->head_n += number(v, x->head + x->head_n);
}

static size_t shared_head(struct bytes a, struct bytes b)
{
	size_t n = 0;
	while (n < a.n && n < b.n && a.p[n] == b.p[n])
		n++;
	return n;
}

static size_t shared_tail(struct bytes a, struct bytes b, size_t head)
{
	size_t n = 0;
	while (n < a.n - head && n < b.n - head && a.p[a.n - 1 - n] == b.p[b.n - 1 - n])
		n++;
	return n;
}

static void encode_value(struct encoded *x, struct bytes value, struct bytes last)
{
	if (bytes_eq(value, last)) {
		x->head[x->head_n++] = SAME;
		return;
	}
	size_t head = 0, tail = 0;
	if (last.n > 0 && value.n <= KVS_BUNDLE_SHARED_MAX) {
		head = shared_head(last, value);
		tail = shared_tail(last, value, head);
	}
	if (head + tail > 4) {
		x->head[x->head_n++] = DIFFERENCE;
		add_number(x, head);
		add_number(x, tail);
	} else {
		x->head[x->head_n++] = 0;
		head = tail = 0;
	}
	x->own = bytes_head(bytes_from(value, head), value.n - head - tail);
	add_number(x, x->own.n);
}

size_t kvs_bundle_write(
    struct bytes key, const struct kvs_bundle_entry *e, size_t n, size_t limit, struct buf *out)
{
	uint8_t key_n[NUMBER_MAX];
	buf_put(out, key_n, number(key.n, key_n));
	buf_put_bytes(out, key);
	size_t size = 0;
	uint64_t slot_min = 0;
	struct bytes last = BYTES_NONE;
	for (size_t i = 0; i < n; i++) {
		CHECK(e[i].slot >= slot_min);
		struct encoded x = { .head_n = 0 };
		add_number(&x, e[i].slot - slot_min);
		add_number(&x, e[i].version);
		if (e[i].deleted)
			x.head[x.head_n++] = DELETED;
		else
			encode_value(&x, e[i].value, last);
		size += x.head_n + x.own.n;
		if (i == 0 && size + KVS_BUNDLE_EXTRA > limit)
			limit = size + KVS_BUNDLE_EXTRA;
		if (size > limit)
			return i;
		buf_put(out, x.head, x.head_n);
		buf_put_bytes(out, x.own);
		slot_min = (uint64_t)e[i].slot + 1;
		if (!e[i].deleted)
			last = e[i].value;
	}
	return n;
}
