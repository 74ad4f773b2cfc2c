/* What other nodes get of this one's cache (D7), from their side of the socket. */
#include "delivery_fixture.h"

#include "base/check.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { AT_ONCE = 64, BIG_BYTES = (16 << 20) + 5 };

static const char first_slice[] = "Range: bytes=0-8388607\r\n";

static struct node node;
static const char *viewers, *peers; /* tokens of lv1 */

static struct token peer_token(void)
{
	struct token t = node_token("main", "lv1");
	t.kind = TOKEN_PEER;
	memset(t.session, 0, sizeof(t.session));
	t.not_after_s = node_now_s() + 60;
	return t;
}

static int setup(void **state)
{
	(void)state;
	node_start(&node);
	struct token v = node_token("main", "lv1"), p = peer_token();
	viewers = node_sign(&node, &node.keys, &v);
	peers = node_sign(&node, &node.keys, &p);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	node_stop(&node);
	return 0;
}

static void say_with(
    struct raw *c, const char *method, const char *token, const char *path, const char *fields)
{
	char text[2048];
	int n = snprintf(
	    text, sizeof(text), "%s /peer/%s/%s HTTP/1.1\r\nHost: x\r\n%s\r\n", method, token, path, fields);
	CHECK(n > 0 && (size_t)n < sizeof(text));
	raw_say(c, text);
}

static void say(struct raw *c, const char *method, const char *token, const char *path)
{
	say_with(c, method, token, path, "");
}

static struct raw_answer ask_with(const char *token, const char *path, const char *fields)
{
	struct raw c;
	struct raw_answer a;
	raw_connect(&c, node.port);
	say_with(&c, "GET", token, path, fields);
	CHECK(raw_answer(&c, &a, false));
	raw_close(&c);
	return a;
}

static struct raw_answer ask(const char *token, const char *path)
{
	return ask_with(token, path, "");
}

static void assert_status(const char *token, const char *path, int status)
{
	char value[256];
	struct raw_answer a = ask(token, path);
	assert_int_equal(a.status, status);
	assert_string_equal(raw_field(&a, "Cache-Control", value), "no-store");
	raw_answer_free(&a);
}

static void warm(const char *path)
{
	struct raw_answer a = node_get(&node, viewers, path, "");
	assert_int_equal(a.status, 200);
	raw_answer_free(&a);
	node_await_fills(&node);
}

static void test_a_whole_fresh_unit_is_given(void **state)
{
	(void)state;
	char value[256];
	warm("lv1/seg.m4s");
	atomic_fetch_add(&node_wall_offset_ms, 2500);
	struct raw_answer viewer = node_get(&node, viewers, "lv1/seg.m4s", ""), a = ask(peers, "lv1/seg.m4s");
	char etag[256];
	assert_int_equal(a.status, 200);
	assert_int_equal(a.body_n, SEGMENT_BYTES);
	assert_memory_equal(a.body, viewer.body, SEGMENT_BYTES);
	assert_string_equal(raw_field(&a, "ETag", value), raw_field(&viewer, "ETag", etag));
	assert_string_equal(raw_field(&a, "Last-Modified", value), raw_field(&viewer, "Last-Modified", etag));
	assert_string_equal(raw_field(&a, "Content-Length", value), "300000");
	assert_in_range(strtoul(raw_field(&a, "Warmcast-Age-Ms", value), NULL, 10), 2500, 3999);
	assert_in_range(strtoul(raw_field(&a, "Age", value), NULL, 10), 3, 4);
	raw_answer_free(&a);
	raw_answer_free(&viewer);
	warm("lv1/empty.ts");
	a = ask(peers, "lv1/empty.ts");
	assert_int_equal(a.status, 200);
	assert_int_equal(a.body_n, 0);
	raw_answer_free(&a);
	struct delivery_counters n = node_count(&node);
	assert_int_equal(n.peer_served, 2);
	assert_int_equal(n.peer_bytes, SEGMENT_BYTES);
	assert_int_equal(sessions_active(node.sessions), 1); /* the viewer's: a peer takes no place */
}

/* D7: a request that came from a peer never makes this node fill. */
static void test_what_is_not_there_is_not_filled(void **state)
{
	(void)state;
	struct fills_counters before, after;
	fills_count(node.fills, &before);
	assert_status(peers, "lv1/seg.m4s", 504);
	assert_status(peers, "lv1/none.ts", 504);
	struct token g = peer_token();
	g.origin = BYTES_LIT("gated");
	const char *gated = node_sign(&node, &node.keys, &g);
	assert_status(gated, "lv1/x.m4s", 504);
	fills_count(node.fills, &after);
	assert_int_equal(after.started, before.started);
	assert_int_equal(gate_opens(&node.gate), 0);
	assert_int_equal(node_count(&node).peer_misses, 3);
}

static void test_what_is_no_longer_fresh_is_not_given(void **state)
{
	(void)state;
	warm("lv1/live.m3u8");
	warm("lv1/seg.m4s");
	assert_status(peers, "lv1/live.m3u8", 200);
	atomic_fetch_add(&node_wall_offset_ms, 2001); /* half a segment */
	assert_status(peers, "lv1/live.m3u8", 504);
	assert_status(peers, "lv1/seg.m4s", 200);
	cache_doubt(node.cache); /* it may have been purged */
	assert_status(peers, "lv1/seg.m4s", 504);
}

/* What is being filled is nobody's yet. */
static void test_what_grows_is_not_given(void **state)
{
	(void)state;
	struct raw c;
	struct token v = node_token("gated", "gated/x"), p = peer_token();
	p.origin = v.origin;
	p.content = v.content;
	const char *token = node_sign(&node, &node.keys, &p);
	raw_connect(&c, node.port);
	node_ask(&c, "GET", node_sign(&node, &node.keys, &v), "gated/x/1.m4s", "");
	gate_allow(&node.gate, 1000);
	gate_await_opens(&node.gate, 1);
	assert_status(token, "gated/x/1.m4s", 504);
	struct raw_answer a;
	gate_allow(&node.gate, GATED_BYTES);
	assert_true(raw_answer(&c, &a, false));
	raw_answer_free(&a);
	raw_close(&c);
	node_await_fills(&node); /* the last byte goes out before the unit is in its place */
	assert_status(token, "gated/x/1.m4s", 200);
}

static void test_only_a_token_of_a_nodes_for_this_node_opens(void **state)
{
	(void)state;
	warm("lv1/seg.m4s");
	assert_status(viewers, "lv1/seg.m4s", 403);
	assert_status("nonsense", "lv1/seg.m4s", 403);
	assert_status(peers, "secret/seg.m4s", 403);
	struct token t = peer_token();
	assert_status(node_sign(&node, &node.strange_keys, &t), "lv1/seg.m4s", 403); /* another cluster's */
	t.node.b[0] ^= 1;
	assert_status(node_sign(&node, &node.keys, &t), "lv1/seg.m4s", 403);
	t = peer_token();
	t.not_after_s = node_now_s() - 1;
	assert_status(node_sign(&node, &node.keys, &t), "lv1/seg.m4s", 403);
	assert_int_equal(node_count(&node).peer_refused, 6);
	struct raw_answer a = node_get(&node, peers, "lv1/seg.m4s", ""); /* nor does it open a viewer's door */
	assert_int_equal(a.status, 403);
	raw_answer_free(&a);
	struct raw c;
	raw_connect(&c, node.port);
	say(&c, "POST", peers, "lv1/seg.m4s");
	assert_true(raw_answer(&c, &a, false));
	assert_int_equal(a.status, 405);
	raw_answer_free(&a);
	raw_close(&c);
}

/* I9: who asks names what it has applied; one that has not applied all of it gives nothing. */
static void test_a_purge_that_is_not_applied_here(void **state)
{
	(void)state;
#define ONE "000102030405060708090a0b0c0d0e0f"
#define TWO "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"
	struct rpc_command_id one = { { 0 } };
	for (unsigned i = 0; i < RPC_COMMAND_ID_BYTES; i++)
		one.b[i] = (uint8_t)i;
	warm("lv1/seg.m4s");
	assert_status(peers, "lv1/seg.m4s?purged=" ONE, 504);
	purged_begin(node.purged, &one, BYTES_LIT("lv1"), 0);
	assert_status(peers, "lv1/seg.m4s?purged=" ONE, 504);
	purged_done(node.purged, &one);
	assert_status(peers, "lv1/seg.m4s?purged=" ONE, 200);
	assert_status(peers, "lv1/seg.m4s?purged=" ONE "," TWO, 504);
	assert_status(peers, "lv1/seg.m4s?purged=" TWO "," ONE, 504);
	assert_status(peers, "lv1/seg.m4s?purged=xyz", 504);
	assert_status(peers, "lv1/seg.m4s?purged=" ONE "00", 504);
}

/* D7, its second level: filled for the other node, and streamed as it grows. */
static void test_what_is_not_there_is_filled_when_asked_so(void **state)
{
	(void)state;
	char value[256];
	struct raw_answer a = ask(peers, "lv1/seg.m4s?fill=1");
	assert_int_equal(a.status, 200);
	assert_int_equal(a.body_n, SEGMENT_BYTES);
	for (size_t i = 0; i < a.body_n; i++)
		assert_int_equal(a.body[i], media_byte(i));
	assert_true(raw_field(&a, "ETag", value)[0] == '"');
	assert_int_equal(strtoul(raw_field(&a, "Warmcast-Age-Ms", value), NULL, 10) < 4000, 1);
	raw_answer_free(&a);
	node_await_fills(&node);
	assert_status(peers, "lv1/seg.m4s?fill=1", 200); /* out of the cache */
	assert_status(peers, "lv1/seg.m4s", 200);
	a = ask(peers, "lv1/none.ts?fill=1");
	assert_int_equal(a.status, 404);
	assert_in_range(strtoul(raw_field(&a, "Warmcast-Missing-Ms", value), NULL, 10), 1, 5000);
	assert_string_equal(raw_field(&a, "Cache-Control", value), "no-store");
	raw_answer_free(&a);
	struct delivery_counters n = node_count(&node);
	assert_int_equal(n.peer_fills, 3);
	assert_int_equal(n.peer_served, 3);
	assert_int_equal(sessions_active(node.sessions), 0);
}

static void test_a_fill_for_others_is_guarded(void **state)
{
	(void)state;
	assert_status(viewers, "lv1/seg.m4s?fill=1", 403);
	assert_status(peers, "secret/seg.m4s?fill=1", 403);
	assert_status(peers,
	    "lv1/seg.m4s?fill=1&purged="
	    "000102030405060708090a0b0c0d0e0f",
	    504);
	struct token t = peer_token();
	t.origin = BYTES_LIT("unknown");
	assert_status(node_sign(&node, &node.keys, &t), "lv1/seg.m4s?fill=1", 504);
	assert_int_equal(node_count(&node).peer_fills, 0);
}

static void test_a_store_that_takes_its_time_is_told(void **state)
{
	(void)state;
	char value[256];
	struct token g = peer_token();
	g.origin = g.content = BYTES_LIT("gated");
	const char *gated = node_sign(&node, &node.keys, &g);
	gate_close(&node.gate);
	struct raw_answer a = ask(gated, "gated/1.m4s?fill=1");
	assert_int_equal(a.status, 504);
	assert_string_equal(raw_field(&a, "Warmcast-Filling", value), "1");
	raw_answer_free(&a);
	struct raw c;
	raw_connect(&c, node.port);
	say(&c, "GET", gated, "gated/1.m4s?fill=1");
	gate_open(&node.gate);
	gate_allow(&node.gate, GATED_BYTES);
	assert_true(raw_answer(&c, &a, false));
	assert_int_equal(a.status, 200);
	assert_int_equal(a.body_n, GATED_BYTES);
	raw_answer_free(&a);
	raw_close(&c);
	assert_int_equal(gate_opens(&node.gate), 1);
	assert_int_equal(node_count(&node).peer_fills_pending, 1);
}

/* Another node may go at any time: its fill goes on or ends, and nothing is left of it. */
static void test_who_goes_while_it_is_filled(void **state)
{
	(void)state;
	struct token g = peer_token();
	g.origin = g.content = BYTES_LIT("gated");
	const char *gated = node_sign(&node, &node.keys, &g);
	gate_close(&node.gate);
	static struct raw c[20];
	for (unsigned i = 0; i < 20; i++) {
		raw_connect(&c[i], node.port);
		say(&c[i], "GET", gated, "gated/1.m4s?fill=1");
	}
	gate_await_opens(&node.gate, 1);
	for (unsigned i = 0; i < 10; i++)
		raw_abort(&c[i]);
	gate_open(&node.gate);
	for (unsigned i = 10; i < 15; i++)
		raw_abort(&c[i]);
	node_stop_server(&node);
	for (unsigned i = 15; i < 20; i++)
		raw_abort(&c[i]);
	gate_allow(&node.gate, GATED_BYTES);
}

static void put_big(const char *name)
{
	char path[256];
	(void)snprintf(path, sizeof(path), "%s/origin/%s", node.dir, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(ftruncate(fileno(f), BIG_BYTES), 0);
	assert_int_equal(fclose(f), 0);
}

static bool is_given(const char *path)
{
	struct raw_answer a = ask(peers, path);
	bool given = a.status == 200;
	raw_answer_free(&a);
	return given;
}

static void test_no_more_at_once_than_there_is_room_for(void **state)
{
	(void)state;
	static struct raw held[AT_ONCE];
	put_big("lv1/big.ts");
	warm("lv1/big.ts");
	warm("lv1/seg.m4s");
	for (unsigned i = 0; i < AT_ONCE; i++) {
		raw_connect(&held[i], node.port);
		say_with(&held[i], "GET", peers, "lv1/big.ts", first_slice);
		assert_true(raw_need(&held[i], 16)); /* it has begun */
	}
	assert_status(peers, "lv1/seg.m4s", 504);
	warm("lv1/seg.m4s"); /* viewers do not mind */
	raw_abort(&held[0]);
	bool given = false;
	for (unsigned i = 0; i < 5000 && !given; i++) {
		given = is_given("lv1/seg.m4s");
		if (!given)
			(void)poll(NULL, 0, 2);
	}
	assert_true(given);
	for (unsigned i = 1; i < AT_ONCE; i++)
		raw_abort(&held[i]);
}

static void test_of_a_large_one_a_slice_is_given(void **state)
{
	(void)state;
	char value[256];
	put_big("lv1/big.ts");
	struct raw_answer viewer = node_get(&node, viewers, "lv1/big.ts", "Range: bytes=16777216-\r\n");
	assert_int_equal(viewer.status, 206);
	assert_int_equal(viewer.body_n, 5);
	node_await_fills(&node);
	struct raw_answer a = ask_with(peers, "lv1/big.ts", "Range: bytes=16777216-25165823\r\n");
	assert_int_equal(a.status, 206);
	assert_int_equal(a.body_n, 5);
	assert_memory_equal(a.body, viewer.body, 5);
	assert_string_equal(raw_field(&a, "Content-Range", value), "bytes 16777216-16777220/16777221");
	raw_answer_free(&a);
	raw_answer_free(&viewer);
	/* Not another slice, not all of it, and no bytes but a slice's. */
	const char *const others[] = { "", first_slice, "Range: bytes=16777216-16777220\r\n",
		"Range: bytes=1-8388608\r\n", "Range: bytes=-8388608\r\n", "Range: bytes=33554432-41943039\r\n" };
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		a = ask_with(peers, "lv1/big.ts", others[i]);
		assert_int_equal(a.status, 504);
		raw_answer_free(&a);
	}
	/* One that is no longer than a slice is given whole; behind its end it has none. */
	warm("lv1/seg.m4s");
	a = ask_with(peers, "lv1/seg.m4s", first_slice);
	assert_true(a.status == 200 && a.body_n == SEGMENT_BYTES);
	raw_answer_free(&a);
	a = ask_with(peers, "lv1/seg.m4s", "Range: bytes=8388608-16777215\r\n");
	assert_int_equal(a.status, 504);
	raw_answer_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		CASE(test_a_whole_fresh_unit_is_given),
		CASE(test_what_is_not_there_is_not_filled),
		CASE(test_what_is_no_longer_fresh_is_not_given),
		CASE(test_what_grows_is_not_given),
		CASE(test_only_a_token_of_a_nodes_for_this_node_opens),
		CASE(test_a_purge_that_is_not_applied_here),
		CASE(test_what_is_not_there_is_filled_when_asked_so),
		CASE(test_a_fill_for_others_is_guarded),
		CASE(test_a_store_that_takes_its_time_is_told),
		CASE(test_who_goes_while_it_is_filled),
		CASE(test_of_a_large_one_a_slice_is_given),
		CASE(test_no_more_at_once_than_there_is_room_for),
	};
	return cmocka_run_group_tests_name("peer", tests, NULL, NULL);
}
