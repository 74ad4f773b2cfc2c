/* Tables, units and addresses as warmcastctl writes and reads them. */
#include "ctl/table.h"
#include "ctl/units.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void assert_table(const struct table *t, const char *expected)
{
	struct buf out;
	buf_init(&out, 1 << 20);
	table_print(t, &out);
	buf_put_u8(&out, '\0');
	assert_int_equal(buf_err(&out), OK);
	assert_string_equal((const char *)out.p, expected);
	buf_fini(&out);
}

static void columns_are_aligned(void **state)
{
	(void)state;
	struct table t;
	table_init(&t, 3);
	table_align_right(&t, 1);
	const char *const cells[] = { "NAME", "N", "LAST", "a", "1000", "x", "long name", "7", "longest of all" };
	for (size_t i = 0; i < sizeof(cells) / sizeof(cells[0]); i++)
		table_cell(&t, cells[i]);
	assert_table(&t, "NAME          N  LAST\n"
	                 "a          1000  x\n"
	                 "long name     7  longest of all\n");
	table_fini(&t);
}

static void characters_count_not_bytes(void **state)
{
	(void)state;
	struct table t;
	table_init(&t, 2);
	table_cell(&t, "\xc3\xa9t\xc3\xa9");
	table_cell(&t, "1");
	table_cell(&t, "abcd");
	table_cell(&t, "2");
	assert_table(&t, "\xc3\xa9t\xc3\xa9   1\nabcd  2\n");
	table_fini(&t);
}

static void what_is_absent_is_a_dash(void **state)
{
	(void)state;
	struct table t;
	table_init(&t, 2);
	table_cell(&t, NULL);
	table_cell(&t, "");
	assert_table(&t, "-  -\n");
	table_fini(&t);
	table_init(&t, 2);
	assert_table(&t, "");
	table_fini(&t);
}

static void a_terminal_is_safe(void **state)
{
	(void)state;
	struct table t;
	table_init(&t, 1);
	table_cell(&t, "a\033[2Jb\nc\x7f");
	table_cell(&t, "\xff\xfe");
	table_cell(&t, "\xc2\x9b"
	               "31m");
	table_cell(&t, "\xe3\x81\x82");
	assert_table(&t, "a?[2Jb?c?\n??\n??31m\n\xe3\x81\x82\n");
	table_fini(&t);
}

static void many_rows(void **state)
{
	(void)state;
	struct table t;
	table_init(&t, 2);
	for (unsigned i = 0; i < 2000; i++)
		table_cell(&t, "x");
	struct buf out;
	buf_init(&out, 1 << 20);
	table_print(&t, &out);
	assert_int_equal(out.n, 1000 * 5);
	buf_fini(&out);
	table_fini(&t);
}

static void bytes_are_read_by_people(void **state)
{
	(void)state;
	static const struct {
		uint64_t n;
		const char *text;
	} cases[] = {
		{ 0, "0 B" },
		{ 1, "1 B" },
		{ 1023, "1023 B" },
		{ 1024, "1.00 KiB" },
		{ 1536, "1.50 KiB" },
		{ 10 * 1024 - 1, "10.0 KiB" },
		{ 100 * 1024 - 1, "100 KiB" },
		{ 1024 * 1024 - 1, "1.00 MiB" },
		{ 500ull << 30, "500 GiB" },
		{ 3ull << 40, "3.00 TiB" },
		{ UINT64_MAX, "16.0 EiB" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[UNITS_TEXT_MAX];
		assert_string_equal(units_bytes(text, cases[i].n), cases[i].text);
	}
}

static void ages_are_read_by_people(void **state)
{
	(void)state;
	static const struct {
		uint64_t ms;
		const char *text;
	} cases[] = {
		{ 0, "0 s" },
		{ 999, "0 s" },
		{ 12345, "12 s" },
		{ 119999, "119 s" },
		{ 120000, "2 min" },
		{ 7199999, "119 min" },
		{ 7200000, "2 h" },
		{ 2 * 86400000ull, "2 d" },
		{ 365 * 86400000ull, "365 d" },
		{ UINT64_MAX, "213503982334 d" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[UNITS_TEXT_MAX];
		assert_string_equal(units_age(text, cases[i].ms), cases[i].text);
	}
}

static void shares_are_read_by_people(void **state)
{
	(void)state;
	char text[UNITS_TEXT_MAX];
	assert_string_equal(units_permille(text, 0), "0 %");
	assert_string_equal(units_permille(text, 437), "43.7 %");
	assert_string_equal(units_permille(text, 1000), "100 %");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_are_aligned),
		cmocka_unit_test(characters_count_not_bytes),
		cmocka_unit_test(what_is_absent_is_a_dash),
		cmocka_unit_test(a_terminal_is_safe),
		cmocka_unit_test(many_rows),
		cmocka_unit_test(bytes_are_read_by_people),
		cmocka_unit_test(ages_are_read_by_people),
		cmocka_unit_test(shares_are_read_by_people),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
