#include "node/origin/object_url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void is_url(const char *template, struct bytes object, const char *url)
{
	struct buf out;
	buf_init(&out, OBJECT_URL_MAX);
	assert_null(object_url_wrong(bytes_str(template)));
	object_url_put(&out, template, object);
	assert_int_equal(buf_err(&out), OK);
	assert_int_equal(out.n, strlen(url));
	assert_memory_equal(out.p, url, out.n);
	buf_fini(&out);
}

static void puts_an_object_in_its_place(void **state)
{
	(void)state;
	is_url("http://h/a/{object}", BYTES_LIT("lv1/x.m4s"), "http://h/a/lv1/x.m4s");
	is_url("https://h:8443/a?k={object_encoded}&v=1", BYTES_LIT("lv1/x y"),
	    "https://h:8443/a?k=lv1%2Fx%20y&v=1");
	is_url("http://[::1]:80/{object}/{object_encoded}", BYTES_LIT("a/b"), "http://[::1]:80/a/b/a%2Fb");
	is_url("http://h/%7B/{object}", BYTES_LIT("{object}"), "http://h/%7B/%7Bobject%7D");
}

static void encodes_all_but_unreserved(void **state)
{
	(void)state;
	is_url("http://h/{object}", BYTES_LIT("AZaz09-._~"), "http://h/AZaz09-._~");
	is_url("http://h/{object}", BYTES_LIT(" +=&,:@()!'*?#%;$[]\\\"<>^`{|}\x7f"),
	    "http://h/%20%2B%3D%26%2C%3A%40%28%29%21%27%2A%3F%23%25%3B%24%5B%5D%5C%22%3C%3E%5E%60%7B%7C%7D%7F");
	is_url("http://h/{object}", BYTES_LIT("\xe6\x97\xa5\xff\x01"), "http://h/%E6%97%A5%FF%01");
}

static void refuses_what_is_no_template(void **state)
{
	(void)state;
	static const char *const bad[] = { "", "h/{object}", "ftp://h/{object}", "http://", "http:///{object}",
		"http://h", "http://h/", "http://{object}/", "http://u@h/{object}", "http://h:0/{object}",
		"http://0.0.0.0/{object}", "http://h:99999/{object}", "http://h/{object}#x", "http://h/ {object}",
		"http://h/{objects}", "http://h/{object", "http://h/}{object}", "http://h/\xc3\xa9{object}",
		"http://h?{object}" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_non_null(object_url_wrong(bytes_str(bad[i])));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(puts_an_object_in_its_place),
		cmocka_unit_test(encodes_all_but_unreserved),
		cmocka_unit_test(refuses_what_is_no_template),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
