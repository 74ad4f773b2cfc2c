#include "node/rfc3339.h"

#include "base/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static void written_times(void **state)
{
	(void)state;
	static const struct {
		uint64_t unix_s;
		const char *text;
	} cases[] = {
		{ 0, "1970-01-01T00:00:00Z" },
		{ 951782400, "2000-02-29T00:00:00Z" },
		{ 951868799, "2000-02-29T23:59:59Z" },
		{ 951868800, "2000-03-01T00:00:00Z" },
		{ 4107542399, "2100-02-28T23:59:59Z" },
		{ 4107542400, "2100-03-01T00:00:00Z" },
		{ 1795252733, "2026-11-21T09:18:53Z" },
		{ 253402300799, "9999-12-31T23:59:59Z" },
		{ 253402300800, "9999-12-31T23:59:59Z" },
		{ UINT64_MAX, "9999-12-31T23:59:59Z" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[RFC3339_SECONDS_LEN + 1];
		rfc3339_seconds(text, cases[i].unix_s);
		assert_string_equal(text, cases[i].text);
	}
}

static void written_microseconds(void **state)
{
	(void)state;
	char text[RFC3339_MICROS_LEN + 1];
	rfc3339_micros(text, UINT64_C(1795252733123456));
	assert_string_equal(text, "2026-11-21T09:18:53.123456Z");
	rfc3339_micros(text, UINT64_C(1795252733000007));
	assert_string_equal(text, "2026-11-21T09:18:53.000007Z");
	rfc3339_micros(text, 0);
	assert_string_equal(text, "1970-01-01T00:00:00.000000Z");
	rfc3339_micros(text, UINT64_MAX);
	assert_int_equal(strlen(text), RFC3339_MICROS_LEN);
}

static void read_times(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint64_t unix_s;
	} cases[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "2026-11-21T09:18:53Z", 1795252733 },
		{ "2026-11-21t09:18:53z", 1795252733 },
		{ "2026-11-21 09:18:53Z", 1795252733 }, /* RFC 3339, 5.6: a space for readability */
		{ "2026-11-21T09:18:53.999999999999999Z", 1795252733 },
		{ "2026-11-21T09:18:53+00:00", 1795252733 },
		{ "2026-11-21T09:18:53-00:00", 1795252733 },
		{ "2026-11-21T18:18:53+09:00", 1795252733 },
		{ "2026-11-21T08:48:53-00:30", 1795252733 },
		{ "2026-11-22T09:17:53.5+23:59", 1795252733 },
		{ "1969-12-31T23:00:00-01:00", 0 },
		{ "2016-12-31T23:59:60Z", 1483228800 }, /* a leap second */
		{ "2000-02-29T00:00:00Z", 951782400 },
		{ "9999-12-31T23:59:59Z", 253402300799 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t t;
		if (rfc3339_parse(bytes_str(cases[i].text), &t) != OK)
			fail_msg("%s was refused", cases[i].text);
		assert_int_equal(t, cases[i].unix_s);
	}
}

static void refused_times(void **state)
{
	(void)state;
	static const char *const cases[] = {
		"",
		"2026",
		"2026-11-21",
		"2026-11-21T09:18:53",
		"2026-11-21T09:18Z",
		"2026-11-21T09:18:53.Z",
		"2026-11-21T09:18:53,5Z",
		"2026-11-21T09:18:53Z ",
		" 2026-11-21T09:18:53Z",
		"2026-11-21T09:18:53ZZ",
		"2026-11-21T09:18:53+0900",
		"2026-11-21T09:18:53+09",
		"2026-11-21T09:18:53+24:00",
		"2026-11-21T09:18:53+09:60",
		"2026-11-21T09:18:53+9:000",
		"2026-11-21_09:18:53Z",
		"2026/11/21T09:18:53Z",
		"2026-00-21T09:18:53Z",
		"2026-13-21T09:18:53Z",
		"2026-11-00T09:18:53Z",
		"2026-11-31T09:18:53Z",
		"2026-02-29T09:18:53Z",
		"2100-02-29T09:18:53Z",
		"2026-11-21T24:00:00Z",
		"2026-11-21T09:60:00Z",
		"2026-11-21T09:18:61Z",
		"1969-12-31T23:59:59Z",
		"1970-01-01T00:00:00+00:01",
		"0000-01-01T00:00:00Z",
		"-026-11-21T09:18:53Z",
		"+2026-11-21T09:18:53Z",
		"20261121T091853Z",
		"2026-11-21T09:18:5\xc2\xb3Z",
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t t = 42;
		if (rfc3339_parse(bytes_str(cases[i]), &t) != ERR_INVALID)
			fail_msg("%s was taken", cases[i]);
		assert_int_equal(t, 42);
	}
	uint64_t t;
	assert_int_equal(rfc3339_parse(BYTES_NONE, &t), ERR_INVALID);
	assert_int_equal(rfc3339_parse(BYTES_LIT("2026-11-21T09:18:53Z\0"), &t), ERR_INVALID);
}

static uint64_t below(struct prng *r, uint64_t n)
{
	return prng_below(r, n);
}

/* The C library's own arithmetic says the same, and what is written is read back. */
static void random_times(void **state)
{
	(void)state;
	struct prng r;
	prng_init(&r, 3339);
	for (int i = 0; i < 20000; i++) {
		uint64_t t = below(&r, i % 2 ? 253402300800 : 4200000000), back;
		char text[RFC3339_SECONDS_LEN + 1], expected[64], shifted[64];
		rfc3339_seconds(text, t);
		time_t c = (time_t)t;
		struct tm tm;
		assert_non_null(gmtime_r(&c, &tm));
		assert_int_equal(
		    strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%SZ", &tm), RFC3339_SECONDS_LEN);
		assert_string_equal(text, expected);
		assert_int_equal(rfc3339_parse(bytes_str(text), &back), OK);
		assert_int_equal(back, t);
		/* The same time of day an offset away. */
		unsigned h = (unsigned)below(&r, 24), m = (unsigned)below(&r, 60);
		snprintf(shifted, sizeof(shifted), "%.19s-%02u:%02u", text, h, m);
		assert_int_equal(rfc3339_parse(bytes_str(shifted), &back), OK);
		assert_int_equal(back, t + h * 3600 + m * 60);
	}
}

/* Any cut or changed byte is refused or read, never more. */
static void mangled_times(void **state)
{
	(void)state;
	struct prng r;
	prng_init(&r, 1);
	for (int i = 0; i < 20000; i++) {
		char text[] = "2026-11-21T09:18:53.25+09:00";
		size_t n = (size_t)below(&r, sizeof(text));
		text[below(&r, sizeof(text) - 1)] = (char)below(&r, 256);
		char *copy = test_malloc(n + 1); /* so that a read past the end is seen */
		memcpy(copy, text, n);
		uint64_t t;
		enum err e = rfc3339_parse(bytes_of(copy, n), &t);
		assert_true(e == OK || e == ERR_INVALID);
		test_free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(written_times),
		cmocka_unit_test(written_microseconds),
		cmocka_unit_test(read_times),
		cmocka_unit_test(refused_times),
		cmocka_unit_test(random_times),
		cmocka_unit_test(mangled_times),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
