/* What the files behind rpc/codec.h share: parts of messages to and from their protobuf-c form; private to
 * rpc/.
 */
#ifndef RPC_CODEC_PB_H
#define RPC_CODEC_PB_H

#include "rpc/codec.h"
#include "rpc/pb.h"

struct Warmcast__Ancestor;
struct Warmcast__Envelope;
struct Warmcast__Incarnation;

/* A named row is said as number and stream in one. */
enum { CODEC_STREAM_BITS = 2 };
_Static_assert(RPC_STREAMS <= 1 << CODEC_STREAM_BITS, "every stream can be said");

/* The protobuf-c form of a message: its nodes in one arena, whose exhaustion is kept until the end,
 * so that building reads straight. */
struct builder {
	struct arena *arena;
	struct rpc_names *names; /* NULL: the link does not speak them */
	bool exhausted;
};

/* Zeroed; NULL when the arena is exhausted. */
void *codec_make(struct builder *b, size_t count, size_t size);
struct Warmcast__Incarnation *codec_make_incarnation(struct builder *b, struct incarnation in);
struct Warmcast__Ancestor **codec_make_ancestors(
    struct builder *b, const struct rpc_ancestor *from, size_t n);
ProtobufCBinaryData codec_make_id(const struct node_id *id);
/* In few bytes. False: a message of this kind has no other form than the plain one. */
bool codec_make_named(struct builder *b, const struct rpc_msg *m, struct Warmcast__Envelope *env);

/* A length-checked copy of a fixed-size bytes field. */
bool codec_take_fixed(ProtobufCBinaryData in, void *out, size_t n);
bool codec_take_incarnation(const struct Warmcast__Incarnation *in, struct incarnation *out);
/* `out` has room for RPC_ANCESTORS_MAX. */
MUST_USE enum err codec_take_ancestors(
    struct Warmcast__Ancestor *const *in, size_t n, struct rpc_ancestor *out);
/* One of the three bodies that speak in names. */
MUST_USE enum err codec_take_named(
    const struct Warmcast__Envelope *env, struct rpc_names *names, struct arena *a, struct rpc_msg *m);

#endif
