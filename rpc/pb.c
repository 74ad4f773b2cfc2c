#include "rpc/pb.h"

#include "base/text.h"

#include <string.h>

struct pool {
	struct arena *arena;
	bool exhausted;
};

static void *pool_alloc(void *data, size_t n)
{
	struct pool *pool = data;
	void *p = arena_alloc(pool->arena, n);
	if (p == NULL)
		pool->exhausted = true;
	return p;
}

static void pool_free(void *data, void *p)
{
	(void)data; /* the arena frees all at once */
	(void)p;
}

enum { NUMBER_MAX_BYTES = 10, TAG_MAX_BYTES = 5, LENGTH_MAX_BYTES = 5 };

static bool take_varint(struct bytes *in, size_t max_bytes, uint64_t *out)
{
	uint64_t v = 0;
	if (in->n > 0 && in->p[0] < 0x80) { /* as nearly all are */
		*out = in->p[0];
		*in = bytes_from(*in, 1);
		return true;
	}
	for (size_t i = 0; i < max_bytes && i < in->n; i++) {
		uint8_t b = in->p[i];
		v |= (uint64_t)(b & 0x7f) << (7 * i);
		if (b < 0x80) {
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

bool pb_next(struct bytes *in, struct pb_field *out)
{
	struct bytes rest = *in;
	uint64_t tag, n;
	struct pb_field f = { 0 };
	/* protobuf-c looks at the first byte alone to tell a field of number 0, which is none. */
	if (rest.n == 0 || (rest.p[0] & 0xf8) == 0 || !take_varint(&rest, TAG_MAX_BYTES, &tag))
		return false;
	f.number = (uint32_t)(tag >> 3);
	f.type = (ProtobufCWireType)(tag & 7);
	bool whole = false;
	switch (f.type) {
	case PROTOBUF_C_WIRE_TYPE_VARINT: whole = take_varint(&rest, NUMBER_MAX_BYTES, &f.value); break;
	case PROTOBUF_C_WIRE_TYPE_64BIT: whole = take_bytes(&rest, 8, &f.payload); break;
	case PROTOBUF_C_WIRE_TYPE_32BIT: whole = take_bytes(&rest, 4, &f.payload); break;
	case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED:
		whole = take_varint(&rest, LENGTH_MAX_BYTES, &n) && take_bytes(&rest, n, &f.payload);
		break;
	}
	if (!whole)
		return false;
	*in = rest;
	*out = f;
	return true;
}

/* Every string field of the encoded message is UTF-8 without NUL. The schemas are not recursive, so
 * neither is this deeper than they are. */
static bool strings_are_text(const ProtobufCMessageDescriptor *d, struct bytes in)
{
	struct pb_field found;
	while (in.n > 0) {
		if (!pb_next(&in, &found))
			return false;
		if (found.type != PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED)
			continue;
		const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field(d, found.number);
		if (f == NULL)
			continue;
		if (f->type == PROTOBUF_C_TYPE_STRING && !text_is_utf8(found.payload))
			return false;
		if (f->type == PROTOBUF_C_TYPE_MESSAGE && !strings_are_text(f->descriptor, found.payload))
			return false;
	}
	return true;
}

enum err pb_unpack(
    const ProtobufCMessageDescriptor *d, struct bytes in, struct arena *a, ProtobufCMessage **out)
{
	struct pool pool = { .arena = a };
	ProtobufCAllocator allocator = { .alloc = pool_alloc, .free = pool_free, .allocator_data = &pool };
	static const uint8_t none[1];
	ProtobufCMessage *m = protobuf_c_message_unpack(d, &allocator, in.n, in.n == 0 ? none : in.p);
	if (m == NULL)
		return pool.exhausted ? ERR_TOO_BIG : ERR_INVALID;
	if (!strings_are_text(d, in))
		return ERR_INVALID;
	*out = m;
	return OK;
}

struct sink {
	ProtobufCBuffer base;
	struct buf *out;
};

static void sink_append(ProtobufCBuffer *base, size_t n, const uint8_t *p)
{
	struct sink *s = (struct sink *)(void *)base;
	buf_put(s->out, p, n);
}

enum err pb_pack(const ProtobufCMessage *m, size_t max, struct buf *out)
{
	if (buf_err(out) != OK)
		return buf_err(out);
	size_t n = protobuf_c_message_get_packed_size(m);
	if (n > max || n > out->max - out->n)
		return ERR_TOO_BIG;
	struct sink sink = { .base = { .append = sink_append }, .out = out };
	protobuf_c_message_pack_to_buffer(m, &sink.base);
	return buf_err(out);
}
