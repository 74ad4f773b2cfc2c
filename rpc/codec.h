/* Messages to bytes and back (protobuf-c), limits enforced both ways.
 *
 * Pure; no allocation but from the arena given. Decoding accepts any bytes: what it does not
 * understand is ERR_INVALID, what breaks a limit of rpc/msg.h ERR_TOO_BIG; an envelope of a kind
 * unknown to this build decodes to RPC_UNKNOWN (V1).
 */
#ifndef RPC_CODEC_H
#define RPC_CODEC_H

#include "base/arena.h"
#include "rpc/names.h"

/* Appends the encoded Envelope (without the length prefix) to out; nothing on failure. ERR_INVALID for
 * RPC_UNKNOWN and for a message that rpc_decode would refuse. */
MUST_USE enum err rpc_encode(const struct rpc_msg *m, struct arena *scratch, struct buf *out);
/* Slices of *m point into the arena. */
MUST_USE enum err rpc_decode(struct bytes frame, struct arena *a, struct rpc_msg *m);
/* The same on a link where RPC_FEATURE_NAMES was agreed upon, with the names of that link; NULL where it was
 * not. When the message is on its way: rpc_names_said. */
MUST_USE enum err rpc_encode_named(
    const struct rpc_msg *m, struct rpc_names *names, struct arena *scratch, struct buf *out);
/* Keeps what the frame names. ERR_INVALID, too, for a number that was never named. After a failure the two
 * sides' names may differ: the link must end. */
MUST_USE enum err rpc_decode_named(
    struct bytes frame, struct rpc_names *names, struct arena *a, struct rpc_msg *m);
/* An upper bound of the encoded size of an entry within a row frame, so that a sender can fill a
 * frame to a byte budget without encoding it first. */
size_t rpc_entry_size_bound(const struct rpc_entry *e);
const char *rpc_kind_str(enum rpc_kind k);
const char *rpc_refusal_str(enum rpc_refusal r);

#endif
