/* The frames of a byte stream: a 4-byte big-endian length and that many bytes (rpc/proto/wire.proto).
 *
 * Pure. A reader holds at most one frame that came in parts; its memory grows with what came, not with
 * what a length promises.
 */
#ifndef RPC_FRAME_H
#define RPC_FRAME_H

#include "base/bytes.h"

enum { FRAME_PREFIX_BYTES = 4, FRAME_ACK_BYTES = 4096 };

struct frame_reader {
	uint8_t prefix[FRAME_PREFIX_BYTES];
	size_t prefix_n;
	struct buf part;
	bool done; /* part was handed out, and is dropped at the next call */
};

enum frame_result {
	FRAME_MORE,    /* all of `in` is taken; the frame is not whole yet */
	FRAME_READY,   /* *frame is valid until the next call or as long as what `in` points to */
	FRAME_TOO_BIG, /* past max, or out of memory: the stream cannot be read on */
};

/* Frames may have up to max bytes, without the prefix. */
void frame_reader_init(struct frame_reader *r, size_t max);
void frame_reader_fini(struct frame_reader *r);
/* Takes bytes off the front of *in until a frame is whole. */
enum frame_result frame_next(struct frame_reader *r, struct bytes *in, struct bytes *frame);

void frame_prefix(uint8_t out[FRAME_PREFIX_BYTES], size_t frame_bytes);

/* What the next frame says of `consumed` bytes, of which the peer was told `told` so far: 0, nothing, while
 * it is too little to matter to the peer's window. */
uint64_t frame_ack(uint64_t consumed, uint64_t told);

#endif
