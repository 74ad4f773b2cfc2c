/* Any bytes as a link's stream, in pieces whose sizes the first bytes give: however it is cut, the same
 * frames come out, and memory stays within what came.
 */
#include "base/check.h"
#include "base/hash.h"
#include "rpc/frame.h"

#include <string.h>

enum { FRAME_MAX = 4096, SIZES = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct seen {
	uint64_t hash, frames;
	bool too_big;
};

/* `sizes` are repeated; a 0 is a piece of all that is left. */
static struct seen read_in_pieces(struct bytes stream, const uint8_t *sizes)
{
	static const struct hash_key key = { "frames" };
	struct seen s = { 0 };
	struct frame_reader r;
	frame_reader_init(&r, FRAME_MAX);
	for (size_t i = 0; stream.n > 0 && !s.too_big; i++) {
		size_t n = sizes[i % SIZES];
		struct bytes piece = bytes_head(stream, n == 0 || n > stream.n ? stream.n : n), frame;
		stream = bytes_from(stream, piece.n);
		enum frame_result result;
		while ((result = frame_next(&r, &piece, &frame)) == FRAME_READY) {
			CHECK(frame.n <= FRAME_MAX);
			s.hash = hash_mix(s.hash ^ hash64(&key, frame));
			s.frames++;
		}
		CHECK(r.part.n <= FRAME_MAX);
		CHECK(result == FRAME_TOO_BIG || piece.n == 0);
		s.too_big = result == FRAME_TOO_BIG;
	}
	frame_reader_fini(&r);
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const uint8_t whole[SIZES];
	if (n < SIZES)
		return 0;
	struct bytes stream = bytes_of(data + SIZES, n - SIZES);
	struct seen a = read_in_pieces(stream, whole), b = read_in_pieces(stream, data);
	CHECK(a.hash == b.hash && a.frames == b.frames && a.too_big == b.too_big);
	return 0;
}
