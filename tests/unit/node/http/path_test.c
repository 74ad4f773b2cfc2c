#include "node/http/path.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void decodes(void **state)
{
	(void)state;
	static const struct {
		const char *in, *out; /* NULL: refused */
	} cases[] = {
		{ "/", "/" },
		{ "/a", "/a" },
		{ "/a/b.m4s", "/a/b.m4s" },
		{ "/a%20b/%41", "/a b/A" },
		{ "/%e3%81%82", "/\xe3\x81\x82" },
		{ "/\xe3\x81\x82", "/\xe3\x81\x82" },
		{ "/%2525", "/%25" }, /* once */
		{ "/%252F", "/%2F" },
		{ "/...", "/..." },
		{ "/.a/b..", "/.a/b.." },
		{ "/a+b", "/a+b" },
		{ "", NULL },
		{ "a", NULL },
		{ "*", NULL },
		{ "/a%2Fb", NULL },
		{ "/a%2fb", NULL },
		{ "/a%00", NULL },
		{ "/.", NULL },
		{ "/..", NULL },
		{ "/a/../b", NULL },
		{ "/a/%2e%2E/b", NULL },
		{ "/a/.%2e", NULL },
		{ "/a/%2e/b", NULL },
		{ "//", NULL },
		{ "/a//b", NULL },
		{ "/a/", NULL },
		{ "//a", NULL },
		{ "/%", NULL },
		{ "/%4", NULL },
		{ "/%4g", NULL },
		{ "/%ff", NULL },
		{ "/%c0%af", NULL }, /* an overlong slash */
		{ "/%ed%a0%80", NULL },
	};
	struct arena a;
	arena_init(&a, 65536);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bytes out = BYTES_NONE;
		enum err e = http_path_decode(&a, bytes_str(cases[i].in), &out);
		if (cases[i].out == NULL) {
			if (e != ERR_INVALID || out.p != NULL)
				fail_msg("%s was taken", cases[i].in);
		} else if (e != OK || !bytes_eq(out, bytes_str(cases[i].out))) {
			fail_msg("%s: %d %.*s", cases[i].in, (int)e, (int)out.n, (const char *)out.p);
		}
	}
	arena_fini(&a);
	arena_init(&a, 3);
	struct bytes out;
	assert_int_equal(http_path_decode(&a, BYTES_LIT("/abc%64ef"), &out), ERR_NO_MEMORY);
	assert_int_equal(http_path_decode(&a, BYTES_LIT("/abcdef"), &out), OK); /* needs none */
	assert_true(bytes_eq(out, BYTES_LIT("/abcdef")));
	arena_fini(&a);
}

static void walks(void **state)
{
	(void)state;
	struct bytes path = BYTES_LIT("/p/tok/x"), segment;
	assert_true(http_path_next(&path, &segment));
	assert_true(bytes_eq(segment, BYTES_LIT("p")));
	assert_true(http_path_next(&path, &segment));
	assert_true(bytes_eq(segment, BYTES_LIT("tok")));
	assert_true(bytes_eq(path, BYTES_LIT("/x")));
	assert_true(http_path_next(&path, &segment));
	assert_true(bytes_eq(segment, BYTES_LIT("x")));
	assert_false(http_path_next(&path, &segment));
	path = BYTES_LIT("/");
	assert_false(http_path_next(&path, &segment));
}

static void encodes_what_decodes_back(void **state)
{
	(void)state;
	struct arena a;
	struct buf b;
	arena_init(&a, 65536);
	buf_init(&b, 4096);
	static const struct bytes path = BYTES_LIT("/a b/\xe3\x81\x82?#%+~-_.&");
	http_path_encode(&b, path);
	assert_true(bytes_eq(buf_bytes(&b), BYTES_LIT("/a%20b/%E3%81%82%3F%23%25%2B~-_.%26")));
	struct bytes back;
	assert_int_equal(http_path_decode(&a, buf_bytes(&b), &back), OK);
	assert_true(bytes_eq(back, path));
	buf_fini(&b);
	arena_fini(&a);
}

static void queries(void **state)
{
	(void)state;
	struct bytes q = BYTES_LIT("a=1&bb=2=3&c&a=4&d=");
	assert_true(bytes_eq(http_query(q, "a"), BYTES_LIT("1")));
	assert_true(bytes_eq(http_query(q, "bb"), BYTES_LIT("2=3")));
	assert_non_null(http_query(q, "c").p);
	assert_int_equal(http_query(q, "c").n, 0);
	assert_non_null(http_query(q, "d").p);
	assert_null(http_query(q, "b").p);
	assert_null(http_query(BYTES_NONE, "a").p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decodes),
		cmocka_unit_test(walks),
		cmocka_unit_test(encodes_what_decodes_back),
		cmocka_unit_test(queries),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
