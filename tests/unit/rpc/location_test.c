/* Locations are read by hand: what comes out is what protobuf-c would say, of sound bytes and of any others.
 */
#include "base/prng.h"
#include "rpc/entries.h"
#include "rpc/entries.pb-c.h"
#include "rpc/pb.h"

#include "rpc_test.h"

enum { ROUNDS = 200000 };

static enum err by_library(struct bytes value, struct arena *a, struct rpc_location *l)
{
	ProtobufCMessage *pb;
	enum err e = pb_unpack(&warmcast__location__descriptor, value, a, &pb);
	if (e != OK)
		return e;
	const Warmcast__Location *m = (const Warmcast__Location *)(const void *)pb;
	*l = (struct rpc_location){ m->bytes, m->objects, m->share_permille, bytes_str(m->entry), m->kbps };
	return l->entry.n > RPC_ENTRY_NAME_MAX ? ERR_TOO_BIG : OK;
}

/* Of the very size, so that the address sanitizer sees a read past it. */
static bool same_by_both(struct bytes value)
{
	uint8_t *copy = malloc(value.n + 1);
	if (value.n > 0)
		memcpy(copy + 1, value.p, value.n);
	struct bytes in = bytes_of(copy + 1, value.n);
	struct arena a;
	struct rpc_location hand = { 0 }, library = { 0 };
	arena_init(&a, RPC_ARENA_MAX);
	enum err e = rpc_decode_location(in, &a, &hand), expected = by_library(in, &a, &library);
	assert_int_equal(e, expected);
	if (e == OK) {
		assert_int_equal(hand.bytes, library.bytes);
		assert_int_equal(hand.objects, library.objects);
		assert_int_equal(hand.share_permille, library.share_permille);
		assert_bytes_equal(hand.entry, library.entry);
		assert_int_equal(hand.kbps, library.kbps);
	}
	arena_fini(&a);
	free(copy);
	return e == OK;
}

static void sound_ones(void **state)
{
	(void)state;
	static const uint64_t numbers[] = { 0, 1, 127, 128, UINT32_MAX, (uint64_t)UINT32_MAX + 1, UINT64_MAX };
	static const char *const entries[] = { "", "master.m3u8", "\xe7\x95\xaa/index.m3u8" };
	for (size_t i = 0; i < 7; i++) {
		for (size_t k = 0; k < 3; k++) {
			struct buf out;
			buf_init(&out, RPC_VALUE_MAX);
			struct rpc_location l = { numbers[i], (uint32_t)numbers[6 - i], (uint32_t)numbers[i],
				bytes_str(entries[k]), (uint32_t)numbers[i] };
			assert_int_equal(rpc_encode_location(&l, &out), OK);
			assert_true(same_by_both(buf_bytes(&out)));
			buf_fini(&out);
		}
	}
}

static void odd_ones(void **state)
{
	(void)state;
	static const struct {
		struct bytes in;
		bool good;
	} cases[] = {
		{ BYTES_LIT(""), true },
		{ BYTES_LIT("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), true }, /* more than 64 bits: cut off */
		{ BYTES_LIT("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), false }, /* eleven bytes */
		{ BYTES_LIT("\x10\xff\xff\xff\xff\xff\x01"), true },  /* more than 32 bits: cut off */
		{ BYTES_LIT("\x08\x81\x80\x00"), true },              /* longer than it must be */
		{ BYTES_LIT("\x88\x80\x00\x01"), true },              /* the tag is */
		{ BYTES_LIT("\x88\x80\x80\x80\x80\x00\x01"), false }, /* of six bytes */
		{ BYTES_LIT("\x08\x01\x08\x02"), true },              /* twice: the last counts */
		{ BYTES_LIT("\x0a\x01x"), false },                    /* a number of the wrong type */
		{ BYTES_LIT("\x15\x01\x02\x03\x04"), false },
		{ BYTES_LIT("\x20\x01"), false }, /* a name that is a number */
		{ BYTES_LIT("\x22\x02x"), false },
		{ BYTES_LIT("\x22\xff\xff\xff\xff\x0f"), false },
		{ BYTES_LIT("\x22\x81\x80\x80\x80\x80\x00x"), false }, /* a length of six bytes */
		{ BYTES_LIT("\x22\x01\xff"), false },
		{ BYTES_LIT("\x22\x01\xff\x22\x01x"), false }, /* the first one is no text */
		{ BYTES_LIT("\x22\x03"
		            "a\0b"),
		    false },
		{ BYTES_LIT("\x00\x01"), false },       /* field 0 */
		{ BYTES_LIT("\x80\x00\x01"), true },    /* but so it passes */
		{ BYTES_LIT("\xa2\x06\x03new"), true }, /* unknown, of each type */
		{ BYTES_LIT("\x79"
		            "12345678"),
		    true },
		{ BYTES_LIT("\x7d"
		            "1234"),
		    true },
		{ BYTES_LIT("\x78\x01"), true },
		{ BYTES_LIT("\x79"
		            "1234567"),
		    false },
		{ BYTES_LIT("\x7d"
		            "123"),
		    false },
		{ BYTES_LIT("\x7b\x7c"), false }, /* a group */
		{ BYTES_LIT("\x7e"), false },
		{ BYTES_LIT("\x7f"), false },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (same_by_both(cases[i].in) != cases[i].good)
			fail_msg("case %zu", i);
}

static void names_at_their_limit(void **state)
{
	(void)state;
	uint8_t value[3 + RPC_ENTRY_NAME_MAX + 1] = { 0x22, 0x80 | (RPC_ENTRY_NAME_MAX & 0x7f), 1 };
	memset(value + 3, 'x', sizeof(value) - 3);
	assert_true(same_by_both(bytes_of(value, sizeof(value) - 1)));
	value[1] = 0x80;
	value[2] = 2;
	assert_false(same_by_both(bytes_of(value, sizeof(value))));
	struct arena tiny;
	struct rpc_location l;
	arena_init(&tiny, 1);
	assert_int_equal(rpc_decode_location(BYTES_LIT("\x22\x02xy"), &tiny, &l), ERR_TOO_BIG);
	arena_fini(&tiny);
}

/* Bytes that look like fields, and sound messages in which some changed. */
static void any_bytes(void **state)
{
	(void)state;
	static const uint8_t likely[] = { 0x08, 0x10, 0x18, 0x22, 0x20, 0x0a, 0x0d, 0x09, 0x80, 0xff, 0, 1, 2,
		3 };
	static const uint8_t sound[] = "\x08\x80\x80\x04\x10\x07\x18\xe8\x07\x22\x0bmaster.m3u8";
	struct prng r;
	size_t good = 0;
	prng_init(&r, 20261121);
	for (size_t i = 0; i < ROUNDS; i++) {
		uint8_t in[40];
		size_t n = prng_below(&r, 24);
		if (i % 2 == 0) {
			for (size_t k = 0; k < n; k++)
				in[k] =
				    prng_chance(&r, 700) ? likely[prng_below(&r, sizeof(likely))] : (uint8_t)prng_next(&r);
		} else {
			n = sizeof(sound) - 1;
			memcpy(in, sound, n);
			for (uint64_t changes = prng_below(&r, 4); changes > 0; changes--)
				in[prng_below(&r, n)] = (uint8_t)prng_next(&r);
			n -= prng_below(&r, 3);
		}
		good += same_by_both(bytes_of(in, n));
	}
	assert_in_range(good, ROUNDS / 20, ROUNDS * 19 / 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sound_ones),
		cmocka_unit_test(odd_ones),
		cmocka_unit_test(names_at_their_limit),
		cmocka_unit_test(any_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
