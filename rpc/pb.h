/* protobuf-c over an arena and a bounded buffer; private to rpc/.
 *
 * protobuf-c allocates per field and trusts the input for how much; here it gets its memory from an
 * arena, whose bound is the bound of what a hostile message can cost.
 */
#ifndef RPC_PB_H
#define RPC_PB_H

#include "base/arena.h"

#include <protobuf-c/protobuf-c.h>

/* The message, living in the arena. ERR_INVALID when it is none, or a string field of it is not UTF-8
 * or holds a NUL (protobuf-c hands strings out without their length); ERR_TOO_BIG past the bound of
 * the arena. */
MUST_USE enum err pb_unpack(
    const ProtobufCMessageDescriptor *d, struct bytes in, struct arena *a, ProtobufCMessage **out);

/* One field of an encoded message, for what is read too often to be unpacked. */
struct pb_field {
	uint32_t number;
	ProtobufCWireType type;
	uint64_t value;       /* of a varint */
	struct bytes payload; /* of any other: a slice of the input */
};

/* Takes the first field off. False, and nothing changed, when it is none that protobuf-c would take. */
bool pb_next(struct bytes *in, struct pb_field *out);

/* Appends at most max bytes to out, or nothing and ERR_TOO_BIG. */
MUST_USE enum err pb_pack(const ProtobufCMessage *m, size_t max, struct buf *out);

static inline struct bytes pb_bytes(ProtobufCBinaryData d)
{
	return bytes_of(d.data, d.len);
}

/* A view for packing, which does not write through it. */
static inline ProtobufCBinaryData pb_data(struct bytes s)
{
	return (ProtobufCBinaryData){ .len = s.n, .data = (uint8_t *)(uintptr_t)s.p };
}

#endif
