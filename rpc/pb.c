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

static bool take_varint(struct bytes *in, uint64_t *out)
{
	uint64_t v = 0;
	for (unsigned shift = 0; shift < 64; shift += 7) {
		if (in->n == 0)
			return false;
		uint8_t b = in->p[0];
		*in = bytes_from(*in, 1);
		v |= (uint64_t)(b & 0x7f) << shift;
		if (b < 0x80) {
			*out = v;
			return true;
		}
	}
	return false;
}

static bool skip(struct bytes *in, size_t n)
{
	if (n > in->n)
		return false;
	*in = bytes_from(*in, n);
	return true;
}

/* Every string field of the encoded message is UTF-8 without NUL. The schemas are not recursive, so
 * neither is this deeper than they are. */
static bool strings_are_text(const ProtobufCMessageDescriptor *d, struct bytes in)
{
	while (in.n > 0) {
		uint64_t tag, n;
		if (!take_varint(&in, &tag))
			return false;
		switch (tag & 7) {
		case PROTOBUF_C_WIRE_TYPE_VARINT:
			if (!take_varint(&in, &n))
				return false;
			continue;
		case PROTOBUF_C_WIRE_TYPE_64BIT:
			if (!skip(&in, 8))
				return false;
			continue;
		case PROTOBUF_C_WIRE_TYPE_32BIT:
			if (!skip(&in, 4))
				return false;
			continue;
		case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED: break;
		default: return false;
		}
		if (!take_varint(&in, &n) || n > in.n)
			return false;
		struct bytes payload = bytes_head(in, (size_t)n);
		in = bytes_from(in, (size_t)n);
		const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field(d, (unsigned)(tag >> 3));
		if (f == NULL)
			continue;
		if (f->type == PROTOBUF_C_TYPE_STRING && !text_is_utf8(payload))
			return false;
		if (f->type == PROTOBUF_C_TYPE_MESSAGE && !strings_are_text(f->descriptor, payload))
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
