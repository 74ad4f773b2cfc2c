/* What is written must be JSON that another library reads back. */
#include "node/json_text.h"

#include "base/prng.h"
#include "base/text.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct buf out;

static int setup(void **state)
{
	(void)state;
	buf_init(&out, 64 * 1024);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	buf_fini(&out);
	return 0;
}

static void assert_written(struct bytes in, const char *expected)
{
	buf_clear(&out);
	json_put_string(&out, in);
	assert_int_equal(buf_err(&out), OK);
	assert_int_equal(out.n, strlen(expected));
	assert_memory_equal(out.p, expected, out.n);
}

static void strings(void **state)
{
	(void)state;
	assert_written(BYTES_NONE, "\"\"");
	assert_written(BYTES_LIT("abc"), "\"abc\"");
	assert_written(BYTES_LIT("a\"b\\c/d"), "\"a\\\"b\\\\c/d\"");
	assert_written(BYTES_LIT("\n\r\t\b\x01\x1f\x7f"), "\"\\n\\r\\t\\u0008\\u0001\\u001f\\u007f\"");
	assert_written(BYTES_LIT("a\0b"), "\"a\\u0000b\"");
	assert_written(
	    BYTES_LIT("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"), "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
}

static void what_is_not_utf8_is_replaced(void **state)
{
	(void)state;
	assert_written(BYTES_LIT("\xff"), "\"\\ufffd\"");
	assert_written(BYTES_LIT("a\xc3"), "\"a\\ufffd\"");                                  /* cut off */
	assert_written(BYTES_LIT("\xe2\x82"), "\"\\ufffd\\ufffd\"");                         /* cut off */
	assert_written(BYTES_LIT("\xc0\xaf"), "\"\\ufffd\\ufffd\"");                         /* overlong */
	assert_written(BYTES_LIT("\xed\xa0\x80"), "\"\\ufffd\\ufffd\\ufffd\"");              /* a surrogate */
	assert_written(BYTES_LIT("\xf4\x90\x80\x80z"), "\"\\ufffd\\ufffd\\ufffd\\ufffdz\""); /* past U+10FFFF */
	assert_written(BYTES_LIT("\xc3(\x80)"), "\"\\ufffd(\\ufffd)\"");
}

static void random_bytes_are_read_back(void **state)
{
	(void)state;
	struct prng r;
	prng_init(&r, 8259);
	for (int i = 0; i < 5000; i++) {
		uint8_t in[24];
		size_t n = (size_t)prng_below(&r, sizeof(in) + 1);
		for (size_t j = 0; j < n; j++)
			in[j] = (uint8_t)prng_below(&r, i % 2 ? 128 : 256);
		buf_clear(&out);
		json_put_string(&out, bytes_of(in, n));
		json_error_t error;
		json_t *v = json_loadb((const char *)out.p, out.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
		if (v == NULL)
			fail_msg("%.*s: %s", (int)out.n, (const char *)out.p, error.text);
		bool nul = memchr(in, 0, n) != NULL;
		if (i % 2 || (!nul && text_is_utf8(bytes_of(in, n)))) {
			assert_int_equal(json_string_length(v), n);
			assert_memory_equal(json_string_value(v), in, n);
		}
		json_decref(v);
	}
}

static void commas(void **state)
{
	(void)state;
	buf_put_u8(&out, '{');
	json_put_key(&out, "a");
	buf_put_u8(&out, '[');
	json_put_next(&out);
	json_put_string(&out, BYTES_LIT("{"));
	json_put_next(&out);
	json_put_string(&out, BYTES_LIT("["));
	buf_put_u8(&out, ']');
	json_put_key(&out, "b\"");
	buf_put_str(&out, "{}");
	json_put_key(&out, "c");
	buf_put_str(&out, "1}");
	static const char expected[] = "{\"a\":[\"{\",\"[\"],\"b\\\"\":{},\"c\":1}";
	assert_int_equal(out.n, sizeof(expected) - 1);
	assert_memory_equal(out.p, expected, out.n);
}

static void the_bound_is_kept(void **state)
{
	(void)state;
	for (size_t max = 0; max < 12; max++) {
		struct buf small;
		buf_init(&small, max);
		json_put_key(&small, "abc");
		json_put_string(&small, BYTES_LIT("def\n"));
		assert_int_equal(buf_err(&small), ERR_TOO_BIG);
		assert_true(small.n <= max);
		buf_fini(&small);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(strings),
		T(what_is_not_utf8_is_replaced),
		T(random_bytes_are_read_back),
		T(commas),
		T(the_bound_is_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
