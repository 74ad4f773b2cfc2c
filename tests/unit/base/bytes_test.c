#include "base/bytes.h"

#include "death.h"

static void slices(void **state)
{
	(void)state;
	struct bytes s = bytes_str("warmcast");
	assert_int_equal(s.n, 8);
	assert_int_equal(bytes_str(NULL).n, 0);
	assert_true(bytes_eq(s, BYTES_LIT("warmcast")));
	assert_false(bytes_eq(s, BYTES_LIT("warmcasT")));
	assert_false(bytes_eq(s, BYTES_LIT("warmcas")));
	assert_true(bytes_eq(BYTES_NONE, BYTES_LIT("")));
	assert_true(bytes_eq(bytes_from(s, 4), BYTES_LIT("cast")));
	assert_true(bytes_eq(bytes_head(s, 4), BYTES_LIT("warm")));
	assert_int_equal(bytes_from(s, 8).n, 0);
	assert_int_equal(bytes_from(BYTES_NONE, 0).n, 0);
	assert_int_equal(bytes_index(s, 'c'), 4);
	assert_int_equal(bytes_index(s, 'x'), 8);
	assert_int_equal(bytes_index(BYTES_NONE, 'x'), 0);
}

static void prefixes_and_suffixes(void **state)
{
	(void)state;
	struct bytes s = BYTES_LIT("seg-1.m4s");
	assert_true(bytes_starts_with(s, BYTES_LIT("seg-")));
	assert_true(bytes_starts_with(s, BYTES_NONE));
	assert_true(bytes_starts_with(s, s));
	assert_false(bytes_starts_with(s, BYTES_LIT("eg")));
	assert_false(bytes_starts_with(BYTES_LIT("se"), BYTES_LIT("seg")));
	assert_true(bytes_ends_with(s, BYTES_LIT(".m4s")));
	assert_true(bytes_ends_with(s, BYTES_NONE));
	assert_false(bytes_ends_with(s, BYTES_LIT(".mp4")));
	assert_false(bytes_ends_with(BYTES_LIT("s"), BYTES_LIT("4s")));
}

static void order_is_that_of_bytes_a_prefix_first(void **state)
{
	(void)state;
	static const struct bytes sorted[] = {
		BYTES_NONE,
		BYTES_LIT("\0"),
		BYTES_LIT("\0\0"),
		BYTES_LIT("A"),
		BYTES_LIT("a"),
		BYTES_LIT("aa"),
		BYTES_LIT("ab"),
		BYTES_LIT("b"),
		BYTES_LIT("\x80"), /* unsigned */
		BYTES_LIT("\xff"),
	};
	int n = sizeof(sorted) / sizeof(sorted[0]);
	for (int i = 0; i < n; i++) {
		for (int j = 0; j < n; j++) {
			int c = bytes_cmp(sorted[i], sorted[j]);
			assert_int_equal((c > 0) - (c < 0), (i > j) - (i < j));
		}
	}
}

static void cut_past_the_end(void)
{
	bytes_from(BYTES_LIT("abc"), 4);
}

static void head_past_the_end(void)
{
	bytes_head(BYTES_LIT("abc"), 4);
}

static void a_cut_past_the_end_is_a_bug(void **state)
{
	(void)state;
	char said[512];
	assert_dies(cut_past_the_end, said, sizeof(said));
	assert_non_null(strstr(said, "bytes_from"));
	assert_dies(head_past_the_end, said, sizeof(said));
	assert_non_null(strstr(said, "bytes_head"));
}

static void a_buffer_grows_to_its_bound(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 1000);
	for (int i = 0; i < 1000; i++)
		buf_put_u8(&b, (uint8_t)i);
	assert_int_equal(buf_err(&b), OK);
	assert_int_equal(b.n, 1000);
	assert_true(b.cap <= 1000);
	for (size_t i = 0; i < 1000; i++)
		assert_int_equal(b.p[i], (uint8_t)i);
	buf_put_u8(&b, 1);
	assert_int_equal(buf_err(&b), ERR_TOO_BIG);
	assert_int_equal(b.n, 1000);
	buf_fini(&b);
}

static void the_first_error_stays(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 8);
	buf_put_str(&b, "12345");
	buf_put_str(&b, "6789");
	assert_int_equal(buf_err(&b), ERR_TOO_BIG);
	buf_put_str(&b, "6"); /* would fit, but what is there has a hole already */
	buf_printf(&b, "%d", 6);
	assert_true(bytes_eq(buf_bytes(&b), BYTES_LIT("12345")));
	assert_int_equal(buf_err(&b), ERR_TOO_BIG);
	buf_clear(&b);
	assert_int_equal(buf_err(&b), OK);
	buf_put_bytes(&b, BYTES_LIT("12345678"));
	buf_put_bytes(&b, BYTES_NONE);
	buf_put(&b, NULL, 0);
	assert_int_equal(buf_err(&b), OK);
	assert_true(bytes_eq(buf_bytes(&b), BYTES_LIT("12345678")));
	volatile size_t all = SIZE_MAX; /* or the compiler sees that no object is so large */
	buf_put(&b, "x", all);
	assert_int_equal(buf_err(&b), ERR_TOO_BIG);
	buf_fini(&b);
	buf_fini(&b);
}

static void printf_appends_without_its_nul(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 100);
	buf_printf(&b, "%s=%d", "a", 1);
	buf_put_u8(&b, ' ');
	buf_printf(&b, "%s=%d", "b", -2);
	assert_true(bytes_eq(buf_bytes(&b), BYTES_LIT("a=1 b=-2")));
	buf_printf(&b, "%0200d", 1);
	assert_int_equal(buf_err(&b), ERR_TOO_BIG);
	assert_int_equal(b.n, 8);
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slices),
		cmocka_unit_test(prefixes_and_suffixes),
		cmocka_unit_test(order_is_that_of_bytes_a_prefix_first),
		cmocka_unit_test(a_cut_past_the_end_is_a_bug),
		cmocka_unit_test(a_buffer_grows_to_its_bound),
		cmocka_unit_test(the_first_error_stays),
		cmocka_unit_test(printf_appends_without_its_nul),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
