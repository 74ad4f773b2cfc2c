#include "node/origin/s3.h"

#include "node/origin/md5_sum.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void reads_keys(void **state)
{
	(void)state;
	struct s3_keys k;
	size_t line = 99;
	assert_int_equal(s3_keys_parse(BYTES_LIT("# of the lab\naccess_key_id: lab:media\r\n\n"
	                                         "secret_access_key:  s/e+c=r:et \n"),
	                     &k, &line),
	    OK);
	assert_string_equal(k.id, "lab:media");
	assert_string_equal(k.secret, "s/e+c=r:et");
	assert_string_equal(k.token, "");
	assert_int_equal(
	    s3_keys_parse(BYTES_LIT("session_token: t\nsecret_access_key: s\naccess_key_id: a"), &k, &line), OK);
	assert_string_equal(k.token, "t");
}

static void refuses_keys_with_their_line(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		size_t line;
	} rows[] = { { "", 0 }, { "access_key_id: a\n", 0 }, { "access_key_id: a\nsecret_access_key:\n", 2 },
		{ "access_key_id: a\naccess_key_id: b\nsecret_access_key: s\n", 2 },
		{ "access_key_id: a\nsecret_access_key: s t\n", 2 },
		{ "access_key_id: a\nsecret_access_key: s\nregion: x\n", 3 }, { "nonsense\n", 1 },
		{ "access_key_id: \xe3\x81\x82\n", 1 } };
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct s3_keys k = { .id = "untouched" };
		size_t line = 99;
		assert_int_equal(s3_keys_parse(bytes_str(rows[i].text), &k, &line), ERR_INVALID);
		assert_int_equal(line, rows[i].line);
		assert_string_equal(k.id, "untouched");
	}
}

static void is_template(const char *endpoint, bool path_style, const char *expected)
{
	struct buf out;
	buf_init(&out, 1024);
	s3_put_template(&out, endpoint, "b", path_style);
	assert_true(bytes_eq(buf_bytes(&out), bytes_str(expected)));
	buf_fini(&out);
}

static void names_the_bucket(void **state)
{
	(void)state;
	is_template("http://10.0.0.1:9000", true, "http://10.0.0.1:9000/b/{object}");
	is_template("https://s3.example:9000", false, "https://b.s3.example:9000/{object}");
}

static void finds_the_code(void **state)
{
	(void)state;
	char code[S3_CODE_MAX];
	s3_code(BYTES_LIT("<?xml version='1.0'?>\n<Error><Code>SignatureDoesNotMatch</Code><Message>"), code);
	assert_string_equal(code, "SignatureDoesNotMatch");
	assert_true(s3_code_is_of_store(code));
	s3_code(BYTES_LIT("<Error><Code>AccessDenied</Code></Error>"), code);
	assert_false(s3_code_is_of_store(code));
	static const char *const none[] = { "", "<Code>", "<Code>a b</Code>", "<Code>torn", "<html>" };
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		s3_code(bytes_str(none[i]), code);
		assert_string_equal(code, "");
	}
	assert_false(s3_code_is_of_store(""));
}

static void sums_up(void **state)
{
	(void)state;
	struct md5_sum m;
	uint8_t sum[MD5_SUM_BYTES];
	assert_true(md5_sum_of_etag("\"900150983CD24fb0d6963f7d28e17f72\"", sum)); /* RFC 1321, "abc" */
	md5_sum_init(&m);
	md5_sum_put(&m, BYTES_LIT("a"));
	md5_sum_put(&m, BYTES_NONE);
	md5_sum_put(&m, BYTES_LIT("bc"));
	assert_true(md5_sum_is(&m, sum));
	md5_sum_init(&m);
	md5_sum_put(&m, BYTES_LIT("abd"));
	assert_false(md5_sum_is(&m, sum));
	assert_false(md5_sum_of_etag("\"900150983cd24fb0d6963f7d28e17f72-2\"", sum));
	assert_false(md5_sum_of_etag("900150983cd24fb0d6963f7d28e17f72", sum));
	assert_false(md5_sum_of_etag("\"g00150983cd24fb0d6963f7d28e17f72\"", sum));
	assert_false(md5_sum_of_etag("", sum));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_keys),
		cmocka_unit_test(refuses_keys_with_their_line),
		cmocka_unit_test(names_the_bucket),
		cmocka_unit_test(finds_the_code),
		cmocka_unit_test(sums_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
