#include "node/cache/record.h"

#include "base/check.h"

#include <sodium/crypto_generichash.h>
#include <string.h>

enum { RECORD_FORMAT = 1 };

enum tag {
	TAG_ORIGIN = 1,
	TAG_OBJECT = 2,
	TAG_SLICE = 3,
	TAG_CONTENT = 4,
	TAG_ETAG = 5,
	TAG_LENGTH = 6,
	TAG_MODIFIED = 7,
	TAG_ANSWERED = 8,
	TAG_TTL = 9,
	TAG_FILE = 10,
	TAG_CHECKSUM = 11,
	TAG_SEQUENCE = 12,
	TAG_TOTAL = 13,
	TAG_END,
};

enum { TAGS_NEEDED = TAG_SEQUENCE }; /* of every record */

bool record_key_fits(const struct cache_key *k)
{
	return k->origin.n > 0 && k->origin.n <= CACHE_ORIGIN_MAX && k->object.n > 0 &&
	       k->object.n <= CACHE_OBJECT_MAX && bytes_index(k->origin, 0) == k->origin.n &&
	       bytes_index(k->object, 0) == k->object.n;
}

bool record_slice_fits(const struct cache_key *k, uint64_t length, uint64_t total)
{
	if (k->slice == 0 || total == 0)
		return k->slice == 0 && total == 0;
	return total <= SLICED_BYTES_MAX && slice_start(k->slice) < total &&
	       length == slice_length(k->slice, total);
}

bool record_meta_fits(const struct cache_meta *m)
{
	return m->content.n <= CACHE_OBJECT_MAX && memchr(m->etag, 0, sizeof(m->etag)) != NULL &&
	       m->length <= INT64_MAX;
}

static void put_le(uint8_t *out, uint64_t v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t get_le(const uint8_t *in, size_t n)
{
	uint64_t v = 0;
	for (size_t i = 0; i < n; i++)
		v |= (uint64_t)in[i] << (8 * i);
	return v;
}

void record_unit_id(const struct cache_key *k, struct unit_id *out)
{
	uint8_t text[CACHE_ORIGIN_MAX + 1 + CACHE_OBJECT_MAX + 1 + 4];
	CHECK(record_key_fits(k));
	size_t n = 0;
	memcpy(text, k->origin.p, k->origin.n);
	n += k->origin.n;
	text[n++] = 0;
	memcpy(text + n, k->object.p, k->object.n);
	n += k->object.n;
	text[n++] = 0;
	put_le(text + n, k->slice, 4);
	n += 4;
	CHECK(crypto_generichash(out->b, sizeof(out->b), text, n, NULL, 0) == 0);
}

static void put_field(struct buf *out, enum tag tag, struct bytes v)
{
	uint8_t length[4];
	put_le(length, v.n, sizeof(length));
	buf_put_u8(out, (uint8_t)tag);
	buf_put(out, length, sizeof(length));
	buf_put_bytes(out, v);
}

static void put_number(struct buf *out, enum tag tag, uint64_t v)
{
	uint8_t le[8];
	put_le(le, v, sizeof(le));
	put_field(out, tag, bytes_of(le, sizeof(le)));
}

void record_encode(const struct record *r, struct buf *out)
{
	buf_put_u8(out, RECORD_FORMAT);
	put_field(out, TAG_ORIGIN, r->key.origin);
	put_field(out, TAG_OBJECT, r->key.object);
	put_number(out, TAG_SLICE, r->key.slice);
	put_field(out, TAG_CONTENT, r->content);
	put_field(out, TAG_ETAG, r->etag);
	put_number(out, TAG_LENGTH, r->length);
	put_number(out, TAG_MODIFIED, (uint64_t)r->modified_s);
	put_number(out, TAG_ANSWERED, r->answered_wall_ms);
	put_number(out, TAG_TTL, r->ttl_ms);
	put_field(out, TAG_FILE, bytes_of(r->file.b, sizeof(r->file.b)));
	put_field(out, TAG_CHECKSUM, bytes_of(r->checksum, sizeof(r->checksum)));
	put_number(out, TAG_SEQUENCE, r->sequence);
	if (r->total != 0)
		put_number(out, TAG_TOTAL, r->total);
}

/* The fields of one record by tag; p is NULL where there is none. */
static enum err split(struct bytes in, struct bytes fields[TAG_END])
{
	while (in.n > 0) {
		if (in.n < 5)
			return ERR_CORRUPT;
		uint8_t tag = in.p[0];
		uint64_t length = get_le(in.p + 1, 4);
		in = bytes_from(in, 5);
		if (length > in.n)
			return ERR_CORRUPT;
		if (tag > 0 && tag < TAG_END)
			fields[tag] = bytes_head(in, (size_t)length);
		in = bytes_from(in, (size_t)length);
	}
	for (unsigned tag = 1; tag <= TAGS_NEEDED; tag++)
		if (fields[tag].p == NULL)
			return ERR_CORRUPT;
	return OK;
}

/* A later version may write a number longer; its low bytes keep their meaning (V1). */
static bool number(struct bytes f, uint64_t *out)
{
	if (f.n < 8)
		return false;
	*out = get_le(f.p, 8);
	return true;
}

enum err record_decode(struct bytes in, struct record *out)
{
	struct bytes f[TAG_END] = { { NULL, 0 } };
	if (in.n == 0)
		return ERR_CORRUPT;
	if (in.p[0] != RECORD_FORMAT)
		return ERR_VERSION;
	enum err e = split(bytes_from(in, 1), f);
	if (e != OK)
		return e;
	struct record r = { .key = { .origin = f[TAG_ORIGIN], .object = f[TAG_OBJECT] },
		.content = f[TAG_CONTENT],
		.etag = f[TAG_ETAG] };
	uint64_t slice, modified;
	if (!number(f[TAG_SLICE], &slice) || slice > UINT32_MAX || !number(f[TAG_LENGTH], &r.length) ||
	    !number(f[TAG_MODIFIED], &modified) || !number(f[TAG_ANSWERED], &r.answered_wall_ms) ||
	    !number(f[TAG_TTL], &r.ttl_ms) || !number(f[TAG_SEQUENCE], &r.sequence) ||
	    (f[TAG_TOTAL].p != NULL && !number(f[TAG_TOTAL], &r.total)))
		return ERR_CORRUPT;
	r.key.slice = (uint32_t)slice;
	r.modified_s = (int64_t)modified;
	if (!record_key_fits(&r.key) || !record_slice_fits(&r.key, r.length, r.total) ||
	    r.content.n > CACHE_OBJECT_MAX || r.etag.n > CACHE_VALIDATOR_MAX || r.length > INT64_MAX ||
	    f[TAG_FILE].n != FILE_ID_BYTES || f[TAG_CHECKSUM].n != CACHE_CHECKSUM_BYTES)
		return ERR_CORRUPT;
	memcpy(r.file.b, f[TAG_FILE].p, FILE_ID_BYTES);
	memcpy(r.checksum, f[TAG_CHECKSUM].p, CACHE_CHECKSUM_BYTES);
	*out = r;
	return OK;
}
