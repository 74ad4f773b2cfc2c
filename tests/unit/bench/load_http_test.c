/* What the load generator reads from servers: answers, URIs, playlists. */
#include "tests/bench/load/answer.h"
#include "tests/bench/load/opened.h"
#include "tests/bench/load/playlist.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* -- answers -- */

static char body[256];
static size_t body_n;

static void on_body(void *arg, struct bytes data)
{
	assert_ptr_equal(arg, body);
	memcpy(body + body_n, data.p, data.n);
	body_n += data.n;
}

/* Feeds it in pieces of that size; *used: what belongs to the first answer. */
static enum answer_result fed(struct answer *a, const char *text, size_t piece, size_t *used)
{
	size_t n = strlen(text);
	enum answer_result r = ANSWER_MORE;
	answer_init(a, on_body, body);
	body_n = 0;
	for (*used = 0; *used < n && r == ANSWER_MORE;) {
		size_t took, some = n - *used < piece ? n - *used : piece;
		r = answer_feed(a, bytes_of(text + *used, some), &took);
		*used += took;
	}
	return r;
}

static void answers_in_any_pieces(void **state)
{
	static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n"
	                           "HTTP/1.1 307 Temporary Redirect\r\nX-Location: no\r\nlocation: http://h/p\r\n"
	                           "Content-Length: 5\r\n\r\nhelloHTTP/1.1";
	struct answer a;
	(void)state;
	for (size_t piece = 1; piece <= sizeof(text); piece++) {
		size_t used;
		assert_int_equal(fed(&a, text, piece, &used), ANSWER_DONE);
		assert_int_equal(used, sizeof(text) - 1 - strlen("HTTP/1.1"));
		assert_int_equal(a.status, 307);
		assert_true(a.keep_alive);
		assert_int_equal(a.location_n, strlen("http://h/p"));
		assert_memory_equal(a.location, "http://h/p", a.location_n);
		assert_int_equal(body_n, 5);
		assert_memory_equal(body, "hello", 5);
	}
}

static void answers_that_end_the_connection(void **state)
{
	struct answer a;
	size_t used;
	(void)state;
	assert_int_equal(
	    fed(&a, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", 99, &used), ANSWER_DONE);
	assert_false(a.keep_alive);
	assert_int_equal(fed(&a, "HTTP/1.1 200 OK\r\n\r\nabc", 99, &used), ANSWER_MORE);
	assert_int_equal(answer_eof(&a), ANSWER_DONE);
	assert_int_equal(fed(&a, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc", 99, &used), ANSWER_MORE);
	assert_int_equal(answer_eof(&a), ANSWER_BAD);
	assert_int_equal(fed(&a, "SSH-2.0-x\r\n", 99, &used), ANSWER_BAD);
}

static void a_location_too_long_is_none(void **state)
{
	static char text[URI_MAX + 100];
	struct answer a;
	size_t used;
	(void)state;
	(void)snprintf(text, sizeof(text), "HTTP/1.1 307 x\r\nContent-Length: 0\r\nLocation: ");
	memset(text + strlen(text), 'x', URI_MAX);
	memcpy(text + strlen(text), "\r\n\r\n", 5);
	assert_int_equal(fed(&a, text, 1000, &used), ANSWER_DONE);
	assert_int_equal(a.location_n, URI_MAX);
}

/* -- URIs -- */

static void references(void **state)
{
	/* RFC 3986, 5.4, as far as http URIs without parameters of their own */
	static const char base[] = "http://a:80/b/c/d?q";
	static const struct {
		const char *reference, *expected;
	} cases[] = {
		{ "g", "http://a:80/b/c/g" },
		{ "./g", "http://a:80/b/c/g" },
		{ "g/", "http://a:80/b/c/g/" },
		{ "/g", "http://a:80/g" },
		{ "//g/x", "http://g/x" },
		{ "?y", "http://a:80/b/c/d?y" },
		{ "g?y#s", "http://a:80/b/c/g?y" },
		{ ".", "http://a:80/b/c/" },
		{ "..", "http://a:80/b/" },
		{ "../g", "http://a:80/b/g" },
		{ "../../g", "http://a:80/g" },
		{ "../../../g", "http://a:80/g" },
		{ "g..", "http://a:80/b/c/g.." },
		{ "g?y/../x", "http://a:80/b/c/g?y/../x" },
		{ "http://o/p", "http://o/p" },
	};
	struct buf out;
	(void)state;
	buf_init(&out, 100);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(uri_resolve(bytes_str(base), bytes_str(cases[i].reference), &out), OK);
		buf_put_u8(&out, 0);
		assert_string_equal(out.p, cases[i].expected);
	}
	assert_int_equal(uri_resolve(bytes_str(base), BYTES_LIT("a b"), &out), ERR_INVALID);
	assert_int_equal(uri_resolve(BYTES_LIT("https://a/"), BYTES_LIT("b"), &out), ERR_VERSION);
	assert_int_equal(uri_resolve(BYTES_LIT("http:///b"), BYTES_LIT("b"), &out), ERR_INVALID);
	buf_fini(&out);
}

/* -- playlists -- */

static void assert_text(struct bytes s, const char *expected)
{
	assert_int_equal(s.n, strlen(expected));
	assert_memory_equal(s.p, expected, s.n);
}

static void a_master(void **state)
{
	struct playlist p;
	(void)state;
	assert_int_equal(playlist_parse(BYTES_LIT("#EXTM3U\r\n#EXT-X-MEDIA:URI=\"a.m3u8\"\r\n"
	                                          "#EXT-X-STREAM-INF:BANDWIDTH=1\r\n\r\nlow.m3u8\r\n"
	                                          "#EXT-X-STREAM-INF:BANDWIDTH=2\r\nhigh.m3u8"),
	                     UINT64_MAX, &p),
	    OK);
	assert_true(p.master);
	assert_text(p.variant, "low.m3u8");
	assert_int_equal(
	    playlist_parse(BYTES_LIT("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n"), UINT64_MAX, &p), ERR_INVALID);
	assert_int_equal(playlist_parse(BYTES_LIT("<MPD/>"), UINT64_MAX, &p), ERR_INVALID);
}

static void one_that_has_ended(void **state)
{
	static const char text[] = "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-MAP:BYTERANGE=\"1\",URI=\"i.mp4\"\n"
	                           "#EXTINF:4.0041667,\na\n#EXTINF:5,title, more\nb\nc\n#EXT-X-ENDLIST\n";
	struct playlist p;
	(void)state;
	assert_int_equal(playlist_parse(bytes_str(text), UINT64_MAX, &p), OK);
	assert_int_equal(p.n, 3);
	assert_int_equal(p.first, 0);
	assert_true(p.ended);
	assert_false(p.more);
	assert_text(p.map, "i.mp4");
	assert_text(p.segments[0].uri, "a");
	assert_int_equal(p.segments[0].duration_ms, 4004);
	assert_int_equal(p.segments[1].duration_ms, 5000);
	assert_int_equal(p.segments[2].duration_ms, 5000);
	assert_int_equal(playlist_parse(bytes_str(text), 2, &p), OK);
	assert_int_equal(p.n, 1);
	assert_text(p.segments[0].uri, "c");
	assert_int_equal(playlist_parse(bytes_str(text), 3, &p), OK);
	assert_int_equal(p.n, 0);
}

static void a_live_one(void **state)
{
	static const char text[] = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:100\n"
	                           "#EXTINF:2,\na\n#EXTINF:2,\nb\n#EXTINF:2,\nc\n#EXTINF:2,\nd\n#EXTINF:2,\ne\n";
	struct playlist p;
	(void)state;
	assert_int_equal(playlist_parse(bytes_str(text), UINT64_MAX, &p), OK); /* joins three before the end */
	assert_int_equal(p.first, 102);
	assert_int_equal(p.n, 3);
	assert_text(p.segments[0].uri, "c");
	assert_false(p.ended);
	assert_int_equal(playlist_parse(bytes_str(text), 105, &p), OK); /* nothing new */
	assert_int_equal(p.first, 105);
	assert_int_equal(p.n, 0);
	assert_int_equal(playlist_parse(bytes_str(text), 50, &p), OK); /* what was wanted has gone */
	assert_int_equal(p.first, 100);
	assert_text(p.segments[0].uri, "a");
}

static void a_long_one_comes_in_windows(void **state)
{
	struct buf text;
	struct playlist p;
	(void)state;
	buf_init(&text, 100000);
	buf_put_str(&text, "#EXTM3U\n#EXT-X-TARGETDURATION:2\n");
	for (unsigned i = 0; i < 2 * PLAYLIST_WINDOW; i++)
		buf_printf(&text, "#EXTINF:2,\ns%u\n", i);
	buf_put_str(&text, "#EXT-X-ENDLIST\n");
	assert_int_equal(playlist_parse(buf_bytes(&text), UINT64_MAX, &p), OK);
	assert_int_equal(p.n, PLAYLIST_WINDOW);
	assert_true(p.more);
	assert_int_equal(playlist_parse(buf_bytes(&text), PLAYLIST_WINDOW, &p), OK);
	assert_int_equal(p.n, PLAYLIST_WINDOW);
	assert_false(p.more);
	assert_text(p.segments[0].uri, "s32");
	buf_fini(&text);
}

/* -- sessions -- */

static void what_an_api_node_says(void **state)
{
	struct opened o;
	(void)state;
	assert_int_equal(opened_parse(BYTES_LIT("{\"uri\":\"http://h/p\",\"session\":\"s\",\"node\":\"d1\","
	                                        "\"outcome\":\"spill\",\"heartbeat_s\":7,\"more\":[]}"),
	                     &o),
	    OK);
	assert_string_equal(o.uri, "http://h/p");
	assert_string_equal(o.session, "s");
	assert_string_equal(o.node, "d1");
	assert_int_equal(o.outcome, OUTCOME_SPILL);
	assert_int_equal(o.heartbeat_s, 7);
	opened_fini(&o);
	assert_int_equal(
	    opened_parse(BYTES_LIT("{\"uri\":\"http://h/p\",\"session\":\"s\",\"node\":\"d1\"}"), &o),
	    ERR_INVALID);
	assert_int_equal(
	    opened_parse(BYTES_LIT("{\"uri\":1,\"session\":\"s\",\"node\":\"d1\",\"outcome\":\"warm\"}"), &o),
	    ERR_INVALID);
	assert_int_equal(opened_parse(BYTES_LIT("{"), &o), ERR_INVALID);
	assert_int_equal(opened_parse(BYTES_NONE, &o), ERR_INVALID);
}

static void what_asks_for_one(void **state)
{
	struct buf out;
	(void)state;
	buf_init(&out, 100);
	opened_request("a\"b", &out);
	assert_text(buf_bytes(&out), "{\"content\":\"a\\\"b\"}");
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_in_any_pieces),
		cmocka_unit_test(answers_that_end_the_connection),
		cmocka_unit_test(a_location_too_long_is_none),
		cmocka_unit_test(references),
		cmocka_unit_test(a_master),
		cmocka_unit_test(one_that_has_ended),
		cmocka_unit_test(a_live_one),
		cmocka_unit_test(a_long_one_comes_in_windows),
		cmocka_unit_test(what_an_api_node_says),
		cmocka_unit_test(what_asks_for_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
