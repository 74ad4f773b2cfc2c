#include "rpc/frame.h"

#include "base/check.h"

enum { KEEP_BYTES = 4096 };

void frame_reader_init(struct frame_reader *r, size_t max)
{
	*r = (struct frame_reader){ .prefix_n = 0 };
	buf_init(&r->part, max);
}

void frame_reader_fini(struct frame_reader *r)
{
	buf_fini(&r->part);
}

static size_t read_prefix(const uint8_t *p)
{
	return (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
}

void frame_prefix(uint8_t out[FRAME_PREFIX_BYTES], size_t frame_bytes)
{
	CHECK(frame_bytes <= UINT32_MAX);
	out[0] = (uint8_t)(frame_bytes >> 24);
	out[1] = (uint8_t)(frame_bytes >> 16);
	out[2] = (uint8_t)(frame_bytes >> 8);
	out[3] = (uint8_t)frame_bytes;
}

/* Forgets the frame handed out last; a large one's memory goes back, for links are many. */
static void drop_part(struct frame_reader *r)
{
	if (r->part.cap > KEEP_BYTES)
		buf_fini(&r->part);
	buf_clear(&r->part);
	r->prefix_n = 0;
	r->done = false;
}

static struct bytes take(struct bytes *in, size_t n)
{
	if (n > in->n)
		n = in->n;
	struct bytes head = bytes_head(*in, n);
	*in = bytes_from(*in, n);
	return head;
}

enum frame_result frame_next(struct frame_reader *r, struct bytes *in, struct bytes *frame)
{
	if (r->done)
		drop_part(r);
	while (r->prefix_n < FRAME_PREFIX_BYTES) {
		if (in->n == 0)
			return FRAME_MORE;
		r->prefix[r->prefix_n++] = take(in, 1).p[0];
	}
	size_t want = read_prefix(r->prefix);
	if (want > r->part.max)
		return FRAME_TOO_BIG;
	if (r->part.n == 0 && want <= in->n) {
		*frame = take(in, want);
		r->prefix_n = 0;
		return FRAME_READY;
	}
	buf_put_bytes(&r->part, take(in, want - r->part.n));
	if (buf_err(&r->part) != OK)
		return FRAME_TOO_BIG;
	if (r->part.n < want)
		return FRAME_MORE;
	*frame = buf_bytes(&r->part);
	r->done = true;
	return FRAME_READY;
}

uint64_t frame_ack(uint64_t consumed, uint64_t told)
{
	return consumed - told < FRAME_ACK_BYTES ? 0 : consumed;
}
