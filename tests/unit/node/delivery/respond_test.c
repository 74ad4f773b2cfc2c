/* Status and fields of media responses. */
#include "node/delivery/content_type.h"
#include "node/delivery/respond.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { NOW_MS = 1000000 };

static struct arena arena;

static int setup(void **state)
{
	(void)state;
	arena_init(&arena, 64 * 1024);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_fini(&arena);
	return 0;
}

static const struct cache_meta segment = {
	.length = 1000,
	.etag = "\"v1\"",
	.modified_s = 784111777,
	.answered_wall_ms = NOW_MS - 5000,
	.ttl_ms = UINT64_MAX,
};

static const struct cache_meta playlist = {
	.length = 200,
	.etag = "\"p1\"",
	.answered_wall_ms = NOW_MS - 1200,
	.ttl_ms = 3000,
};

static const char *field(const struct http_response *r, const char *name)
{
	const char *found = NULL;
	for (size_t i = 0; i < r->fields_n; i++) {
		if (strcmp(r->fields[i].name, name) != 0)
			continue;
		assert_null(found); /* never twice */
		found = arena_str(&arena, r->fields[i].value);
		assert_non_null(found);
	}
	return found;
}

static void assert_field(const struct http_response *r, const char *name, const char *expected)
{
	const char *found = field(r, name);
	if (expected == NULL ? found != NULL : found == NULL || strcmp(found, expected) != 0)
		fail_msg("%s is %s, expected %s", name, found ? found : "(absent)", expected ? expected : "(absent)");
}

static struct http_response respond_to(enum http_method method, const char *name, const char *value,
    const struct media_facts *f, struct http_selection *s)
{
	struct http_header h = { bytes_str(name), bytes_str(value) };
	struct http_request r = { .method = method, .headers = &h, .headers_n = name != NULL };
	struct http_response out;
	assert_int_equal(media_respond(&r, f, &arena, s, &out), OK);
	assert_non_null(strstr(out.constant_fields, "Access-Control-Allow-Origin: *\r\n"));
	assert_non_null(strstr(out.constant_fields, "Timing-Allow-Origin: *\r\n"));
	assert_field(&out, "Referrer-Policy", "no-referrer");
	return out;
}

static struct media_facts hit(const struct cache_meta *m, const char *object)
{
	return (struct media_facts){ m, bytes_str(object), NOW_MS, MEDIA_HIT, false };
}

static void a_hit_on_a_segment(void **state)
{
	(void)state;
	struct media_facts f = hit(&segment, "lv1/a.m4s");
	struct http_selection s;
	struct http_response r = respond_to(HTTP_GET, NULL, NULL, &f, &s);
	assert_int_equal(r.status, 200);
	assert_int_equal(s.first, 0);
	assert_int_equal(s.length, 1000);
	assert_int_equal(r.parts_n, 0);
	assert_field(&r, "Content-Type", "video/iso.segment");
	assert_field(&r, "ETag", "\"v1\"");
	assert_field(&r, "Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT");
	assert_field(&r, "Cache-Control", "private, max-age=31536000, immutable");
	assert_field(&r, "Age", "5");
	assert_field(&r, "Cache-Status", "Warmcast; hit");
	assert_field(&r, "Accept-Ranges", "bytes");
	assert_field(&r, "Content-Range", NULL);
}

static void a_playlist_lives_from_the_origin_stores_answer(void **state)
{
	(void)state;
	struct media_facts f = hit(&playlist, "lv1/index.m3u8");
	struct http_selection s;
	struct http_response r = respond_to(HTTP_GET, NULL, NULL, &f, &s);
	assert_field(&r, "Content-Type", "application/vnd.apple.mpegurl");
	assert_field(&r, "Cache-Control", "private, max-age=3");
	assert_field(&r, "Age", "2"); /* 1.2 s, rounded against the viewer */
	assert_field(&r, "Last-Modified", NULL);
}

static void what_is_never_fresh_is_not_kept(void **state)
{
	(void)state;
	struct cache_meta key = playlist;
	key.ttl_ms = 0;
	struct media_facts f = hit(&key, "lv1/a.key");
	f.source = MEDIA_FILLED;
	struct http_selection s;
	struct http_response r = respond_to(HTTP_GET, NULL, NULL, &f, &s);
	assert_field(&r, "Cache-Control", "no-store");
	assert_field(&r, "Cache-Status", "Warmcast; fwd=uri-miss");
}

static void cache_status_says_where_it_came_from(void **state)
{
	(void)state;
	static const struct {
		enum media_source source;
		bool collapsed;
		const char *status, *age;
	} cases[] = {
		{ MEDIA_HIT, false, "Warmcast; hit", "5" },
		{ MEDIA_FILLED, false, "Warmcast; fwd=uri-miss; stored", NULL },
		{ MEDIA_FILLED, true, "Warmcast; fwd=uri-miss; collapsed", "5" },
		{ MEDIA_RENEWED, false, "Warmcast; fwd=stale; stored", NULL },
		{ MEDIA_RENEWED, true, "Warmcast; fwd=stale; collapsed", "5" },
		{ MEDIA_CONFIRMED, false, "Warmcast; fwd=stale", "5" },
		{ MEDIA_CONFIRMED, true, "Warmcast; fwd=stale; collapsed", "5" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct media_facts f = hit(&segment, "lv1/a.ts");
		f.source = cases[i].source;
		f.collapsed = cases[i].collapsed;
		struct http_selection s;
		struct http_response r = respond_to(HTTP_GET, NULL, NULL, &f, &s);
		assert_field(&r, "Cache-Status", cases[i].status);
		assert_field(&r, "Age", cases[i].age);
	}
}

static void ranges_and_conditions(void **state)
{
	(void)state;
	static const struct {
		enum http_method method;
		const char *name, *value;
		int status;
		unsigned first, length;
		const char *content_range;
	} cases[] = {
		{ HTTP_GET, "Range", "bytes=0-99", 206, 0, 100, "bytes 0-99/1000" },
		{ HTTP_GET, "range", "bytes=900-", 206, 900, 100, "bytes 900-999/1000" },
		{ HTTP_GET, "Range", "bytes=-1", 206, 999, 1, "bytes 999-999/1000" },
		{ HTTP_GET, "Range", "bytes=0-1,5-6", 200, 0, 1000, NULL },
		{ HTTP_GET, "Range", "bytes=1000-", 416, 0, 0, "bytes */1000" },
		{ HTTP_HEAD, "Range", "bytes=0-99", 200, 0, 1000, NULL },
		{ HTTP_GET, "If-None-Match", "\"v1\"", 304, 0, 0, NULL },
		{ HTTP_GET, "If-None-Match", "\"v0\"", 200, 0, 1000, NULL },
		{ HTTP_GET, "If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT", 304, 0, 0, NULL },
		{ HTTP_GET, "If-Match", "\"v0\"", 412, 0, 0, NULL },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct media_facts f = hit(&segment, "lv1/a.ts");
		struct http_selection s;
		struct http_response r = respond_to(cases[i].method, cases[i].name, cases[i].value, &f, &s);
		assert_int_equal(r.status, cases[i].status);
		assert_int_equal(s.status, cases[i].status);
		assert_int_equal(s.first, cases[i].first);
		assert_int_equal(s.length, cases[i].length);
		assert_field(&r, "Content-Range", cases[i].content_range);
		/* D2: every error says no-store; a 304 repeats what the 200 would have said. */
		bool error = r.status >= 400;
		assert_field(&r, "Cache-Control", error ? "no-store" : "private, max-age=31536000, immutable");
		assert_field(&r, "ETag", error ? NULL : "\"v1\"");
		assert_int_equal(r.parts_n, error ? 1 : 0);
		if (error)
			assert_field(&r, "Content-Type", "application/problem+json");
		if (r.status == 304)
			assert_field(&r, "Content-Type", NULL);
	}
}

static void an_empty_object(void **state)
{
	(void)state;
	struct cache_meta empty = segment;
	empty.length = 0;
	struct media_facts f = hit(&empty, "lv1/a.ts");
	struct http_selection s;
	struct http_response r = respond_to(HTTP_GET, NULL, NULL, &f, &s);
	assert_int_equal(r.status, 200);
	assert_int_equal(s.length, 0);
	r = respond_to(HTTP_GET, "Range", "bytes=0-", &f, &s);
	assert_int_equal(r.status, 416);
	assert_field(&r, "Content-Range", "bytes */0");
}

static void a_full_arena_is_an_error(void **state)
{
	(void)state;
	struct media_facts f = hit(&segment, "lv1/a.ts");
	struct http_request r = { .method = HTTP_GET };
	for (size_t room = 0; room < 48; room++) {
		struct arena small;
		arena_init(&small, room);
		struct http_selection s;
		struct http_response out;
		assert_int_equal(media_respond(&r, &f, &small, &s, &out), ERR_NO_MEMORY);
		arena_fini(&small);
	}
}

static void redirects_and_refusals_are_not_kept(void **state)
{
	(void)state;
	struct http_response r;
	media_redirect(&r, "index.m3u8");
	assert_int_equal(r.status, 307);
	assert_field(&r, "Location", "index.m3u8");
	assert_field(&r, "Cache-Control", "no-store");
	assert_field(&r, "Referrer-Policy", "no-referrer");
	media_refuse_method(&r);
	assert_int_equal(r.status, 405);
	assert_field(&r, "Allow", "GET, HEAD, OPTIONS");
	assert_field(&r, "Cache-Control", "no-store");
}

static void types(void **state)
{
	(void)state;
	assert_string_equal(content_type_of(BYTES_LIT("a/b.m3u8")), "application/vnd.apple.mpegurl");
	assert_string_equal(content_type_of(BYTES_LIT("a/b.MPD")), "application/dash+xml");
	assert_string_equal(content_type_of(BYTES_LIT("a/b.ts")), "video/mp2t");
	assert_string_equal(content_type_of(BYTES_LIT("a/init.mp4")), "video/mp4");
	assert_string_equal(content_type_of(BYTES_LIT("ts")), "application/octet-stream");
	assert_string_equal(content_type_of(BYTES_LIT("a/b.m3u8.bak")), "application/octet-stream");
	assert_string_equal(content_type_of(BYTES_NONE), "application/octet-stream");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_hit_on_a_segment),
		T(a_playlist_lives_from_the_origin_stores_answer),
		T(what_is_never_fresh_is_not_kept),
		T(cache_status_says_where_it_came_from),
		T(ranges_and_conditions),
		T(an_empty_object),
		T(a_full_arena_is_an_error),
		T(redirects_and_refusals_are_not_kept),
		T(types),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
