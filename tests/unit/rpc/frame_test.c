#include "rpc/frame.h"

#include "rpc_test.h"

enum { MAX = 10000 };

/* Three frames of the given sizes as one stream; each byte of frame i is i + 1. */
static size_t make_stream(uint8_t *out, const size_t *sizes, size_t n)
{
	size_t at = 0;
	for (size_t i = 0; i < n; i++) {
		frame_prefix(out + at, sizes[i]);
		memset(out + at + FRAME_PREFIX_BYTES, (int)i + 1, sizes[i]);
		at += FRAME_PREFIX_BYTES + sizes[i];
	}
	return at;
}

static void check_frame(struct bytes frame, size_t size, size_t index)
{
	assert_int_equal(frame.n, size);
	for (size_t i = 0; i < frame.n; i++)
		assert_int_equal(frame.p[i], index + 1);
}

static void frames_in_pieces_of_any_size(void **state)
{
	(void)state;
	static const size_t sizes[] = { 5, 0, 300, MAX, 1 };
	enum { N = sizeof(sizes) / sizeof(sizes[0]) };
	static uint8_t stream[MAX * 2];
	size_t total = make_stream(stream, sizes, N);
	static const size_t pieces[] = { 1, 2, 3, 4, 5, 7, 64, 4096, 9999, MAX * 2 };
	for (size_t k = 0; k < sizeof(pieces) / sizeof(pieces[0]); k++) {
		struct frame_reader r;
		frame_reader_init(&r, MAX);
		size_t got = 0;
		for (size_t at = 0; at < total; at += pieces[k]) {
			/* A copy of the very size, so that the address sanitizer sees a read past it. */
			size_t n = total - at < pieces[k] ? total - at : pieces[k];
			uint8_t *piece = malloc(n);
			memcpy(piece, stream + at, n);
			struct bytes in = bytes_of(piece, n), frame;
			enum frame_result result;
			while ((result = frame_next(&r, &in, &frame)) == FRAME_READY) {
				assert_true(got < N);
				check_frame(frame, sizes[got], got);
				got++;
			}
			assert_int_equal(result, FRAME_MORE);
			assert_int_equal(in.n, 0);
			free(piece);
		}
		assert_int_equal(got, N);
		frame_reader_fini(&r);
	}
}

static void a_frame_past_the_cap_ends_the_stream(void **state)
{
	(void)state;
	struct frame_reader r;
	struct bytes frame;
	frame_reader_init(&r, MAX);
	uint8_t prefix[FRAME_PREFIX_BYTES];
	frame_prefix(prefix, MAX + 1);
	for (size_t i = 0; i < 3; i++) {
		struct bytes in = bytes_of(prefix + i, 1);
		assert_int_equal(frame_next(&r, &in, &frame), FRAME_MORE);
	}
	struct bytes in = bytes_of(prefix + 3, 1);
	assert_int_equal(frame_next(&r, &in, &frame), FRAME_TOO_BIG);
	frame_reader_fini(&r);

	frame_reader_init(&r, MAX);
	in = BYTES_LIT("\xff\xff\xff\xff");
	assert_int_equal(frame_next(&r, &in, &frame), FRAME_TOO_BIG);
	frame_reader_fini(&r);
}

static void memory_follows_what_came(void **state)
{
	(void)state;
	struct frame_reader r;
	frame_reader_init(&r, 64 * 1024 * 1024);
	struct bytes in = BYTES_LIT("\x03\xff\xff\xff tiny"), frame;
	assert_int_equal(frame_next(&r, &in, &frame), FRAME_MORE);
	assert_in_range(r.part.cap, 5, 4096);
	frame_reader_fini(&r);
}

static void the_prefix_is_big_endian(void **state)
{
	(void)state;
	uint8_t p[FRAME_PREFIX_BYTES];
	frame_prefix(p, 0x01020304);
	assert_memory_equal(p, "\1\2\3\4", 4);
}

static void an_acknowledgement_waits_until_it_matters(void **state)
{
	(void)state;
	assert_int_equal(frame_ack(0, 0), 0);
	assert_int_equal(frame_ack(FRAME_ACK_BYTES - 1, 0), 0);
	assert_int_equal(frame_ack(FRAME_ACK_BYTES, 0), FRAME_ACK_BYTES);
	assert_int_equal(frame_ack(FRAME_ACK_BYTES + 70, 71), 0);
	assert_int_equal(frame_ack(FRAME_ACK_BYTES + 71, 71), FRAME_ACK_BYTES + 71);
	assert_int_equal(frame_ack(UINT64_MAX, UINT64_MAX), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_in_pieces_of_any_size),
		cmocka_unit_test(a_frame_past_the_cap_ends_the_stream),
		cmocka_unit_test(memory_follows_what_came),
		cmocka_unit_test(the_prefix_is_big_endian),
		cmocka_unit_test(an_acknowledgement_waits_until_it_matters),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
