/* Paths of media requests, and what a token opens. */
#include "node/delivery/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const char key_text[] = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n";
static const char other_key_text[] = "k1:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=\n";

static struct arena arena;
static struct token_keys keys;
static struct known_tokens *known;

static int setup(void **state)
{
	(void)state;
	size_t bad_line;
	arena_init(&arena, 256 * 1024);
	known = known_tokens_new();
	return token_keys_parse(bytes_str(key_text), &keys, &bad_line) != OK;
}

static int teardown(void **state)
{
	(void)state;
	token_keys_fini(&keys);
	known_tokens_free(known);
	arena_fini(&arena);
	return 0;
}

static void assert_text(struct bytes b, const char *expected)
{
	assert_int_equal(b.n, strlen(expected));
	assert_memory_equal(b.p, expected, b.n);
}

static void a_path_is_token_and_object(void **state)
{
	(void)state;
	static const struct {
		const char *path, *token, *object;
	} good[] = {
		{ "/p/abc/lv1/master.m3u8", "abc", "lv1/master.m3u8" },
		{ "/p/abc/vod/2026/x/a%20b.m4s", "abc", "vod/2026/x/a b.m4s" },
		{ "/p/abc/lv1/%E3%81%82.ts", "abc", "lv1/\xe3\x81\x82.ts" },
		{ "/p/abc/lv1/a%3Fb", "abc", "lv1/a?b" },
		{ "/p/abc/lv1/%252e%252e", "abc", "lv1/%2e%2e" }, /* decoded once only */
		{ "/p/abc/lv1", "abc", "lv1" },
	};
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct media_path p;
		assert_int_equal(media_path_parse(&arena, bytes_str(good[i].path), &p), OK);
		assert_text(p.token, good[i].token);
		assert_text(p.object, good[i].object);
	}
}

static void other_paths_are_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"",
		"/",
		"/p",
		"/p/",
		"/p/abc",
		"/p/abc/",
		"/q/abc/lv1/a",
		"/p//lv1/a",
		"/p/abc//lv1/a",
		"/p/abc/lv1//a",
		"/p/abc/lv1/",
		"/p/abc/lv1/../lv2/a",
		"/p/abc/lv1/%2e%2e/lv2/a",
		"/p/abc/lv1/.%2E/a",
		"/p/abc/lv1/./a",
		"/p/abc/lv1%2Fa",
		"/p/abc/lv1/a%00",
		"/p/abc/lv1/a%0",
		"/p/abc/lv1/a%zz",
		"/p/abc/lv1/%ff",
		"/p/abc/lv1/%c0%ae%c0%ae/a",
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct media_path p;
		if (media_path_parse(&arena, bytes_str(bad[i]), &p) != ERR_INVALID)
			fail_msg("%s", bad[i]);
	}
}

static void a_name_may_be_1024_bytes_long(void **state)
{
	(void)state;
	char path[7 + 1025];
	memcpy(path, "/p/abc/", 7);
	memset(path + 7, 'x', 1025);
	struct media_path p;
	assert_int_equal(media_path_parse(&arena, bytes_of(path, 7 + 1024), &p), OK);
	assert_int_equal(p.object.n, 1024);
	assert_int_equal(media_path_parse(&arena, bytes_of(path, 7 + 1025), &p), ERR_TOO_BIG);
}

/* A token for the content "vod/x" and what is under "common". */
static struct bytes token_until(uint64_t not_after_s, enum token_kind kind)
{
	struct token t = { .kind = kind, .not_after_s = not_after_s, .prefixes_n = 1 };
	t.origin = BYTES_LIT("main");
	t.content = BYTES_LIT("vod/x");
	t.prefixes[0] = BYTES_LIT("common");
	struct bytes text;
	assert_int_equal(token_sign(&keys, &t, &arena, &text), OK);
	return text;
}

static enum media_access access_of(struct bytes token, const char *object, uint64_t now_s)
{
	struct media_path p = { .token = token, .object = bytes_str(object) };
	struct token t = { 0 }, again = { 0 }, alone = { 0 };
	enum media_access a = media_authorize(&keys, known, &p, &arena, now_s, &t);
	/* The same when it is known, and where nothing is. */
	assert_int_equal(media_authorize(&keys, known, &p, &arena, now_s, &again), a);
	assert_int_equal(media_authorize(&keys, NULL, &p, &arena, now_s, &alone), a);
	assert_true(bytes_eq(again.content, t.content) && bytes_eq(alone.content, t.content));
	if (a == MEDIA_ALLOWED)
		assert_text(t.content, "vod/x");
	else
		assert_null(t.content.p);
	return a;
}

static void a_token_opens_its_content_and_prefixes_until_its_end(void **state)
{
	(void)state;
	struct bytes t = token_until(1000, TOKEN_PLAYBACK);
	assert_int_equal(access_of(t, "vod/x/master.m3u8", 1000), MEDIA_ALLOWED);
	assert_int_equal(access_of(t, "vod/x/a/b/c.m4s", 0), MEDIA_ALLOWED);
	assert_int_equal(access_of(t, "common/audio.m4s", 0), MEDIA_ALLOWED);
	assert_int_equal(access_of(t, "vod/x/master.m3u8", 1001), MEDIA_TOKEN_EXPIRED);
	assert_int_equal(access_of(t, "vod/xy/master.m3u8", 0), MEDIA_TOKEN_SCOPE);
	assert_int_equal(access_of(t, "vod/y/master.m3u8", 0), MEDIA_TOKEN_SCOPE);
	assert_int_equal(access_of(t, "vod/x", 0), MEDIA_TOKEN_SCOPE);
	assert_int_equal(access_of(t, "vod/x/../y/a", 0), MEDIA_TOKEN_SCOPE);
}

static void a_forged_token_opens_nothing(void **state)
{
	(void)state;
	struct bytes good = token_until(1000, TOKEN_PLAYBACK);
	for (size_t i = 0; i < good.n; i++) {
		char text[TOKEN_TEXT_MAX];
		memcpy(text, good.p, good.n);
		text[i] = text[i] == 'A' ? 'B' : 'A';
		assert_int_equal(access_of(bytes_of(text, good.n), "vod/x/a", 0), MEDIA_TOKEN_INVALID);
		assert_int_equal(access_of(bytes_head(good, i), "vod/x/a", 0), MEDIA_TOKEN_INVALID);
		arena_reset(&arena);
		good = token_until(1000, TOKEN_PLAYBACK);
	}
	assert_int_equal(access_of(BYTES_LIT("nonsense"), "vod/x/a", 0), MEDIA_TOKEN_INVALID);
	/* A session's id is signed too, but opens no media. */
	assert_int_equal(access_of(token_until(1000, TOKEN_SESSION), "vod/x/a", 0), MEDIA_TOKEN_INVALID);
	/* A key of the same name with another secret. */
	struct token_keys ours = keys;
	size_t bad_line;
	assert_int_equal(token_keys_parse(bytes_str(other_key_text), &keys, &bad_line), OK);
	struct bytes theirs = token_until(1000, TOKEN_PLAYBACK);
	keys = ours;
	assert_int_equal(access_of(theirs, "vod/x/a", 0), MEDIA_TOKEN_INVALID);
}

/* A worker remembers what it verified, and yet a key that is removed opens nothing any more. */
static void a_removed_key_opens_nothing_at_once(void **state)
{
	(void)state;
	struct token_keys former = keys, others;
	size_t bad_line;
	struct bytes good = token_until(1000, TOKEN_PLAYBACK);
	assert_int_equal(access_of(good, "vod/x/a", 0), MEDIA_ALLOWED);
	assert_int_equal(token_keys_parse(bytes_str(other_key_text), &others, &bad_line), OK);
	token_keys_take(&keys, &others);
	assert_int_equal(access_of(good, "vod/x/a", 0), MEDIA_TOKEN_INVALID);
	token_keys_take(&keys, &former);
	assert_int_equal(access_of(good, "vod/x/a", 0), MEDIA_ALLOWED);
}

static void the_first_entry_lies_in_the_contents_folder(void **state)
{
	(void)state;
	struct bytes content = BYTES_LIT("vod/x");
	assert_true(media_is_first_entry(content, BYTES_LIT("vod/x/master.m3u8")));
	assert_false(media_is_first_entry(content, BYTES_LIT("vod/x/index.m3u8")));
	assert_false(media_is_first_entry(content, BYTES_LIT("vod/x/sub/master.m3u8")));
	assert_false(media_is_first_entry(content, BYTES_LIT("vod/xmaster.m3u8")));
	assert_false(media_is_first_entry(content, BYTES_LIT("common/master.m3u8")));
	assert_false(media_is_first_entry(content, BYTES_LIT("vod/x")));
}

static void a_location_is_the_path_again(void **state)
{
	(void)state;
	char *location = media_location(&arena, BYTES_LIT("tok"), BYTES_LIT("vod/a b/\xe3\x81\x82?.m3u8"));
	assert_string_equal(location, "/p/tok/vod/a%20b/%E3%81%82%3F.m3u8");
	struct media_path p;
	assert_int_equal(media_path_parse(&arena, bytes_str(location), &p), OK);
	assert_text(p.object, "vod/a b/\xe3\x81\x82?.m3u8");
}

static unsigned loops(const char *first, const char *second)
{
	const struct http_header headers[] = { { BYTES_LIT("Host"), BYTES_LIT("warmcast-demo") },
		{ BYTES_LIT("CDN-Loop"), bytes_str(first) }, { BYTES_LIT("cdn-loop"), bytes_str(second) } };
	const struct http_request r = { .headers = headers, .headers_n = 3 };
	return media_loops(&r, BYTES_LIT("demo"));
}

static void a_request_that_came_round_is_known(void **state)
{
	(void)state;
	assert_int_equal(loops("", ""), 0);
	assert_int_equal(loops("other", "warmcast-demo2, warmcast-dem, xwarmcast-demo"), 0);
	assert_int_equal(loops("warmcast-demo", ""), 1);
	assert_int_equal(loops("other; a=1 ,\twarmcast-demo ; hop=2", ""), 1);
	assert_int_equal(loops("warmcast-demo", "foo.net, warmcast-demo,"), 2);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_path_is_token_and_object),
		T(other_paths_are_refused),
		T(a_name_may_be_1024_bytes_long),
		T(a_token_opens_its_content_and_prefixes_until_its_end),
		T(a_forged_token_opens_nothing),
		T(a_removed_key_opens_nothing_at_once),
		T(the_first_entry_lies_in_the_contents_folder),
		T(a_location_is_the_path_again),
		T(a_request_that_came_round_is_known),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
