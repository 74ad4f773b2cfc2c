#include "base/text.h"

#include "base/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void hex(void **state)
{
	(void)state;
	char out[9];
	uint8_t back[4] = { 0 };
	text_hex(out, BYTES_LIT("\x00\x7f\xa5\xff"));
	assert_string_equal(out, "007fa5ff");
	assert_int_equal(text_unhex(back, BYTES_LIT("007fA5fF")), OK);
	assert_memory_equal(back, "\x00\x7f\xa5\xff", 4);
	text_hex(out, BYTES_NONE);
	assert_string_equal(out, "");
	assert_int_equal(text_unhex(back, BYTES_NONE), OK);
	static const char *const bad[] = { "0", "abc", "0g", "g0", " 0", "0x", "-1", "\xb2\xb2" };
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(text_unhex(back, bytes_str(bad[i])), ERR_INVALID);
}

static void base64url_examples(void **state)
{
	(void)state;
	/* RFC 4648, section 10, without padding, and the two characters of the URL-safe alphabet. */
	static const char *const table[][2] = {
		{ "", "" },
		{ "f", "Zg" },
		{ "fo", "Zm8" },
		{ "foo", "Zm9v" },
		{ "foob", "Zm9vYg" },
		{ "fooba", "Zm9vYmE" },
		{ "foobar", "Zm9vYmFy" },
		{ "\xfb\xff", "-_8" },
	};
	for (size_t i = 0; i < COUNT(table); i++) {
		struct bytes plain = bytes_str(table[i][0]), text = bytes_str(table[i][1]);
		char out[16];
		uint8_t back[16];
		size_t back_n = sizeof(back);
		assert_int_equal(TEXT_BASE64URL_LEN(plain.n), text.n);
		text_base64url(out, plain);
		assert_memory_equal(out, text.p, text.n);
		assert_int_equal(text_unbase64url(back, &back_n, text), OK);
		assert_true(bytes_eq(bytes_of(back, back_n), plain));
	}
}

static void base64url_comes_back(void **state)
{
	(void)state;
	struct prng r;
	prng_init(&r, 3);
	for (size_t n = 0; n < 200; n++) {
		uint8_t plain[200], back[200];
		char text[TEXT_BASE64URL_LEN(200) + 1];
		for (size_t i = 0; i < n; i++)
			plain[i] = (uint8_t)prng_next(&r);
		text[TEXT_BASE64URL_LEN(n)] = '!';
		text_base64url(text, bytes_of(plain, n));
		assert_int_equal(text[TEXT_BASE64URL_LEN(n)], '!');
		size_t back_n = n;
		assert_int_equal(text_unbase64url(back, &back_n, bytes_of(text, TEXT_BASE64URL_LEN(n))), OK);
		assert_int_equal(back_n, n);
		assert_true(bytes_eq(bytes_of(back, n), bytes_of(plain, n)));
	}
}

/* Of all texts of two characters just one a byte value is taken: no value has a second spelling. */
static void one_value_has_one_spelling(void **state)
{
	(void)state;
	unsigned taken = 0;
	bool seen[256] = { false };
	for (unsigned a = 0; a < 256; a++) {
		for (unsigned b = 0; b < 256; b++) {
			uint8_t text[2] = { (uint8_t)a, (uint8_t)b }, out[1];
			size_t n = 1;
			if (text_unbase64url(out, &n, bytes_of(text, 2)) != OK)
				continue;
			assert_int_equal(n, 1);
			assert_false(seen[out[0]]);
			seen[out[0]] = true;
			taken++;
		}
	}
	assert_int_equal(taken, 256);
}

/* In longer text, which is read in groups, each character counts in each place. */
static void base64url_knows_each_character(void **state)
{
	(void)state;
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	for (size_t at = 0; at < 44; at++) {
		for (unsigned c = 0; c < 256; c++) {
			uint8_t text[44], plain[33] = { 0 };
			size_t n = sizeof(plain);
			memset(text, 'A', sizeof(text));
			text[at] = (uint8_t)c;
			const char *digit = c == 0 ? NULL : strchr(digits, (int)c);
			enum err e = text_unbase64url(plain, &n, bytes_of(text, sizeof(text)));
			assert_int_equal(e, digit != NULL ? OK : ERR_INVALID);
			uint32_t value = digit == NULL ? 0 : (uint32_t)(digit - digits) << (18 - 6 * (at % 4));
			for (size_t i = 0; digit != NULL && i < sizeof(plain); i++)
				assert_int_equal(plain[i], i / 3 == at / 4 ? value >> (16 - 8 * (i % 3)) & 0xff : 0);
		}
	}
}

static void base64url_refuses(void **state)
{
	(void)state;
	static const char *const bad[] = { "A", "AAAAA", "Zg==", "Zm8=", "Zh", "Zm9", "+A", "/A", "Zm9v\n", " Zg",
		"Z\xc3" };
	for (size_t i = 0; i < COUNT(bad); i++) {
		uint8_t out[16];
		size_t n = sizeof(out);
		assert_int_equal(text_unbase64url(out, &n, bytes_str(bad[i])), ERR_INVALID);
		assert_int_equal(n, sizeof(out));
	}
	uint8_t small[2];
	size_t n = sizeof(small);
	assert_int_equal(text_unbase64url(small, &n, BYTES_LIT("Zm9v")), ERR_TOO_BIG);
	assert_int_equal(text_unbase64url(small, &n, BYTES_LIT("Zm8")), OK);
}

static void utf8_table(void **state)
{
	(void)state;
	static const struct {
		struct bytes s;
		bool good;
	} table[] = {
		{ BYTES_LIT(""), true },
		{ BYTES_LIT("lv1234567/seg-1.m4s"), true },
		{ BYTES_LIT("\xe7\x95\xaa\xe7\xb5\x84"), true },
		{ BYTES_LIT("a\0b"), false },
		{ BYTES_LIT("\x80"), false }, /* a continuation alone */
		{ BYTES_LIT("\xbf"), false },
		{ BYTES_LIT("\xc3"), false }, /* cut off */
		{ BYTES_LIT("\xe2\x82"), false },
		{ BYTES_LIT("\xf0\x9f\x98"), false },
		{ BYTES_LIT("\xc3g"), false }, /* not continued */
		{ BYTES_LIT("\xe2\x82g"), false },
		{ BYTES_LIT("\xf0\x9f\x98g"), false },
		{ BYTES_LIT("\xc0\xaf"), false }, /* overlong '/' in two, three and four bytes */
		{ BYTES_LIT("\xe0\x80\xaf"), false },
		{ BYTES_LIT("\xf0\x80\x80\xaf"), false },
		{ BYTES_LIT("\xc1\xbf"), false },
		{ BYTES_LIT("\xe0\x9f\xbf"), false }, /* the largest overlong forms */
		{ BYTES_LIT("\xf0\x8f\xbf\xbf"), false },
		{ BYTES_LIT("\xed\xa0\x80"), false }, /* surrogates */
		{ BYTES_LIT("\xed\xbf\xbf"), false },
		{ BYTES_LIT("\xf4\x90\x80\x80"), false }, /* past U+10FFFF */
		{ BYTES_LIT("\xf5\x80\x80\x80"), false },
		{ BYTES_LIT("\xf8\x88\x80\x80\x80"), false },
		{ BYTES_LIT("\xfe"), false },
		{ BYTES_LIT("\xff"), false },
	};
	for (size_t i = 0; i < COUNT(table); i++)
		assert_int_equal(text_is_utf8(table[i].s), table[i].good);
}

/* A code point in a given number of bytes, whether or not it should be written so. */
static struct bytes utf8_in(uint32_t c, size_t n, uint8_t out[4])
{
	static const uint8_t lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
	for (size_t i = n - 1; i > 0; i--, c >>= 6)
		out[i] = (uint8_t)(0x80 | (c & 0x3f));
	out[0] = (uint8_t)(lead[n] | c);
	return bytes_of(out, n);
}

static void utf8_of_every_code_point(void **state)
{
	(void)state;
	uint8_t out[4];
	for (uint32_t c = 1; c <= 0x10ffff; c++) {
		size_t shortest = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
		bool surrogate = c >= 0xd800 && c <= 0xdfff;
		if (text_is_utf8(utf8_in(c, shortest, out)) == surrogate)
			fail_msg("U+%04X", c);
		for (size_t n = shortest + 1; n <= 4; n++)
			if (text_is_utf8(utf8_in(c, n, out)))
				fail_msg("U+%04X in %zu bytes", c, n);
	}
}

/* What is wrong is found wherever it stands in a longer text, and only that. */
static void utf8_of_longer_text(void **state)
{
	(void)state;
	for (unsigned c = 0; c < 256; c++) {
		for (size_t n = 1; n <= 24; n++) {
			for (size_t at = 0; at < n; at++) {
				uint8_t text[24];
				memset(text, c % 2 == 0 ? 1 : 0x7f, sizeof(text));
				text[at] = (uint8_t)c;
				if (text_is_utf8(bytes_of(text, n)) != (c > 0 && c < 0x80))
					fail_msg("byte %02x at %zu of %zu", c, at, n);
			}
		}
	}
	assert_true(text_is_utf8(BYTES_LIT("eight by\xc3\xa9 and eight more, \xe7\x95\xaa")));
	assert_false(text_is_utf8(BYTES_LIT("eight by\xc3")));
}

static void numbers(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint64_t max;
		enum err err;
		uint64_t value;
	} table[] = {
		{ "0", 0, OK, 0 },
		{ "7", 10, OK, 7 },
		{ "10", 10, OK, 10 },
		{ "11", 10, ERR_TOO_BIG, 0 },
		{ "18446744073709551615", UINT64_MAX, OK, UINT64_MAX },
		{ "18446744073709551616", UINT64_MAX, ERR_TOO_BIG, 0 },
		{ "99999999999999999999", UINT64_MAX, ERR_TOO_BIG, 0 },
		{ "", 10, ERR_INVALID, 0 },
		{ "00", 10, ERR_INVALID, 0 },
		{ "01", 10, ERR_INVALID, 0 },
		{ "+1", 10, ERR_INVALID, 0 },
		{ "-1", 10, ERR_INVALID, 0 },
		{ "1 ", 10, ERR_INVALID, 0 },
		{ "4x", 10, ERR_INVALID, 0 },
		{ "0x4", 10, ERR_INVALID, 0 },
		{ "1.0", 10, ERR_INVALID, 0 },
	};
	for (size_t i = 0; i < COUNT(table); i++) {
		uint64_t out = 77;
		assert_int_equal(text_u64(bytes_str(table[i].text), table[i].max, &out), table[i].err);
		assert_true(out == (table[i].err == OK ? table[i].value : 77));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hex),
		cmocka_unit_test(utf8_of_longer_text),
		cmocka_unit_test(base64url_examples),
		cmocka_unit_test(base64url_comes_back),
		cmocka_unit_test(one_value_has_one_spelling),
		cmocka_unit_test(base64url_knows_each_character),
		cmocka_unit_test(base64url_refuses),
		cmocka_unit_test(utf8_table),
		cmocka_unit_test(utf8_of_every_code_point),
		cmocka_unit_test(numbers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
