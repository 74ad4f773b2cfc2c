#include "node/api/api_keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t secret[API_KEY_DIGEST_BYTES] = { 1, 2, 3 };

#define KEY_A "aaaaaaaaaaaaaaaa"
#define KEY_B "bbbbbbbbbbbbbbbb"

static struct api_keys *good(const char *text)
{
	struct api_keys *k = NULL;
	struct api_keys_fault fault = { 0, NULL };
	if (api_keys_parse(bytes_str(text), secret, &k, &fault) != OK)
		fail_msg("%zu: %s\n%s", fault.line, fault.what, text);
	return k;
}

static struct api_key found(const struct api_keys *k, const char *key)
{
	struct api_key out = { .burst = 0 };
	assert_true(api_keys_find(k, bytes_str(key), &out));
	return out;
}

static void lines_are_read(void **state)
{
	(void)state;
	struct api_keys *k = good("# who\n\n  \t\nshop.a_1-x:" KEY_A "\r\n"
	                          "  b:" KEY_B "\trate=100/s  burst=7 prefixes=vod/,live/   \n"
	                          "c:0123456789-._~+/= prefixes=lv rate=30/m");
	assert_int_equal(api_keys_n(k), 3);
	struct api_key key = found(k, KEY_A);
	assert_string_equal(key.name, "shop.a_1-x");
	assert_int_equal(key.rate_per_min, 0);
	assert_string_equal(key.prefixes, "");
	key = found(k, KEY_B);
	assert_string_equal(key.name, "b");
	assert_int_equal(key.rate_per_min, 6000);
	assert_int_equal(key.burst, 7);
	assert_string_equal(key.prefixes, "vod/,live/");
	key = found(k, "0123456789-._~+/=");
	assert_int_equal(key.rate_per_min, 30);
	assert_int_equal(key.burst, 1); /* less than one a second: one at once */
	api_keys_free(k);
	k = good("a:" KEY_A " rate=250/s");
	assert_int_equal(found(k, KEY_A).burst, 250);
	api_keys_free(k);
}

static void nothing_else_opens(void **state)
{
	(void)state;
	struct api_keys *k = good("a:" KEY_A "\nb:" KEY_B "\n");
	struct api_key out;
	static const char *const wrong[] = { "", "a", "a:" KEY_A, "aaaaaaaaaaaaaaa", KEY_A "a",
		"aaaaaaaaaaaaaaab", "baaaaaaaaaaaaaaa", "AAAAAAAAAAAAAAAA" };
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(api_keys_find(k, bytes_str(wrong[i]), &out));
	assert_false(api_keys_find(k, BYTES_NONE, &out));
	api_keys_free(k);
}

/* Every one of many is found, wherever its digest sorts. */
static void many_keys(void **state)
{
	(void)state;
	static char text[64 * API_KEYS_MAX];
	size_t n = 0;
	for (unsigned i = 0; i < API_KEYS_MAX; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "n%u:0123456789abcdef-%u\n", i, i);
	struct api_keys *k = good(text);
	for (unsigned i = 0; i < API_KEYS_MAX; i++) {
		char key[32], name[32];
		snprintf(key, sizeof(key), "0123456789abcdef-%u", i);
		snprintf(name, sizeof(name), "n%u", i);
		assert_string_equal(found(k, key).name, name);
	}
	api_keys_free(k);
	snprintf(text + n, sizeof(text) - n, "more:" KEY_A "\n");
	struct api_keys_fault fault;
	assert_int_equal(api_keys_parse(bytes_str(text), secret, &k, &fault), ERR_TOO_BIG);
	assert_int_equal(fault.line, API_KEYS_MAX + 1);
}

/* What is in memory of a key must be of use to nobody. */
static void the_key_itself_is_not_kept(void **state)
{
	(void)state;
	struct api_keys *k = good("a:" KEY_A "\n");
	static const uint8_t other[API_KEY_DIGEST_BYTES] = { 9 };
	struct api_keys *l = NULL;
	struct api_keys_fault fault;
	assert_int_equal(api_keys_parse(BYTES_LIT("a:" KEY_A "\n"), other, &l, &fault), OK);
	struct api_key one = found(k, KEY_A), two = found(l, KEY_A);
	assert_memory_not_equal(one.digest, two.digest, sizeof(one.digest));
	assert_null(memmem(&one, sizeof(one), KEY_A, 8));
	api_keys_free(k);
	api_keys_free(l);
}

static void refusals(void **state)
{
	(void)state;
	static char long_prefix[700];
	memset(long_prefix, 'p', sizeof(long_prefix) - 1);
	memcpy(long_prefix, "a:" KEY_A " prefixes=", sizeof("a:" KEY_A " prefixes=") - 1);
	static const struct {
		const char *text;
		enum err e;
		size_t line;
		const char *what;
	} cases[] = {
		{ "", ERR_INVALID, 0, "there is no key in it" },
		{ "# none\n\n", ERR_INVALID, 0, "there is no key in it" },
		{ "a:" KEY_A "\n" KEY_B "\n", ERR_INVALID, 2, "there is no colon between name and key" },
		{ ":" KEY_A "\n", ERR_INVALID, 1, "the name is not 1 to 64 of A-Z a-z 0-9 . _ -" },
		{ "a b:" KEY_A "\n", ERR_INVALID, 1, "there is no colon between name and key" },
		{ "a/b:" KEY_A "\n", ERR_INVALID, 1, "the name is not 1 to 64 of A-Z a-z 0-9 . _ -" },
		{ "a:short\n", ERR_INVALID, 1, "the key does not have 16 to 256 characters" },
		{ "a: " KEY_A "\n", ERR_INVALID, 1, "the key does not have 16 to 256 characters" },
		{ "a:" KEY_A "!\n", ERR_INVALID, 1, "the key has characters that are not allowed" },
		{ "a:" KEY_A ":x\n", ERR_INVALID, 1, "the key has characters that are not allowed" },
		{ "a:" KEY_A " rate=10\n", ERR_INVALID, 1, "the rate is not 1/m to 1000000/s" },
		{ "a:" KEY_A " rate=0\n", ERR_INVALID, 1, "the rate is not 1/m to 1000000/s" },
		{ "a:" KEY_A " rate=1000001/s\n", ERR_INVALID, 1, "the rate is not 1/m to 1000000/s" },
		{ "a:" KEY_A " rate=ten/s\n", ERR_INVALID, 1, "the rate is not 1/m to 1000000/s" },
		{ "a:" KEY_A " burst=0\n", ERR_INVALID, 1, "the burst is not 1 to 1000000" },
		{ "a:" KEY_A " burst=x\n", ERR_INVALID, 1, "the burst is not 1 to 1000000" },
		{ "a:" KEY_A " prefixes=\n", ERR_INVALID, 1, "a prefix is empty" },
		{ "a:" KEY_A " prefixes=vod/,,live/\n", ERR_INVALID, 1, "a prefix is empty" },
		{ "a:" KEY_A " prefixes=vod/,\n", ERR_INVALID, 1, "a prefix is empty" },
		{ "a:" KEY_A " prefixes=\xff\n", ERR_INVALID, 1, "the prefixes are no UTF-8" },
		{ long_prefix, ERR_INVALID, 1, "the prefixes are longer than 512 bytes" },
		{ "a:" KEY_A " burts=3\n", ERR_INVALID, 1, "something stands there that is no option" },
		{ "a:" KEY_A "\n#\na:" KEY_B "\n", ERR_EXISTS, 3, "that name is there already" },
		{ "a:" KEY_A "\nb:" KEY_A "\n", ERR_EXISTS, 2, "that key is there already" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct api_keys *k = NULL;
		struct api_keys_fault fault = { 99, NULL };
		assert_int_equal(api_keys_parse(bytes_str(cases[i].text), secret, &k, &fault), cases[i].e);
		assert_null(k);
		assert_string_equal(fault.what, cases[i].what);
		assert_int_equal(fault.line, cases[i].line);
	}
}

static void prefixes_are_beginnings(void **state)
{
	(void)state;
	struct api_keys *k = good("a:" KEY_A " prefixes=vod/,lv\nb:" KEY_B "\n");
	struct api_key some = found(k, KEY_A), all = found(k, KEY_B);
	assert_true(api_key_opens(&some, BYTES_LIT("vod/1")));
	assert_true(api_key_opens(&some, BYTES_LIT("lv1234")));
	assert_false(api_key_opens(&some, BYTES_LIT("vod")));
	assert_false(api_key_opens(&some, BYTES_LIT("vods/1")));
	assert_false(api_key_opens(&some, BYTES_LIT("l")));
	assert_false(api_key_opens(&some, BYTES_LIT("x/vod/1")));
	assert_true(api_key_opens(&all, BYTES_LIT("anything")));
	api_keys_free(k);
}

static void headers(void **state)
{
	(void)state;
	static const struct {
		const char *header, *key;
	} cases[] = {
		{ "Bearer abc", "abc" },
		{ "bearer abc", "abc" },
		{ "BEARER   abc  ", "abc" },
		{ "Bearer", "" },
		{ "Bearer ", "" },
		{ "Bearerabc", "" },
		{ "Basic abc", "" },
		{ "Bearer a b", "" },
		{ "", "" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bytes key = api_key_of_header(bytes_str(cases[i].header));
		assert_true(bytes_eq(key, bytes_str(cases[i].key)));
	}
	assert_int_equal(api_key_of_header(BYTES_NONE).n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_read),
		cmocka_unit_test(nothing_else_opens),
		cmocka_unit_test(many_keys),
		cmocka_unit_test(the_key_itself_is_not_kept),
		cmocka_unit_test(refusals),
		cmocka_unit_test(prefixes_are_beginnings),
		cmocka_unit_test(headers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
