#include "node/log_line.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct log_record record(const struct log_field *fields)
{
	return (struct log_record){ .wall_us = UINT64_C(1795252733123456),
		.level = LOG_WARN,
		.node = "delivery-1",
		.module = "kvs",
		.event = "node-down",
		.msg = "a node is not reachable",
		.fields = fields };
}

/* The line as JSON; it must be one line within the bound. */
static json_t *parsed(const struct log_record *r)
{
	char line[LOG_LINE_MAX];
	size_t n = log_line(r, line);
	assert_true(n > 0 && n <= sizeof(line));
	assert_ptr_equal(memchr(line, '\n', n), line + n - 1);
	json_error_t error;
	json_t *o = json_loadb(line, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
	if (o == NULL)
		fail_msg("%s: %.*s", error.text, (int)n, line);
	return o;
}

static void writes_one_object(void **state)
{
	(void)state;
	const struct log_field fields[] = { LOG_STR("peer", "a \"b\"\n"), LOG_U64("elapsed_ms", UINT64_MAX),
		LOG_I64("offset_ms", -3), LOG_BOOL("dialled", true), LOG_BYTES("none", BYTES_NONE), LOG_END };
	struct log_record r = record(fields);
	char line[LOG_LINE_MAX];
	size_t n = log_line(&r, line);
	assert_true(bytes_eq(bytes_of(line, n),
	    BYTES_LIT("{\"ts\":\"2026-11-21T09:18:53.123456Z\",\"level\":\"warn\",\"node\":\"delivery-1\","
	              "\"module\":\"kvs\","
	              "\"event\":\"node-down\",\"msg\":\"a node is not reachable\",\"peer\":\"a \\\"b\\\"\\n\","
	              "\"elapsed_ms\":18446744073709551615,\"offset_ms\":-3,\"dialled\":true,\"none\":\"\"}\n")));
}

static void replaces_what_is_not_utf8(void **state)
{
	(void)state;
	const struct log_field fields[] = { LOG_BYTES("v", BYTES_LIT("a\xff\xc3\xa9\xed\xa0\x80\0\x1f")),
		LOG_END };
	struct log_record r = record(fields);
	json_t *o = parsed(&r);
	json_t *v = json_object_get(o, "v");
	static const char expected[] = "a\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\0\x1f";
	assert_int_equal(json_string_length(v), sizeof(expected) - 1);
	assert_memory_equal(json_string_value(v), expected, sizeof(expected) - 1);
	json_decref(o);
}

static void cuts_a_long_text_between_characters(void **state)
{
	(void)state;
	char text[2000];
	for (size_t i = 0; i < sizeof(text); i += 2)
		memcpy(text + i, "\xc3\xa9", 2);
	/* One byte before them moves the bound into a character. */
	for (size_t from = 0; from < 2; from++) {
		text[0] = from == 0 ? '\xc3' : 'a';
		text[1] = from == 0 ? '\xa9' : 'b';
		const struct log_field fields[] = { LOG_BYTES("v", bytes_of(text + from, sizeof(text) - from)),
			LOG_END };
		struct log_record r = record(fields);
		json_t *o = parsed(&r);
		const char *v = json_string_value(json_object_get(o, "v"));
		assert_true(strlen(v) <= LOG_TEXT_MAX + 3 && strlen(v) > LOG_TEXT_MAX - 3);
		assert_string_equal(v + strlen(v) - 3, "\xe2\x80\xa6");
		assert_null(strstr(v, "\xef\xbf\xbd"));
		assert_null(json_object_get(o, "truncated"));
		json_decref(o);
	}
}

static void leaves_out_what_does_not_fit_and_says_so(void **state)
{
	(void)state;
	char text[LOG_TEXT_MAX];
	memset(text, 1, sizeof(text)); /* each becomes six characters */
	const struct log_field fields[] = { LOG_BYTES("a", bytes_of(text, sizeof(text))),
		LOG_BYTES("b", bytes_of(text, sizeof(text))), LOG_U64("c", 7), LOG_END };
	struct log_record r = record(fields);
	json_t *o = parsed(&r);
	assert_non_null(json_object_get(o, "a"));
	assert_null(json_object_get(o, "b"));
	assert_int_equal(json_integer_value(json_object_get(o, "c")), 7);
	assert_true(json_is_true(json_object_get(o, "truncated")));
	json_decref(o);
	/* Every way of filling the line leaves valid JSON within the bound. */
	for (size_t n = 0; n <= sizeof(text); n++) {
		const struct log_field more[] = { LOG_BYTES("a", bytes_of(text, sizeof(text))),
			LOG_BYTES("b", bytes_of(text, n)), LOG_STR("c", "d"), LOG_U64("e", n), LOG_END };
		r = record(more);
		json_decref(parsed(&r));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_one_object),
		cmocka_unit_test(replaces_what_is_not_utf8),
		cmocka_unit_test(cuts_a_long_text_between_characters),
		cmocka_unit_test(leaves_out_what_does_not_fit_and_says_so),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
