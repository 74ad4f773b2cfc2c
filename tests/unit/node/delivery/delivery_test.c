/* The delivery role from a viewer's side of the socket. */
#include "delivery_fixture.h"

#include "base/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static struct node node;
static const char *token; /* of lv1 */
static const char *gated; /* of gated/x */

static int setup(void **state)
{
	(void)state;
	node_start(&node);
	struct token t = node_token("main", "lv1"), g = node_token("gated", "gated/x");
	g.session[0] = 9;
	token = node_sign(&node, &node.keys, &t);
	gated = node_sign(&node, &node.keys, &g);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	node_stop(&node);
	return 0;
}

static void assert_field(const struct raw_answer *a, const char *name, const char *expected)
{
	char value[256];
	if (strcmp(raw_field(a, name, value), expected) != 0)
		fail_msg("%s: %s, expected %s, in:\n%s", name, value, expected, a->head);
}

static void assert_media(const struct raw_answer *a, uint64_t from, size_t n)
{
	assert_int_equal(a->body_n, n);
	for (size_t i = 0; i < n; i++)
		if (a->body[i] != media_byte(from + i))
			fail_msg("byte %zu differs", i);
}

/* An error is a problem document that nobody may keep (D2), and never a 503 (D1). */
static void assert_problem(struct raw_answer a, int status, const char *type)
{
	char expected[128];
	snprintf(expected, sizeof(expected), "{\"type\":\"urn:warmcast:problem:%s\",", type);
	if (a.status != status || strncmp((char *)a.body, expected, strlen(expected)) != 0)
		fail_msg("%d %s, expected %d %s", a.status, a.body, status, type);
	assert_field(&a, "Cache-Control", "no-store");
	assert_field(&a, "Content-Type", "application/problem+json");
	assert_field(&a, "Access-Control-Allow-Origin", "*");
	raw_answer_free(&a);
}

static void assert_get_fails(const char *t, const char *path, int status, const char *type)
{
	assert_problem(node_get(&node, t, path, ""), status, type);
}

/* Until the fill is committed an answer may come from the growing file still. */
static void await_hit(const char *t, const char *path)
{
	time_t end = time(NULL) + 20;
	for (;;) {
		char value[256];
		struct raw_answer a = node_get(&node, t, path, "");
		bool hit = strcmp(raw_field(&a, "Cache-Status", value), "Warmcast; hit") == 0;
		raw_answer_free(&a);
		if (hit)
			return;
		if (time(NULL) > end)
			fail_msg("%s never becomes a hit: %s", path, value);
	}
}

static void a_miss_is_filled_and_then_a_hit(void **state)
{
	(void)state;
	struct raw_answer a = node_get(&node, token, "lv1/seg.m4s", "");
	assert_int_equal(a.status, 200);
	assert_media(&a, 0, SEGMENT_BYTES);
	assert_field(&a, "Cache-Status", "Warmcast; fwd=uri-miss; stored");
	assert_field(&a, "Content-Type", "video/iso.segment");
	assert_field(&a, "Cache-Control", "private, max-age=31536000, immutable");
	assert_field(&a, "Accept-Ranges", "bytes");
	assert_field(&a, "Access-Control-Allow-Origin", "*");
	assert_field(&a, "Timing-Allow-Origin", "*");
	assert_field(&a, "Referrer-Policy", "no-referrer");
	char etag[256], again[256];
	raw_field(&a, "ETag", etag);
	assert_true(strlen(etag) > 2 && etag[0] == '"');
	raw_answer_free(&a);

	await_hit(token, "lv1/seg.m4s");
	a = node_get(&node, token, "lv1/seg.m4s?_HLS_pathway=x&CMCD=y", "");
	assert_int_equal(a.status, 200);
	assert_media(&a, 0, SEGMENT_BYTES);
	assert_field(&a, "Cache-Status", "Warmcast; hit");
	assert_string_equal(raw_field(&a, "ETag", again), etag);
	assert_true(strlen(raw_field(&a, "Age", again)) > 0);
	raw_answer_free(&a);
	struct delivery_counters c = node_count(&node);
	assert_true(c.misses >= 1 && c.hits >= 2);
	assert_int_equal(c.hits + c.misses, c.requests);
}

static void names_are_decoded_once(void **state)
{
	(void)state;
	struct raw_answer a = node_get(&node, token, "lv1/a%20b.ts", "");
	assert_int_equal(a.status, 200);
	assert_media(&a, 0, 1000);
	assert_field(&a, "Content-Type", "video/mp2t");
	raw_answer_free(&a);
	assert_get_fails(token, "lv1/a%2520b.ts", 404, "not-found");
}

static void ranges_and_conditions_of_a_hit(void **state)
{
	(void)state;
	char etag[256], field[600];
	await_hit(token, "lv1/seg.m4s");
	struct raw_answer a = node_get(&node, token, "lv1/seg.m4s", "Range: bytes=100000-199999\r\n");
	assert_int_equal(a.status, 206);
	assert_media(&a, 100000, 100000);
	assert_field(&a, "Content-Range", "bytes 100000-199999/300000");
	raw_field(&a, "ETag", etag);
	raw_answer_free(&a);

	a = node_get(&node, token, "lv1/seg.m4s", "Range: bytes=-1\r\n");
	assert_int_equal(a.status, 206);
	assert_media(&a, SEGMENT_BYTES - 1, 1);
	raw_answer_free(&a);

	snprintf(field, sizeof(field), "Range: bytes=5-\r\nIf-Range: %s\r\n", etag);
	a = node_get(&node, token, "lv1/seg.m4s", field);
	assert_int_equal(a.status, 206);
	assert_media(&a, 5, SEGMENT_BYTES - 5);
	raw_answer_free(&a);
	a = node_get(&node, token, "lv1/seg.m4s", "Range: bytes=5-\r\nIf-Range: \"other\"\r\n");
	assert_int_equal(a.status, 200);
	assert_media(&a, 0, SEGMENT_BYTES);
	raw_answer_free(&a);

	a = node_get(&node, token, "lv1/seg.m4s", "Range: bytes=300000-\r\n");
	assert_field(&a, "Content-Range", "bytes */300000");
	assert_problem(a, 416, "range");

	snprintf(field, sizeof(field), "If-None-Match: %s\r\n", etag);
	a = node_get(&node, token, "lv1/seg.m4s", field);
	assert_int_equal(a.status, 304);
	assert_field(&a, "ETag", etag);
	assert_field(&a, "Cache-Control", "private, max-age=31536000, immutable");
	assert_field(&a, "Content-Length", "");
	raw_answer_free(&a);
	assert_problem(node_get(&node, token, "lv1/seg.m4s", "If-Match: \"other\"\r\n"), 412, "precondition");
}

static void an_empty_object(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct raw_answer a = node_get(&node, token, "lv1/empty.ts", "");
		assert_int_equal(a.status, 200);
		assert_field(&a, "Content-Length", "0");
		raw_answer_free(&a);
		await_hit(token, "lv1/empty.ts");
	}
	struct raw_answer a = node_get(&node, token, "lv1/empty.ts", "Range: bytes=0-\r\n");
	assert_problem(a, 416, "range");
}

static void a_head_tells_and_sends_nothing(void **state)
{
	(void)state;
	struct raw c;
	struct raw_answer a;
	raw_connect(&c, node.port);
	for (unsigned i = 0; i < 2; i++) {
		node_ask(&c, "HEAD", token, "lv1/seg.m4s", "");
		assert_true(raw_answer(&c, &a, true));
		assert_int_equal(a.status, 200);
		assert_field(&a, "Content-Length", "300000");
		raw_answer_free(&a);
		/* The next answer follows at once: no body came between. */
		node_ask(&c, "GET", token, "lv1/a%20b.ts", "");
		assert_true(raw_answer(&c, &a, false));
		assert_media(&a, 0, 1000);
		raw_answer_free(&a);
		await_hit(token, "lv1/seg.m4s");
	}
	raw_close(&c);
}

static void other_methods(void **state)
{
	(void)state;
	struct raw c;
	struct raw_answer a;
	raw_connect(&c, node.port);
	node_ask(&c, "OPTIONS", "anything", "lv1/seg.m4s",
	    "Origin: https://x\r\nAccess-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: "
	    "Range\r\n");
	assert_true(raw_answer(&c, &a, true));
	assert_int_equal(a.status, 204);
	assert_field(&a, "Access-Control-Allow-Methods", "GET, HEAD, OPTIONS");
	raw_answer_free(&a);
	node_ask(&c, "DELETE", token, "lv1/seg.m4s", "");
	assert_true(raw_answer(&c, &a, false));
	assert_field(&a, "Allow", "GET, HEAD, OPTIONS");
	assert_problem(a, 405, "method");
	raw_close(&c);
}

static void tokens_that_do_not_open(void **state)
{
	(void)state;
	struct token t = node_token("main", "lv1");
	assert_get_fails(node_sign(&node, &node.strange_keys, &t), "lv1/seg.m4s", 403, "token-invalid");
	assert_get_fails("abc", "lv1/seg.m4s", 403, "token-invalid");
	char cut[TOKEN_TEXT_MAX];
	snprintf(cut, sizeof(cut), "%.*s", (int)strlen(token) - 1, token);
	assert_get_fails(cut, "lv1/seg.m4s", 403, "token-invalid");
	snprintf(cut, sizeof(cut), "%s", token);
	cut[20] = cut[20] == 'A' ? 'B' : 'A';
	assert_get_fails(cut, "lv1/seg.m4s", 403, "token-invalid");
	t.kind = TOKEN_SESSION;
	assert_get_fails(node_sign(&node, &node.keys, &t), "lv1/seg.m4s", 403, "token-invalid");
	t.kind = TOKEN_PLAYBACK;
	t.not_after_s = node_now_s() - 1;
	assert_get_fails(node_sign(&node, &node.keys, &t), "lv1/seg.m4s", 403, "token-expired");
	assert_get_fails(token, "secret/seg.m4s", 403, "token-scope");
	assert_get_fails(token, "lv1", 403, "token-scope");
	assert_int_equal(node_count(&node).token_refused, 8);
	/* Nobody who was refused holds a place. */
	assert_int_equal(sessions_active(node.sessions), 0);
	/* start_by bounds the place, not the right. */
	t = node_token("main", "lv1");
	t.start_by_s = node_now_s() - 100;
	struct raw_answer a = node_get(&node, node_sign(&node, &node.keys, &t), "lv1/seg.m4s", "");
	assert_int_equal(a.status, 200);
	raw_answer_free(&a);
}

static void a_revoked_session_opens_nothing(void **state)
{
	(void)state;
	struct token t = node_token("main", "lv1"), other = t;
	struct rpc_session_id id;
	t.session[0] = 77;
	memcpy(id.b, t.session, sizeof(id.b));
	assert_true(revoked_add(node.revoked, &id, node_now_s() + 100));
	assert_get_fails(node_sign(&node, &node.keys, &t), "lv1/seg.m4s", 403, "token-revoked");
	t.renew_after_s = node_now_s() - 1; /* nor is it renewed */
	assert_get_fails(node_sign(&node, &node.keys, &t), "lv1/master.m3u8", 403, "token-revoked");
	assert_int_equal(node_count(&node).token_refused, 2);
	assert_int_equal(sessions_active(node.sessions), 0);
	struct raw_answer a = node_get(&node, node_sign(&node, &node.keys, &other), "lv1/seg.m4s", "");
	assert_int_equal(a.status, 200);
	raw_answer_free(&a);
}

static void a_prefix_opens_more(void **state)
{
	(void)state;
	struct token t = node_token("main", "lv1");
	t.prefixes[0] = BYTES_LIT("secret");
	t.prefixes_n = 1;
	struct raw_answer a = node_get(&node, node_sign(&node, &node.keys, &t), "secret/seg.m4s", "");
	assert_int_equal(a.status, 200);
	assert_media(&a, 0, 1000);
	raw_answer_free(&a);
}

static void paths_that_lead_elsewhere(void **state)
{
	(void)state;
	static const char *const paths[] = { "lv1/../secret/seg.m4s", "lv1/%2e%2e/secret/seg.m4s",
		"lv1/..%2fsecret/seg.m4s", "lv1%2Fseg.m4s", "lv1//seg.m4s", "lv1/seg.m4s%00", "lv1/./seg.m4s", "lv1/",
		"", "lv1/%ff" };
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		assert_get_fails(token, paths[i], 400, "malformed");
	char long_path[1100] = "lv1/";
	memset(long_path + 4, 'x', 1021);
	assert_get_fails(token, long_path, 414, "too-long");
}

static void what_does_not_exist(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		assert_get_fails(token, "lv1/absent.m4s", 404, "not-found");
	struct token t = node_token("main", "lv404");
	const char *unknown = node_sign(&node, &node.keys, &t);
	assert_get_fails(unknown, "lv404/master.m3u8", 404, "not-found");
	assert_get_fails(unknown, "lv404/seg.m4s", 404, "not-found");
	t.origin = BYTES_LIT("elsewhere");
	assert_get_fails(node_sign(&node, &node.keys, &t), "lv404/seg.m4s", 404, "origin-unavailable");
	assert_int_equal(node_count(&node).not_found, 5);
	assert_int_equal(node_count(&node).failed, 1);
}

static void assert_entry(const char *content, const char *expected)
{
	struct token t = node_token("main", content);
	const char *text = node_sign(&node, &node.keys, &t);
	char path[64];
	snprintf(path, sizeof(path), "%s/master.m3u8", content);
	/* Filled, then from the cache. */
	for (unsigned i = 0; i < 2; i++) {
		struct raw_answer a = node_get(&node, text, path, "");
		assert_int_equal(a.status, 307);
		assert_field(&a, "Location", expected);
		assert_field(&a, "Cache-Control", "no-store");
		raw_answer_free(&a);
		char entry[64];
		snprintf(entry, sizeof(entry), "%s/%s", content, expected);
		await_hit(text, entry);
	}
}

static void a_content_without_master_is_entered_elsewhere(void **state)
{
	(void)state;
	assert_entry("named", "index.m3u8");
	assert_entry("dash", "manifest.mpd");
	struct token t = node_token("main", "named");
	/* Only that one name is a question. */
	assert_get_fails(node_sign(&node, &node.keys, &t), "named/main.m3u8", 404, "not-found");
	assert_get_fails(node_sign(&node, &node.keys, &t), "named/x/master.m3u8", 404, "not-found");
}

static void waiters_of_one_fill_stream_from_it(void **state)
{
	(void)state;
	enum { VIEWERS = 5 };
	struct raw c[VIEWERS];
	for (unsigned i = 0; i < VIEWERS; i++) {
		raw_connect(&c[i], node.port);
		node_ask(&c[i], "GET", gated, "gated/x/seg.m4s", i == 4 ? "Range: bytes=100-199\r\n" : "");
		if (i == 0)
			gate_await_opens(&node.gate, 1);
	}
	gate_allow(&node.gate, GATED_BYTES / 2);
	/* Half of it is there, and a range of that half is answered whole. */
	struct raw_answer a;
	assert_true(raw_answer(&c[4], &a, false));
	assert_int_equal(a.status, 206);
	assert_media(&a, 100, 100);
	assert_field(&a, "Content-Range", "bytes 100-199/1048576");
	raw_answer_free(&a);
	assert_true(raw_need(&c[0], GATED_BYTES / 4));
	gate_allow(&node.gate, GATED_BYTES);
	unsigned collapsed = 0;
	for (unsigned i = 0; i < 4; i++) {
		char value[256];
		assert_true(raw_answer(&c[i], &a, false));
		assert_int_equal(a.status, 200);
		assert_media(&a, 0, GATED_BYTES);
		collapsed += strcmp(raw_field(&a, "Cache-Status", value), "Warmcast; fwd=uri-miss; collapsed") == 0;
		raw_answer_free(&a);
	}
	/* A worker that was late to look may have found it whole; nobody asked the store again. */
	assert_in_range(collapsed, 1, 3);
	assert_int_equal(gate_opens(&node.gate), 1);
	for (unsigned i = 0; i < VIEWERS; i++)
		raw_close(&c[i]);
}

static void a_fill_that_fails_resets_who_has_bytes(void **state)
{
	(void)state;
	struct raw c;
	raw_connect(&c, node.port);
	gate_allow(&node.gate, GATED_BYTES / 2);
	node_ask(&c, "GET", gated, "gated/x/seg.m4s", "");
	assert_true(raw_need(&c, GATED_BYTES / 4));
	gate_fail(&node.gate);
	struct raw_answer a;
	assert_false(raw_answer(&c, &a, false)); /* never as if complete (D5) */
	raw_answer_free(&a);
	raw_close(&c);
	/* The next viewer gets it whole: nothing of the failure was kept. */
	gate_close(&node.gate);
	gate_allow(&node.gate, GATED_BYTES);
	a = node_get(&node, gated, "gated/x/seg.m4s", "");
	assert_int_equal(a.status, 200);
	assert_media(&a, 0, GATED_BYTES);
	raw_answer_free(&a);
}

static void a_fill_that_fails_before_its_head_is_a_404(void **state)
{
	(void)state;
	gate_fail(&node.gate);
	assert_get_fails(gated, "gated/x/seg.m4s", 404, "origin-unavailable");
	assert_int_equal(node_count(&node).failed, 1);
}

static void a_viewer_who_leaves_while_waiting(void **state)
{
	(void)state;
	enum { VIEWERS = 8 };
	struct raw c[VIEWERS];
	for (unsigned i = 0; i < VIEWERS; i++) {
		raw_connect(&c[i], node.port);
		node_ask(&c[i], "GET", gated, "gated/x/seg.m4s", "");
	}
	gate_await_opens(&node.gate, 1);
	for (unsigned i = 1; i < VIEWERS; i++)
		raw_abort(&c[i]);
	gate_allow(&node.gate, GATED_BYTES);
	struct raw_answer a;
	assert_true(raw_answer(&c[0], &a, false));
	assert_media(&a, 0, GATED_BYTES);
	raw_answer_free(&a);
	raw_close(&c[0]);
	await_hit(gated, "gated/x/seg.m4s");
	assert_int_equal(gate_opens(&node.gate), 1);
}

static void a_node_that_stops_while_viewers_wait(void **state)
{
	(void)state;
	struct raw c[4];
	for (unsigned i = 0; i < 4; i++) {
		raw_connect(&c[i], node.port);
		node_ask(&c[i], "GET", gated, i < 2 ? "gated/x/a.m4s" : "gated/x/b.m4s", "");
	}
	gate_await_opens(&node.gate, 2);
	gate_allow(&node.gate, 1000);
	node_stop_server(&node);
	for (unsigned i = 0; i < 4; i++) {
		struct raw_answer a;
		assert_false(raw_answer(&c[i], &a, false));
		raw_answer_free(&a);
		raw_close(&c[i]);
	}
}

static void an_old_playlist_is_asked_for_again(void **state)
{
	(void)state;
	await_hit(token, "lv1/live.m3u8");
	node_await_fills(&node);
	atomic_store(&node_wall_offset_ms, 3000); /* half of a target duration of 4 s is over */
	struct raw_answer a = node_get(&node, token, "lv1/live.m3u8", "");
	assert_int_equal(a.status, 200);
	assert_field(&a, "Cache-Status", "Warmcast; fwd=stale");
	assert_field(&a, "Cache-Control", "private, max-age=2");
	char age[256];
	assert_in_range(strtoul(raw_field(&a, "Age", age), NULL, 10), 0, 1); /* counted anew, in whole seconds */
	raw_answer_free(&a);
	await_hit(token, "lv1/live.m3u8");
	node_await_fills(&node);
	/* Another one in its place is another object. */
	node_put(&node, "lv1/live.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nseg.m4s\n");
	atomic_store(&node_wall_offset_ms, 6000);
	a = node_get(&node, token, "lv1/live.m3u8", "");
	assert_field(&a, "Cache-Status", "Warmcast; fwd=stale; stored");
	assert_non_null(strstr((char *)a.body, "seg.m4s"));
	raw_answer_free(&a);
	/* A segment is for ever. */
	await_hit(token, "lv1/seg.m4s");
	atomic_store(&node_wall_offset_ms, 1000ull * 86400 * 365);
	struct token t = node_token("main", "lv1");
	a = node_get(&node, node_sign(&node, &node.keys, &t), "lv1/seg.m4s", "");
	assert_field(&a, "Cache-Status", "Warmcast; hit");
	raw_answer_free(&a);
}

static void an_old_token_is_renewed_at_a_playlist(void **state)
{
	(void)state;
	struct token t = node_token("main", "lv1");
	t.renew_after_s = node_now_s() - 10;
	t.not_after_s = node_now_s() + 100000;
	const char *old = node_sign(&node, &node.keys, &t);
	/* The session does not live here yet: the request takes a place first. */
	struct raw_answer a = node_get(&node, old, "lv1/seg.m4s", "");
	assert_int_equal(a.status, 200);
	raw_answer_free(&a);
	a = node_get(&node, old, "lv1/master.m3u8", "");
	assert_int_equal(a.status, 307);
	assert_field(&a, "Cache-Control", "no-store");
	static const char before[] = "Location: /p/", after[] = "/lv1/master.m3u8\r\n";
	char location[TOKEN_TEXT_MAX + 1];
	const char *at = strstr(a.head, before);
	assert_non_null(at);
	at += strlen(before);
	size_t length = strcspn(at, "/");
	assert_in_range(length, 1, TOKEN_TEXT_MAX);
	snprintf(location, sizeof(location), "%.*s", (int)length, at);
	assert_memory_equal(at + length, after, strlen(after));
	raw_answer_free(&a);
	assert_string_not_equal(location, old);

	struct token fresh;
	assert_int_equal(token_verify(&node.keys, bytes_str(location), TOKEN_PLAYBACK, &node.arena, &fresh), OK);
	assert_memory_equal(fresh.session, t.session, sizeof(t.session));
	assert_int_equal(fresh.not_after_s, t.not_after_s); /* the hard end stays */
	assert_true(fresh.renew_after_s > node_now_s() + 6 * 3600 - 100);
	a = node_get(&node, location, "lv1/master.m3u8", "");
	assert_int_equal(a.status, 200);
	raw_answer_free(&a);
	/* What a playlist names is not sent round: the player would forget it at once. */
	a = node_get(&node, old, "lv1/seg.m4s", "");
	assert_int_equal(a.status, 200);
	raw_answer_free(&a);
}

static void requests_keep_a_session_and_fill_its_account(void **state)
{
	(void)state;
	await_hit(token, "lv1/a%20b.ts");
	struct token t = node_token("main", "lv1");
	struct rpc_session_id id;
	struct session_end end;
	memcpy(id.b, t.session, sizeof(id.b));
	assert_int_equal(sessions_active(node.sessions), 1);
	assert_true(sessions_end(node.sessions, &id, 0, &end));
	assert_true(end.requests >= 2);

	/* On one connection: an answer is accounted before the next request is looked at. */
	struct raw c;
	raw_connect(&c, node.port);
	for (unsigned i = 0; i < 4; i++) {
		struct raw_answer a;
		node_ask(&c, i < 3 ? "GET" : "HEAD", token, "lv1/a%20b.ts", "");
		assert_true(raw_answer(&c, &a, i == 3));
		raw_answer_free(&a);
	}
	raw_close(&c);
	assert_true(sessions_end(node.sessions, &id, 0, &end));
	assert_int_equal(end.requests, 4);
	assert_int_equal(end.bytes, 3000);
	assert_int_equal(end.hit_bytes, 3000);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_miss_is_filled_and_then_a_hit),
		T(names_are_decoded_once),
		T(ranges_and_conditions_of_a_hit),
		T(an_empty_object),
		T(a_head_tells_and_sends_nothing),
		T(other_methods),
		T(tokens_that_do_not_open),
		T(a_revoked_session_opens_nothing),
		T(a_prefix_opens_more),
		T(paths_that_lead_elsewhere),
		T(what_does_not_exist),
		T(a_content_without_master_is_entered_elsewhere),
		T(waiters_of_one_fill_stream_from_it),
		T(a_fill_that_fails_resets_who_has_bytes),
		T(a_fill_that_fails_before_its_head_is_a_404),
		T(a_viewer_who_leaves_while_waiting),
		T(a_node_that_stops_while_viewers_wait),
		T(an_old_playlist_is_asked_for_again),
		T(an_old_token_is_renewed_at_a_playlist),
		T(requests_keep_a_session_and_fill_its_account),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
