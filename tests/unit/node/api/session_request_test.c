/* Bodies of POST /v1/sessions: what is taken, and what is refused with which sentence. */
#include "node/api/session_request.h"

#include "base/prng.h"
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { NOW_S = 1795252733 }; /* 2026-11-21T09:18:53Z */

static struct arena arena;

static int setup(void **state)
{
	(void)state;
	arena_init(&arena, 1024 * 1024);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_fini(&arena);
	return 0;
}

static struct session_request taken(const char *body)
{
	struct session_request r;
	const char *why = NULL;
	if (session_request_parse(bytes_str(body), NOW_S, &arena, &r, &why) != OK)
		fail_msg("%s was refused: %s", body, why);
	return r;
}

static void assert_bytes(struct bytes b, const char *expected)
{
	if (!bytes_eq(b, bytes_str(expected)))
		fail_msg("'%.*s' instead of '%s'", (int)b.n, (const char *)b.p, expected);
}

static void all_members(void **state)
{
	(void)state;
	struct session_request r =
	    taken("{\"content\":\"vod/lv1\",\"entry\":\"a/index.m3u8\",\"zone\":\"z1\",\"client\":\"tv \\u00e9\","
	          "\"client_address\":\"10.1.2.3\",\"prefixes\":[\"common/audio\",\"ads\"],"
	          "\"not_after\":\"2026-11-21T09:18:54Z\"}");
	assert_bytes(r.content, "vod/lv1");
	assert_bytes(r.entry, "a/index.m3u8");
	assert_bytes(r.zone, "z1");
	assert_bytes(r.client, "tv \xc3\xa9");
	assert_bytes(r.client_address, "10.1.2.3");
	assert_int_equal(r.prefixes_n, 2);
	assert_bytes(r.prefixes[0], "common/audio");
	assert_bytes(r.prefixes[1], "ads");
	assert_int_equal(r.not_after_s, NOW_S + 1);
}

static void what_is_not_said_is_empty(void **state)
{
	(void)state;
	static const char *const bodies[] = {
		"{\"content\":\"c\"}",
		" {\n\"content\" : \"c\" } ",
		"{\"content\":\"c\",\"later\":{\"version\":[1,2,null]},\"prefixes\":[]}",
		"{\"content\":\"c\",\"entry\":null,\"zone\":null,\"client\":null,\"client_address\":null,"
		"\"prefixes\":null,\"not_after\":null}",
	};
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		struct session_request r = taken(bodies[i]);
		assert_bytes(r.content, "c");
		assert_int_equal(r.entry.n + r.zone.n + r.client.n + r.client_address.n + r.prefixes_n, 0);
		assert_int_equal(r.not_after_s, 0);
	}
}

static const struct {
	const char *body, *why; /* a part of the sentence */
} bad_bodies[] = {
	{ "", "empty" },
	{ " ", "no JSON" },
	{ "content=lv1", "no JSON" },
	{ "{\"content\":\"c\"", "no JSON" },
	{ "{\"content\":\"c\"}x", "no JSON" },
	{ "{\"content\":\"c\"}{}", "no JSON" },
	{ "{'content':'c'}", "no JSON" },
	{ "{\"content\":\"a\",\"content\":\"b\"}", "no JSON" }, /* which one would be signed? */
	{ "{\"content\":\"a\\u0000b\"}", "no JSON" },
	{ "{\"content\":\"\xff\"}", "no JSON" },
	{ "{\"content\":\"\\ud800\"}", "no JSON" },
	{ "[]", "must be a JSON object" },
	{ "null", "no JSON" },
	{ "\"c\"", "no JSON" },
	{ "{}", "\"content\" is missing" },
	{ "{\"content\":null}", "\"content\" is missing" },
	{ "{\"Content\":\"c\"}", "\"content\" is missing" },
	{ "{\"content\":7}", "\"content\" must be a string" },
	{ "{\"content\":[\"c\"]}", "\"content\" must be a string" },
	{ "{\"content\":\"\"}", "\"content\" must name" },
	{ "{\"content\":\"/a\"}", "\"content\" must name" },
	{ "{\"content\":\"a/\"}", "\"content\" must name" },
	{ "{\"content\":\"a//b\"}", "\"content\" must name" },
	{ "{\"content\":\"..\"}", "\"content\" must name" },
	{ "{\"content\":\"a/../b\"}", "\"content\" must name" },
	{ "{\"content\":\"./a\"}", "\"content\" must name" },
	{ "{\"content\":\"c\",\"entry\":\"\"}", "\"entry\" must name" },
	{ "{\"content\":\"c\",\"entry\":\"../x\"}", "\"entry\" must name" },
	{ "{\"content\":\"c\",\"entry\":1}", "\"entry\" must be a string" },
	{ "{\"content\":\"c\",\"zone\":true}", "\"zone\" must be a string" },
	{ "{\"content\":\"c\",\"client\":{}}", "\"client\" must be a string" },
	{ "{\"content\":\"c\",\"client_address\":1}", "\"client_address\" must be a string" },
	{ "{\"content\":\"c\",\"prefixes\":\"a\"}", "\"prefixes\" must be an array of at most 8" },
	{ "{\"content\":\"c\",\"prefixes\":{\"a\":1}}", "\"prefixes\" must be an array" },
	{ "{\"content\":\"c\",\"prefixes\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\"]}",
	    "\"prefixes\" must be an array of at most 8" },
	{ "{\"content\":\"c\",\"prefixes\":[\"a\",1]}", "Each of \"prefixes\"" },
	{ "{\"content\":\"c\",\"prefixes\":[null]}", "Each of \"prefixes\"" },
	{ "{\"content\":\"c\",\"prefixes\":[\"\"]}", "Each of \"prefixes\"" },
	{ "{\"content\":\"c\",\"prefixes\":[\"a/..\"]}", "Each of \"prefixes\"" },
	{ "{\"content\":\"c\",\"not_after\":1795252799}", "\"not_after\" must be a string" },
	{ "{\"content\":\"c\",\"not_after\":\"\"}", "RFC 3339" },
	{ "{\"content\":\"c\",\"not_after\":\"tomorrow\"}", "RFC 3339" },
	{ "{\"content\":\"c\",\"not_after\":\"2026-11-21T09:18:53Z\"}", "in the past" },
	{ "{\"content\":\"c\",\"not_after\":\"2026-11-21T09:18:54+00:01\"}", "in the past" },
	{ "{\"content\":\"c\",\"not_after\":\"1970-01-01T00:00:00Z\"}", "in the past" },
};

static void refused_bodies(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad_bodies) / sizeof(bad_bodies[0]); i++) {
		struct session_request r;
		const char *why = NULL;
		memset(&r, 0x5a, sizeof(r));
		if (session_request_parse(bytes_str(bad_bodies[i].body), NOW_S, &arena, &r, &why) != ERR_INVALID)
			fail_msg("%s was taken", bad_bodies[i].body);
		if (why == NULL || strstr(why, bad_bodies[i].why) == NULL)
			fail_msg("%s: %s", bad_bodies[i].body, why != NULL ? why : "(nothing)");
		assert_int_equal(((uint8_t *)&r)[0], 0x5a); /* untouched on failure */
	}
}

static enum err parse_long(const char *key, size_t n, const char **why)
{
	static char body[4096];
	char text[2048];
	assert_true(n < sizeof(text));
	memset(text, 'x', n);
	text[n] = '\0';
	if (strcmp(key, "content") == 0)
		snprintf(body, sizeof(body), "{\"content\":\"%s\"}", text);
	else if (strcmp(key, "prefixes") == 0)
		snprintf(body, sizeof(body), "{\"content\":\"c\",\"prefixes\":[\"%s\"]}", text);
	else
		snprintf(body, sizeof(body), "{\"content\":\"c\",\"%s\":\"%s\"}", key, text);
	struct session_request r;
	return session_request_parse(bytes_str(body), NOW_S, &arena, &r, why);
}

static void lengths(void **state)
{
	(void)state;
	static const struct {
		const char *key;
		size_t max;
	} cases[] = { { "content", 255 }, { "entry", 255 }, { "prefixes", 255 }, { "zone", 64 },
		{ "client", 128 } };
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *why = NULL;
		assert_int_equal(parse_long(cases[i].key, cases[i].max, &why), OK);
		assert_int_equal(parse_long(cases[i].key, cases[i].max + 1, &why), ERR_INVALID);
		assert_non_null(why);
		assert_non_null(strstr(why, cases[i].key));
	}
}

static void deep_nesting_is_refused(void **state)
{
	(void)state;
	static char body[200000];
	memset(body, '[', sizeof(body) - 1);
	struct session_request r;
	const char *why = NULL;
	assert_int_equal(session_request_parse(bytes_str(body), NOW_S, &arena, &r, &why), ERR_INVALID);
	assert_non_null(why);
}

static const char good[] =
    "{\"content\":\"lv1\",\"zone\":\"z1\",\"client\":\"tv\",\"prefixes\":[\"ads\",\"a/b\"],"
    "\"entry\":\"x.m3u8\",\"not_after\":\"2027-01-01T00:00:00Z\"}";

/* An exhausted arena refuses; nothing half-read is taken for a request. */
static void a_small_arena_refuses(void **state)
{
	(void)state;
	size_t refused = 0;
	for (size_t max = 0; max < 128; max++) {
		struct arena small;
		arena_init(&small, max);
		struct session_request r;
		const char *why = "";
		enum err e = session_request_parse(bytes_str(good), NOW_S, &small, &r, &why);
		if (e == OK) {
			assert_bytes(r.content, "lv1");
			assert_bytes(r.client, "tv");
			assert_bytes(r.zone, "z1");
			assert_bytes(r.prefixes[1], "a/b");
			assert_int_not_equal(r.not_after_s, 0);
		} else {
			assert_int_equal(e, ERR_INVALID);
			refused++;
		}
		arena_fini(&small);
	}
	assert_in_range(refused, 20, 127);
}

static void mangled_bodies(void **state)
{
	(void)state;
	struct prng r;
	prng_init(&r, 7);
	for (int i = 0; i < 20000; i++) {
		char body[sizeof(good)];
		memcpy(body, good, sizeof(good));
		for (uint64_t k = prng_below(&r, 3) + 1; k > 0; k--)
			body[prng_below(&r, sizeof(good) - 1)] = (char)prng_below(&r, 256);
		size_t n = prng_chance(&r, 200) ? (size_t)prng_below(&r, sizeof(good)) : sizeof(good) - 1;
		char *copy = test_malloc(n + 1);
		memcpy(copy, body, n);
		struct session_request q;
		const char *why = NULL;
		arena_reset(&arena);
		if (session_request_parse(bytes_of(copy, n), NOW_S, &arena, &q, &why) == OK) {
			assert_true(session_name_ok(q.content));
			assert_true(q.entry.n == 0 || session_name_ok(q.entry));
		} else {
			assert_non_null(why);
			assert_true(text_is_utf8(bytes_str(why)));
		}
		test_free(copy);
	}
}

/* -- the short way and the long way -- */

static void put_random_body(struct buf *out, struct prng *r)
{
	static const char *const keys[] = { "content", "entry", "zone", "client", "client_address", "content" };
	static const char *const values[] = { "\"a/b\"", "\"\"", "\"..\"", "\"x y\"", "\"\\n\"", "\"\xc3\xa9\"",
		"null", "1", "\"0123456789012345678901234567890123456789012345678901234567890123456789\"", "\"c\"",
		"\"lv1\"" };
	static const char *const blanks[] = { "", "", "", " ", "\n\t", "\r" };
	size_t members = 1 + prng_below(r, 4);
	buf_put_u8(out, '{');
	for (size_t i = 0; i < members; i++) {
		const char *key = i == 0 ? keys[0] : keys[prng_below(r, 6)];
		buf_printf(out, "%s%s\"%s\"%s:%s%s%s", i > 0 ? "," : "", blanks[prng_below(r, 6)], key,
		    blanks[prng_below(r, 6)], blanks[prng_below(r, 6)], values[prng_below(r, 11)],
		    blanks[prng_below(r, 6)]);
	}
	buf_put_u8(out, '}');
	buf_put_str(out, blanks[prng_below(r, 6)]);
	if (prng_chance(r, 200)) { /* and broken somewhere */
		static const uint8_t marks[] = { '"', '{', '}', ',', ':', 0, ' ', '\\', 0x7f, 'z' };
		out->p[prng_below(r, out->n)] = marks[prng_below(r, sizeof(marks))];
	}
}

/* A member that nobody knows sends a body the long way, and changes nothing else. */
static bool put_long_way(struct buf *out, struct bytes body)
{
	size_t end = body.n;
	while (end > 0 && body.p[end - 1] != '}')
		end--;
	if (end == 0)
		return false;
	buf_put(out, body.p, end - 1);
	buf_put_str(out, ",\"~\":0");
	buf_put(out, body.p + end - 1, body.n - end + 1);
	return true;
}

static void assert_same(const struct session_request *a, const struct session_request *b)
{
	assert_true(bytes_eq(a->content, b->content));
	assert_true(bytes_eq(a->entry, b->entry));
	assert_true(bytes_eq(a->zone, b->zone));
	assert_true(bytes_eq(a->client, b->client));
	assert_true(bytes_eq(a->client_address, b->client_address));
	assert_int_equal(a->prefixes_n + b->prefixes_n, 0);
	assert_int_equal(a->not_after_s, b->not_after_s);
}

static void both_ways_say_the_same(void **state)
{
	struct prng r;
	struct buf body, other;
	size_t taken_n = 0;
	(void)state;
	prng_init(&r, 4);
	buf_init(&body, 4096);
	buf_init(&other, 4096);
	for (size_t i = 0; i < 50000; i++) {
		struct session_request a, b;
		const char *why;
		buf_clear(&body);
		buf_clear(&other);
		arena_reset(&arena);
		put_random_body(&body, &r);
		if (!put_long_way(&other, buf_bytes(&body)))
			continue;
		enum err e = session_request_parse(buf_bytes(&body), NOW_S, &arena, &a, &why);
		assert_int_equal(session_request_parse(buf_bytes(&other), NOW_S, &arena, &b, &why), e);
		if (e == OK)
			assert_same(&a, &b);
		taken_n += e == OK;
	}
	assert_in_range(taken_n, 5000, 45000);
	buf_fini(&body);
	buf_fini(&other);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(all_members),
		T(what_is_not_said_is_empty),
		T(refused_bodies),
		T(lengths),
		T(deep_nesting_is_refused),
		T(a_small_arena_refuses),
		T(mangled_bodies),
		T(both_ways_say_the_same),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
