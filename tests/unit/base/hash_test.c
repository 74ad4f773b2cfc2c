#include "base/hash.h"

#include "base/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct hash_key reference_key = { { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 } };

/* The reference implementation's test vectors: key 00 .. 0f, message 00 .. n-1. */
static void siphash_2_4_reference_vectors(void **state)
{
	(void)state;
	static const uint64_t expected[] = {
		0x726fdb47dd0e0e31,
		0x74f839c593dc67fd,
		0x0d6c8009d9a94f5a,
		0x85676696d7fb7e2d,
		0xcf2794e0277187b7,
		0x18765564cd99a68d,
		0xcbc9466e58fee3ce,
		0xab0200f58b01d137,
	};
	uint8_t message[15];
	for (uint8_t i = 0; i < sizeof(message); i++)
		message[i] = i;
	for (size_t n = 0; n < sizeof(expected) / sizeof(expected[0]); n++)
		assert_true(hash64(&reference_key, bytes_of(message, n)) == expected[n]);
	/* Appendix A of the paper. */
	assert_true(hash64(&reference_key, bytes_of(message, 15)) == 0xa129ca6149be45e5);
	assert_true(hash64(&reference_key, BYTES_NONE) == expected[0]);
}

static void each_bit_of_the_key_counts(void **state)
{
	(void)state;
	uint64_t plain = hash64(&reference_key, BYTES_LIT("lv1234567"));
	for (unsigned bit = 0; bit < 128; bit++) {
		struct hash_key other = reference_key;
		other.b[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_true(hash64(&other, BYTES_LIT("lv1234567")) != plain);
	}
}

/* The inverse of murmur3's finaliser: each step of it undone. */
static uint64_t unmix(uint64_t x)
{
	x ^= x >> 33;
	x *= 0x9cb4b2f8129337db;
	x ^= x >> 33;
	x *= 0x4f74430c22a54005;
	return x ^ (x >> 33);
}

static void the_mixer_loses_nothing(void **state)
{
	(void)state;
	struct prng r;
	prng_init(&r, 5);
	for (int i = 0; i < 10000; i++) {
		uint64_t x = i < 5000 ? (uint64_t)i : prng_next(&r);
		assert_true(unmix(hash_mix(x)) == x);
	}
	/* Golden: hashes of counters order candidates on every node alike, today and tomorrow. */
	assert_true(hash_mix(0) == 0);
	assert_true(hash_mix(1) == 0xb456bcfc34c2cb2c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(siphash_2_4_reference_vectors),
		cmocka_unit_test(each_bit_of_the_key_counts),
		cmocka_unit_test(the_mixer_loses_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
