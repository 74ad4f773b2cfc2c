/* Any frames, each behind its length in two bytes, as what a peer says on a link with names: decoding ends
 * well, at the first frame that is refused the link ends, and what was understood can be said on in names
 * of our own, few enough that they are given anew, and means the same at the third node.
 */
#include "base/check.h"
#include "rpc/codec.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { OWN_NAMES = 3 };

struct relay {
	struct rpc_names *in, *out, *third;
	struct arena arena;
	struct buf frame, meant, heard;
};

/* False: refused. */
static bool hear(struct relay *r, struct bytes frame)
{
	struct rpc_msg m, again;
	arena_reset(&r->arena);
	buf_clear(&r->frame);
	buf_clear(&r->meant);
	buf_clear(&r->heard);
	if (rpc_decode_named(frame, r->in, &r->arena, &m) != OK)
		return false;
	if (m.kind == RPC_UNKNOWN)
		return true;
	enum err e = rpc_encode(&m, &r->arena, &r->meant);
	if (e == ERR_TOO_BIG)
		return true; /* in numbers it was smaller */
	CHECK(e == OK);
	if (rpc_encode_named(&m, r->out, &r->arena, &r->frame) != OK)
		return true; /* as large as may be, with names on top */
	rpc_names_said(r->out);
	CHECK(rpc_decode_named(buf_bytes(&r->frame), r->third, &r->arena, &again) == OK);
	CHECK(rpc_encode(&again, &r->arena, &r->heard) == OK);
	CHECK(bytes_eq(buf_bytes(&r->meant), buf_bytes(&r->heard)));
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct relay r = { rpc_names_new(0), rpc_names_new(OWN_NAMES), rpc_names_new(0), .arena = { 0 } };
	arena_init(&r.arena, 8 * RPC_ARENA_MAX);
	buf_init(&r.frame, RPC_FRAME_MAX);
	buf_init(&r.meant, RPC_FRAME_MAX);
	buf_init(&r.heard, RPC_FRAME_MAX);
	struct bytes rest = bytes_of(data, n);
	while (rest.n >= 2) {
		size_t frame_n = (size_t)rest.p[0] << 8 | rest.p[1];
		rest = bytes_from(rest, 2);
		if (frame_n > rest.n)
			frame_n = rest.n;
		if (!hear(&r, bytes_head(rest, frame_n)))
			break;
		rest = bytes_from(rest, frame_n);
	}
	rpc_names_free(r.in);
	rpc_names_free(r.out);
	rpc_names_free(r.third);
	arena_fini(&r.arena);
	buf_fini(&r.frame);
	buf_fini(&r.meant);
	buf_fini(&r.heard);
	return 0;
}
