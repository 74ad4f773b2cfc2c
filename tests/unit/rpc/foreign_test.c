/* Frames that this build's encoder never makes: those of newer peers, and hostile ones. */
#include "rpc/codec.h"

#include "rpc_test.h"

static enum err decode_bytes(struct bytes in, struct rpc_msg *m)
{
	static struct arena a;
	arena_fini(&a);
	arena_init(&a, RPC_ARENA_MAX);
	/* A copy of the very size, so that the address sanitizer sees a read past it. */
	uint8_t *copy = malloc(in.n + 1);
	if (in.n > 0)
		memcpy(copy + 1, in.p, in.n);
	enum err e = rpc_decode(bytes_of(copy + 1, in.n), &a, m);
	free(copy);
	return e;
}

/* Spaces in the hex are for the reader. */
static enum err decode(const char *hex, struct rpc_msg *m)
{
	char packed[2048];
	uint8_t raw[1024];
	size_t n = 0;
	for (; *hex != '\0'; hex++) {
		if (*hex != ' ')
			packed[n++] = *hex;
	}
	assert_int_equal(text_unhex(raw, bytes_of(packed, n)), OK);
	return decode_bytes(bytes_of(raw, n / 2), m);
}

static void an_envelope_of_an_unknown_kind_is_skipped(void **state)
{
	(void)state;
	struct rpc_msg m;
	assert_int_equal(decode("08 2a  a2 06 03 01 02 03", &m), OK);
	assert_int_equal(m.kind, RPC_UNKNOWN);
	assert_int_equal(m.acked_bytes, 42);
	assert_int_equal(decode("", &m), OK);
	assert_int_equal(m.kind, RPC_UNKNOWN);
}

static void unknown_fields_are_ignored(void **state)
{
	(void)state;
	struct rpc_msg m;
	/* A bye with reason 2 and fields 15 (varint), 16 (64 bit), 17 (32 bit), 18 (bytes). */
	assert_int_equal(
	    decode("22 18  08 02  78 07  81 01 0102030405060708  8d 01 01020304  92 01 01 ff", &m), OK);
	assert_int_equal(m.kind, RPC_BYE);
	assert_int_equal(m.bye.reason, 2);
}

static void rows_of_unknown_streams_are_skipped(void **state)
{
	(void)state;
	struct rpc_msg m;
	/* Two rows, of stream 9 and of stream 1. */
	assert_int_equal(decode("32 30  22 16 0a 10 01010101010101010101010101010101 10 09 1a 00"
	                        "22 16 0a 10 02020202020202020202020202020202 10 01 1a 00",
	                     &m),
	    OK);
	assert_int_equal(m.kind, RPC_DIGEST);
	assert_int_equal(m.digest.rows_n, 1);
	assert_int_equal(m.digest.rows[0].owner.b[0], 2);
	assert_int_equal(m.digest.rows[0].stream, RPC_LOAD);
}

static void a_frame_of_an_unknown_stream_is_unknown(void **state)
{
	(void)state;
	struct rpc_msg m;
	assert_int_equal(decode("3a 16 0a 10 01010101010101010101010101010101 10 09 1a 00", &m), OK);
	assert_int_equal(m.kind, RPC_UNKNOWN);
	assert_int_equal(decode("3a 16 0a 10 01010101010101010101010101010101 10 02 1a 00", &m), OK);
	assert_int_equal(m.kind, RPC_ROW_FRAME);
}

static void what_is_missing_or_of_a_wrong_length_is_refused(void **state)
{
	(void)state;
	struct rpc_msg m = { .kind = RPC_BYE };
	static const char *const bad[] = {
		"12 00",                                                  /* hello without anything */
		"3a 14 0a 10 01010101010101010101010101010101 10 02",     /* frame without incarnation */
		"3a 15 0a 0f 010101010101010101010101010101 10 02 1a 00", /* owner of 15 bytes */
		"3a 17 0a 11 0101010101010101010101010101010101 10 02 1a 00",
		"32 04 12 02 aabb",                           /* digest's first of 2 bytes */
		"42 11 0a 0f 010101010101010101010101010101", /* session id of 15 bytes */
		"1a 04 12 02 6e 6f",                          /* refusal without a reason */
		"1a 05 08 01 12 01 00",                       /* text with NUL */
		"1a 06 08 01 12 02 c3 28",                    /* text not UTF-8 */
		"1a 08 08 01 12 04 61 00 62 63",              /* NUL within, which a C string would hide */
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(decode(bad[i], &m), ERR_INVALID);
	assert_int_equal(m.kind, RPC_BYE);
}

#define HELLO "0a0161 1210 01010101010101010101010101010101 1a0161 2200 2801 3001 "
#define HALF "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define CHALLENGE "5220" HALF HALF
#define KEY "5a026331"

static void keys_and_challenge_come_together(void **state)
{
	(void)state;
	struct rpc_msg m;
	assert_int_equal(decode("12 44" HELLO CHALLENGE KEY, &m), OK);
	assert_int_equal(m.hello.keys_n, 1);
	assert_int_equal(decode("12 4c" HELLO CHALLENGE KEY KEY KEY, &m), ERR_TOO_BIG);
	static const char *const bad[] = {
		"12 40" HELLO CHALLENGE, "12 22" HELLO KEY,
		"12 43" HELLO "521f" HALF "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" KEY,   /* of 31 bytes */
		"12 45" HELLO CHALLENGE "5a03632031",                             /* an id with a space */
		"12 53" HELLO CHALLENGE "5a116161616161616161616161616161616161", /* an id of 17 bytes */
		"4a 25 0a026331 121f" HALF "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",      /* a MAC of 31 bytes */
		"4a 22 1220" HALF HALF,                                           /* no key id */
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (decode(bad[i], &m) != ERR_INVALID)
			fail_msg("case %zu", i);
	}
	assert_int_equal(decode("4a 26 0a026331 1220" HALF HALF, &m), OK);
	assert_int_equal(m.kind, RPC_PROOF);
}

static void truncations_and_wire_types_are_refused(void **state)
{
	(void)state;
	struct rpc_msg m;
	static const char *const bad[] = {
		"08",                      /* a tag without its value */
		"08 ffffffffffffffffffff", /* a varint without end */
		"22 7f 08",                /* a length past the end */
		"22 ffffffff0f",           /* a length of 4 GiB */
		"22 ffffffffffffffffff01", /* a length of 2^64 - 1 */
		"0b 0c",                   /* groups */
		"0f",                      /* wire type 7 */
		"00 00",                   /* field 0 */
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(decode(bad[i], &m), ERR_INVALID);
}

static void a_frame_past_the_limit_is_refused_unread(void **state)
{
	(void)state;
	static uint8_t big[RPC_FRAME_MAX + 1];
	struct rpc_msg m;
	assert_int_equal(decode_bytes(bytes_of(big, sizeof(big)), &m), ERR_TOO_BIG);
}

/* 21,000 entries of no content cost protobuf-c 80 bytes each, and a digest in as many parts is merged
 * again and again: the arena's bound is what stops both. */
static void amplification_is_bounded(void **state)
{
	(void)state;
	static uint8_t frame[RPC_FRAME_MAX];
	struct rpc_msg m;
	size_t n = 0;
	frame[n++] = 0x3a;
	frame[n++] = 0xfa;
	frame[n++] = 0xff;
	frame[n++] = 0x03; /* 65530 bytes of row frame */
	while (n + 2 <= 4 + 65530) {
		frame[n++] = 0x5a;
		frame[n++] = 0x00;
	}
	assert_int_equal(decode_bytes(bytes_of(frame, n), &m), ERR_TOO_BIG);
	n = 0;
	while (n + 4 <= sizeof(frame)) {
		memcpy(frame + n, "\x32\x02\x22\x00", 4);
		n += 4;
	}
	assert_int_equal(decode_bytes(bytes_of(frame, n), &m), ERR_TOO_BIG);
}

/* A body given twice is one message; the latter's fields count, as protobuf has it. */
static void bodies_may_come_in_parts(void **state)
{
	(void)state;
	struct rpc_msg m;
	assert_int_equal(decode("22 02 08 01  22 02 08 05", &m), OK);
	assert_int_equal(m.kind, RPC_BYE);
	assert_int_equal(m.bye.reason, 5);
	assert_int_equal(decode("22 02 08 01  2a 00", &m), OK);
	assert_int_equal(m.kind, RPC_HEARTBEAT);
}

static void a_newer_refusal_has_a_name(void **state)
{
	(void)state;
	struct rpc_msg m;
	assert_int_equal(decode("1a 02 08 63", &m), OK);
	assert_int_equal(m.refusal.reason, 99);
	assert_string_equal(rpc_refusal_str(m.refusal.reason), "other");
	assert_string_equal(rpc_refusal_str(RPC_REFUSED_CLUSTER), "cluster");
	assert_string_equal(rpc_kind_str(RPC_ROW_FRAME), "row_frame");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_envelope_of_an_unknown_kind_is_skipped),
		cmocka_unit_test(unknown_fields_are_ignored),
		cmocka_unit_test(rows_of_unknown_streams_are_skipped),
		cmocka_unit_test(a_frame_of_an_unknown_stream_is_unknown),
		cmocka_unit_test(what_is_missing_or_of_a_wrong_length_is_refused),
		cmocka_unit_test(keys_and_challenge_come_together),
		cmocka_unit_test(truncations_and_wire_types_are_refused),
		cmocka_unit_test(a_frame_past_the_limit_is_refused_unread),
		cmocka_unit_test(amplification_is_bounded),
		cmocka_unit_test(bodies_may_come_in_parts),
		cmocka_unit_test(a_newer_refusal_has_a_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
