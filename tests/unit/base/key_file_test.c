/* Key files as such; what token and cluster keys make of them is tested there. */
#include "base/key_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#define SECRET_A "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=" /* 32 times A */
#define SECRET_B "QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI="

static void keys_in_the_order_of_the_file(void **state)
{
	(void)state;
	struct key_secret k[3];
	uint8_t a[KEY_SECRET_BYTES], b[KEY_SECRET_BYTES];
	size_t n = 0, bad_line = 99;
	memset(a, 'A', sizeof(a));
	memset(b, 'B', sizeof(b));
	assert_int_equal(
	    key_file_parse(BYTES_LIT("#x\n\nb_2:" SECRET_B "\r\n\tA-1:" SECRET_A), k, 3, &n, &bad_line), OK);
	assert_int_equal(n, 2);
	assert_int_equal(bad_line, 99);
	assert_true(bytes_eq(key_id_bytes(&k[0].id), BYTES_LIT("b_2")));
	assert_true(bytes_eq(key_id_bytes(&k[1].id), BYTES_LIT("A-1")));
	assert_memory_equal(k[0].secret, b, sizeof(b));
	assert_memory_equal(k[1].secret, a, sizeof(a));
}

static void what_is_refused_leaves_no_secret(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum err err;
		size_t bad_line;
	} cases[] = {
		{ "a:" SECRET_A "\nb:" SECRET_B "\n\nc:" SECRET_A, ERR_TOO_BIG, 4 },
		{ "a:" SECRET_A "\na:" SECRET_B, ERR_EXISTS, 2 },
		{ "a:" SECRET_A "\nb", ERR_INVALID, 2 },
		{ "a:" SECRET_A "\nb:" SECRET_A "QUFB", ERR_INVALID, 2 },
		{ "a:" SECRET_A "\nb: " SECRET_A, ERR_INVALID, 2 },
		{ "a:" SECRET_A "\nb:QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUF=", ERR_INVALID, 2 }, /* stray bits */
		{ " \n#", ERR_INVALID, 0 },
	};
	static const struct key_secret zero[2];
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct key_secret k[2];
		size_t n = 77, bad_line = 99;
		if (key_file_parse(bytes_str(cases[i].text), k, 2, &n, &bad_line) != cases[i].err)
			fail_msg("case %zu", i);
		assert_int_equal(bad_line, cases[i].bad_line);
		assert_int_equal(n, 77);
		assert_memory_equal(k, zero, sizeof(k));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_in_the_order_of_the_file),
		cmocka_unit_test(what_is_refused_leaves_no_secret),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
