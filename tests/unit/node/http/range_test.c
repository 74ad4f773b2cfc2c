#include "node/http/date.h"
#include "node/http/range.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void ranges(void **state)
{
	(void)state;
	enum { W = HTTP_RANGE_WHOLE, P = HTTP_RANGE_PART, U = HTTP_RANGE_UNSATISFIABLE };
	static const struct {
		const char *header;
		uint64_t total;
		int kind;
		uint64_t first, length;
	} cases[] = {
		{ "bytes=0-0", 10, P, 0, 1 },
		{ "bytes=0-9", 10, P, 0, 10 },
		{ "bytes=0-", 10, P, 0, 10 },
		{ "bytes=3-5", 10, P, 3, 3 },
		{ "Bytes=3-5", 10, P, 3, 3 },
		{ "bytes= 3-5 ", 10, P, 3, 3 },
		{ "bytes=9-", 10, P, 9, 1 },
		{ "bytes=5-10", 10, P, 5, 5 },
		{ "bytes=9-100", 10, P, 9, 1 },
		{ "bytes=0-99999999999999999999999", 10, P, 0, 10 },
		{ "bytes=-1", 10, P, 9, 1 },
		{ "bytes=-10", 10, P, 0, 10 },
		{ "bytes=-11", 10, P, 0, 10 },
		{ "bytes=10-", 10, U, 0, 0 },
		{ "bytes=10-20", 10, U, 0, 0 },
		{ "bytes=99999999999999999999999-", 10, U, 0, 0 },
		{ "bytes=-0", 10, U, 0, 0 },
		{ "bytes=0-", 0, U, 0, 0 },
		{ "bytes=-5", 0, U, 0, 0 },
		{ "bytes=5-3", 10, W, 0, 0 },
		{ "bytes=0-1,3-4", 10, W, 0, 0 },
		{ "bytes=", 10, W, 0, 0 },
		{ "bytes=-", 10, W, 0, 0 },
		{ "bytes=a-b", 10, W, 0, 0 },
		{ "bytes=1", 10, W, 0, 0 },
		{ "bytes=1-2-3", 10, W, 0, 0 },
		{ "bytes=+1-2", 10, W, 0, 0 },
		{ "bytes 0-1", 10, W, 0, 0 },
		{ "lines=0-1", 10, W, 0, 0 },
		{ "", 10, W, 0, 0 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct http_range r = http_range_parse(bytes_str(cases[i].header), cases[i].total);
		if ((int)r.kind != cases[i].kind || r.first != cases[i].first || r.length != cases[i].length)
			fail_msg("%s of %llu: %d %llu+%llu", cases[i].header, (unsigned long long)cases[i].total,
			    (int)r.kind, (unsigned long long)r.first, (unsigned long long)r.length);
	}
}

static void tags(void **state)
{
	(void)state;
	static const struct {
		const char *list, *etag;
		bool weak, strong;
	} cases[] = {
		{ "\"a\"", "\"a\"", true, true },
		{ "\"b\"", "\"a\"", false, false },
		{ "\"b\", \"a\"", "\"a\"", true, true },
		{ " \"b\" ,, \"a\" ", "\"a\"", true, true },
		{ "W/\"a\"", "\"a\"", true, false },
		{ "\"a\"", "W/\"a\"", true, false },
		{ "W/\"a\"", "W/\"a\"", true, false },
		{ "\"x,\", \"a\"", "\"a\"", true, true },
		{ "\"x, \"a\"", "\"a\"", false, false },
		{ "*", "\"a\"", true, true },
		{ "a", "\"a\"", false, false },
		{ "\"a", "\"a\"", false, false },
		{ "", "\"a\"", false, false },
		{ "\"\"", "", false, false },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bytes list = bytes_str(cases[i].list), etag = bytes_str(cases[i].etag);
		if (http_etag_in(list, etag, true) != cases[i].weak ||
		    http_etag_in(list, etag, false) != cases[i].strong)
			fail_msg("%s in %s", cases[i].etag, cases[i].list);
	}
}

#define DATE "Sun, 06 Nov 1994 08:49:37 GMT"
#define LATER "Sun, 06 Nov 1994 08:49:38 GMT"
#define EARLIER "Sun, 06 Nov 1994 08:49:36 GMT"
enum { DATE_S = 784111777 };

static void selections(void **state)
{
	(void)state;
	static const struct {
		enum http_method method;
		const char *fields[6];
		int status;
		uint64_t first, length;
	} cases[] = {
		{ HTTP_GET, { NULL }, 200, 0, 100 },
		{ HTTP_GET, { "Range", "bytes=10-19" }, 206, 10, 10 },
		{ HTTP_HEAD, { "Range", "bytes=10-19" }, 200, 0, 100 },
		{ HTTP_GET, { "Range", "bytes=100-" }, 416, 0, 0 },
		{ HTTP_GET, { "Range", "bytes=0-1,5-6" }, 200, 0, 100 },
		{ HTTP_GET, { "Range", "bytes=0-1", "If-Range", "\"e\"" }, 206, 0, 2 },
		{ HTTP_GET, { "Range", "bytes=0-1", "If-Range", "\"f\"" }, 200, 0, 100 },
		{ HTTP_GET, { "Range", "bytes=0-1", "If-Range", "W/\"e\"" }, 200, 0, 100 },
		{ HTTP_GET, { "Range", "bytes=0-1", "If-Range", DATE }, 200, 0, 100 },
		{ HTTP_GET, { "If-None-Match", "\"e\"" }, 304, 0, 0 },
		{ HTTP_GET, { "If-None-Match", "W/\"e\"" }, 304, 0, 0 },
		{ HTTP_GET, { "If-None-Match", "*" }, 304, 0, 0 },
		{ HTTP_GET, { "If-None-Match", "\"f\"" }, 200, 0, 100 },
		{ HTTP_GET, { "If-None-Match", "\"f\"", "If-Modified-Since", DATE }, 200, 0, 100 },
		{ HTTP_GET, { "If-None-Match", "\"e\"", "Range", "bytes=0-1" }, 304, 0, 0 },
		{ HTTP_GET, { "If-Modified-Since", DATE }, 304, 0, 0 },
		{ HTTP_GET, { "If-Modified-Since", LATER }, 304, 0, 0 },
		{ HTTP_GET, { "If-Modified-Since", EARLIER }, 200, 0, 100 },
		{ HTTP_GET, { "If-Modified-Since", "yesterday" }, 200, 0, 100 },
		{ HTTP_GET, { "If-Match", "\"e\"" }, 200, 0, 100 },
		{ HTTP_GET, { "If-Match", "\"f\"" }, 412, 0, 0 },
		{ HTTP_GET, { "If-Match", "W/\"e\"" }, 412, 0, 0 },
		{ HTTP_GET, { "If-Match", "\"e\"", "Range", "bytes=5-" }, 206, 5, 95 },
		{ HTTP_GET, { "If-Unmodified-Since", EARLIER }, 412, 0, 0 },
		{ HTTP_GET, { "If-Unmodified-Since", DATE }, 200, 0, 100 },
		{ HTTP_GET, { "If-Match", "\"e\"", "If-Unmodified-Since", EARLIER }, 200, 0, 100 },
	};
	const struct http_validators v = { .etag = BYTES_LIT("\"e\""), .last_modified_s = DATE_S };
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct http_header headers[3];
		struct http_request r = { .method = cases[i].method, .headers = headers };
		for (const char *const *f = cases[i].fields; f < cases[i].fields + 6 && *f != NULL; f += 2)
			headers[r.headers_n++] = (struct http_header){ bytes_str(f[0]), bytes_str(f[1]) };
		struct http_selection s = http_select(&r, &v, 100);
		if (s.status != cases[i].status || s.first != cases[i].first || s.length != cases[i].length)
			fail_msg("case %zu: %d %llu+%llu", i, s.status, (unsigned long long)s.first,
			    (unsigned long long)s.length);
	}
}

static void nothing_known_of_the_object(void **state)
{
	(void)state;
	const struct http_validators v = { 0 };
	struct http_header h[2] = { { BYTES_LIT("If-Modified-Since"), BYTES_LIT(DATE) },
		{ BYTES_LIT("If-None-Match"), BYTES_LIT("\"\"") } };
	struct http_request r = { .method = HTTP_GET, .headers = h, .headers_n = 1 };
	assert_int_equal(http_select(&r, &v, 1).status, 200);
	r.headers_n = 2;
	assert_int_equal(http_select(&r, &v, 1).status, 200);
}

static void content_ranges(void **state)
{
	(void)state;
	struct arena a;
	arena_init(&a, 4096);
	struct http_selection part = { 206, 3, 4 }, none = { .status = 416 };
	assert_string_equal((const char *)http_content_range(&a, &part, 10).p, "bytes 3-6/10");
	assert_string_equal((const char *)http_content_range(&a, &none, 10).p, "bytes */10");
	arena_fini(&a);
}

static void dates(void **state)
{
	(void)state;
	static const struct {
		uint64_t s;
		const char *text;
	} cases[] = {
		{ 0, "Thu, 01 Jan 1970 00:00:00 GMT" },
		{ DATE_S, DATE },
		{ 951782400, "Tue, 29 Feb 2000 00:00:00 GMT" },
		{ 1735689599, "Tue, 31 Dec 2024 23:59:59 GMT" },
		{ 1735689600, "Wed, 01 Jan 2025 00:00:00 GMT" },
		{ 4107542400, "Mon, 01 Mar 2100 00:00:00 GMT" },
		{ 253402300799, "Fri, 31 Dec 9999 23:59:59 GMT" },
	};
	char out[HTTP_DATE_BYTES];
	uint64_t s;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		http_date_format(out, cases[i].s);
		assert_string_equal(out, cases[i].text);
		assert_int_equal(http_date_parse(bytes_str(cases[i].text), &s), OK);
		assert_int_equal(s, cases[i].s);
	}
	http_date_format(out, UINT64_MAX);
	assert_string_equal(out, "Fri, 31 Dec 9999 23:59:59 GMT");
	assert_int_equal(http_date_parse(BYTES_LIT("Sunday, 06-Nov-94 08:49:37 GMT"), &s), OK);
	assert_int_equal(s, DATE_S);
	assert_int_equal(http_date_parse(BYTES_LIT("Sun Nov  6 08:49:37 1994"), &s), OK);
	assert_int_equal(s, DATE_S);
	static const char *const bad[] = { "", "x", "Sun, 06 Nov 1994 08:49:37", "Sun, 31 Feb 1994 08:49:37 GMT",
		"Sun, 06 Nov 1994 24:49:37 GMT", "Sun, 06 Nov 1969 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 CET",
		"Sun, 00 Nov 1994 08:49:37 GMT", "Sun, 06 Foo 1994 08:49:37 GMT", "Sun, 0x Nov 1994 08:49:37 GMT" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(http_date_parse(bytes_str(bad[i]), &s), ERR_INVALID);
	/* Every day of a cycle of leap years goes there and back. */
	for (uint64_t day = 0; day < 400 * 366; day++) {
		http_date_format(out, day * 86400 + 1);
		assert_int_equal(http_date_parse(bytes_str(out), &s), OK);
		assert_int_equal(s, day * 86400 + 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges),
		cmocka_unit_test(tags),
		cmocka_unit_test(selections),
		cmocka_unit_test(nothing_known_of_the_object),
		cmocka_unit_test(content_ranges),
		cmocka_unit_test(dates),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
