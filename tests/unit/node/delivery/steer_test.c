/* What a session starts with comes with its pathways; all else as the origin store has it. */
#include "delivery_fixture.h"

#include "base/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct node node;
static const char *token; /* of lv1 */

#define MASTER "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000\nlow/index.m3u8\n"

static int setup(void **state)
{
	(void)state;
	node_start(&node);
	struct token t = node_token("main", "lv1");
	token = node_sign(&node, &node.keys, &t);
	node.pathways = (struct delivery_pathways){
		.own = BYTES_LIT("d-1"),
		.own_url = BYTES_LIT("http://d1:80"),
		.other = BYTES_LIT("d-2"),
		.other_url = BYTES_LIT("http://d2:80"),
		.api_url = BYTES_LIT("http://api:80"),
	};
	node_put(&node, "lv1/master.m3u8", MASTER);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	node_stop(&node);
	return 0;
}

static void assert_rendered(const struct raw_answer *a)
{
	char expected[8192], value[256];
	snprintf(expected, sizeof(expected),
	    "#EXTM3U\n#EXT-X-CONTENT-STEERING:SERVER-URI=\"http://api:80/v1/steering/%s?own=d-1&other=d-2\","
	    "PATHWAY-ID=\"d-1\"\n#EXT-X-STREAM-INF:BANDWIDTH=1000,PATHWAY-ID=\"d-1\"\nlow/index.m3u8\n"
	    "#EXT-X-STREAM-INF:BANDWIDTH=1000,PATHWAY-ID=\"d-2\"\nhttp://d2:80/p/%s/lv1/low/index.m3u8\n",
	    token, token);
	assert_int_equal(a->status, 200);
	assert_string_equal((char *)a->body, expected);
	assert_string_equal(raw_field(a, "Cache-Control", value), "no-store");
	assert_string_equal(raw_field(a, "Content-Type", value), "application/vnd.apple.mpegurl");
	assert_string_equal(raw_field(a, "Access-Control-Allow-Origin", value), "*");
	assert_string_equal(raw_field(a, "ETag", value), "");
}

static void get_rendered(const char *fields)
{
	struct raw_answer a = node_get(&node, token, "lv1/master.m3u8", fields);
	assert_rendered(&a);
	raw_answer_free(&a);
}

static void get_plain(const char *path, const char *text)
{
	struct raw_answer a = node_get(&node, token, path, "");
	assert_int_equal(a.status, 200);
	assert_string_equal((char *)a.body, text);
	raw_answer_free(&a);
}

static void from_the_first_viewer_on(void **state)
{
	(void)state;
	get_rendered(""); /* as it comes in */
	node_await_fills(&node);
	for (int i = 0; i < 4; i++)
		get_rendered(""); /* out of the cache, and out of memory; whatever worker */
	get_rendered("Range: bytes=0-4\r\nIf-None-Match: *\r\nAccept-Encoding: gzip\r\n");
	struct delivery_counters n = node_count(&node);
	assert_int_equal(n.rendered, 6);
	assert_int_equal(n.failed, 0);
	assert_int_equal(n.hits + n.misses, n.requests);
}

static void a_head_says_the_same_length(void **state)
{
	(void)state;
	char length[256], value[256];
	struct raw c;
	struct raw_answer a = node_get(&node, token, "lv1/master.m3u8", "");
	snprintf(length, sizeof(length), "%s", raw_field(&a, "Content-Length", value));
	raw_answer_free(&a);
	raw_connect(&c, node.port);
	node_ask(&c, "HEAD", token, "lv1/master.m3u8", "");
	assert_true(raw_answer(&c, &a, true));
	assert_string_equal(raw_field(&a, "Content-Length", value), length);
	raw_answer_free(&a);
	raw_close(&c);
}

static void a_renewed_one_is_rendered_too(void **state)
{
	(void)state;
	struct token t = node_token("main", "lv1");
	t.not_after_s = node_now_s() + 7200;
	token = node_sign(&node, &node.keys, &t);
	get_rendered("");
	node_await_fills(&node);
	atomic_fetch_add(&node_wall_offset_ms, 3600 * 1000); /* no longer fresh */
	get_rendered("");
}

static void what_is_no_entry_is_left(void **state)
{
	(void)state;
	node_put(&node, "lv1/other.m3u8", MASTER);
	get_plain("lv1/other.m3u8", MASTER);
	/* An entry that is a media playlist. */
	node_put(&node, "lv1/index.m3u8", "#EXTM3U\n#EXTINF:4,\nseg.m4s\n");
	get_plain("lv1/index.m3u8", "#EXTM3U\n#EXTINF:4,\nseg.m4s\n");
	get_plain("lv1/index.m3u8", "#EXTM3U\n#EXTINF:4,\nseg.m4s\n");
	assert_int_equal(node_count(&node).rendered, 0);
}

static void a_session_may_name_its_entry(void **state)
{
	(void)state;
	struct token t = node_token("main", "lv1");
	t.entry = BYTES_LIT("other.m3u8");
	token = node_sign(&node, &node.keys, &t);
	node_put(&node, "lv1/other.m3u8", MASTER);
	struct raw_answer a = node_get(&node, token, "lv1/other.m3u8", "");
	assert_rendered(&a);
	raw_answer_free(&a);
	get_plain("lv1/master.m3u8", MASTER);
}

static void while_nothing_is_known_it_is_left(void **state)
{
	(void)state;
	struct bytes name = node.pathways.own;
	node.pathways.own = BYTES_NONE;
	get_plain("lv1/master.m3u8", MASTER);
	node.pathways.own = BYTES_LIT("a name");
	get_plain("lv1/master.m3u8", MASTER);
	node.pathways.own = name;
	get_rendered("");
}

static void a_long_playlist_is_left(void **state)
{
	(void)state;
	struct buf text;
	buf_init(&text, 1 << 20);
	buf_put_str(&text, MASTER);
	for (int i = 0; i < 9000; i++)
		buf_put_str(&text, "# a line\n");
	buf_put_u8(&text, 0);
	node_put(&node, "lv1/master.m3u8", (const char *)text.p);
	get_plain("lv1/master.m3u8", (const char *)text.p);
	get_plain("lv1/master.m3u8", (const char *)text.p);
	buf_fini(&text);
}

static void an_mpd(void **state)
{
	(void)state;
	struct token t = node_token("main", "dash");
	token = node_sign(&node, &node.keys, &t);
	node_put(&node, "dash/manifest.mpd", "<MPD><Period/></MPD>");
	struct raw_answer a = node_get(&node, token, "dash/manifest.mpd", "");
	assert_int_equal(a.status, 200);
	assert_non_null(strstr((char *)a.body, "<BaseURL serviceLocation=\"d-2\">http://d2:80/p/"));
	assert_non_null(strstr((char *)a.body, "<ContentSteering defaultServiceLocation=\"d-1\""));
	raw_answer_free(&a);
}

/* The fill stands still when half of it is here. */
static void a_viewer_may_leave_while_it_comes(void **state)
{
	(void)state;
	struct token t = node_token("gated", "lv1");
	const char *gated = node_sign(&node, &node.keys, &t);
	struct raw c[3];
	gate_open(&node.gate);
	for (int i = 0; i < 3; i++) {
		raw_connect(&c[i], node.port);
		node_ask(&c[i], "GET", gated, "lv1/master.m3u8", "");
	}
	gate_await_opens(&node.gate, 1);
	gate_allow(&node.gate, GATED_LIST_BYTES / 2);
	raw_abort(&c[0]);
	raw_close(&c[1]);
	gate_allow(&node.gate, GATED_LIST_BYTES);
	struct raw_answer a;
	assert_true(raw_answer(&c[2], &a, false));
	assert_int_equal(a.status, 200);
	assert_int_equal(a.body_n, GATED_LIST_BYTES);
	raw_answer_free(&a);
	raw_close(&c[2]);
}

/* What was waited for is what is answered with: nobody asks the origin store for it a second time. */
static void one_that_no_disk_takes_is_fetched_once(void **state)
{
	(void)state;
	struct token t = node_token("gated", "lv1");
	struct raw c;
	struct raw_answer a;
	char path[128];
	snprintf(path, sizeof(path), "%s/cache/tmp", node.dir);
	gate_open(&node.gate);
	raw_connect(&c, node.port);
	node_ask(&c, "GET", node_sign(&node, &node.keys, &t), "lv1/master.m3u8", "");
	gate_await_opens(&node.gate, 1);
	gate_allow(&node.gate, GATED_LIST_BYTES / 2);
	assert_int_equal(rmdir(path), 0); /* where files are while they come in */
	gate_allow(&node.gate, GATED_LIST_BYTES);
	assert_true(raw_answer(&c, &a, false));
	assert_int_equal(a.status, 200);
	assert_int_equal(a.body_n, GATED_LIST_BYTES);
	raw_answer_free(&a);
	raw_close(&c);
	node_await_fills(&node);
	assert_int_equal(gate_opens(&node.gate), 1);
}

/* And the server may stop. */
static void the_server_may_stop_while_it_comes(void **state)
{
	(void)state;
	struct token t = node_token("gated", "lv1");
	struct raw c;
	raw_connect(&c, node.port);
	node_ask(&c, "GET", node_sign(&node, &node.keys, &t), "lv1/master.m3u8", "");
	gate_open(&node.gate);
	gate_await_opens(&node.gate, 1);
	gate_allow(&node.gate, GATED_LIST_BYTES / 2);
	node_stop_server(&node);
	gate_fail(&node.gate);
	raw_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(from_the_first_viewer_on, setup, teardown),
		cmocka_unit_test_setup_teardown(a_head_says_the_same_length, setup, teardown),
		cmocka_unit_test_setup_teardown(a_renewed_one_is_rendered_too, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_no_entry_is_left, setup, teardown),
		cmocka_unit_test_setup_teardown(a_session_may_name_its_entry, setup, teardown),
		cmocka_unit_test_setup_teardown(while_nothing_is_known_it_is_left, setup, teardown),
		cmocka_unit_test_setup_teardown(a_long_playlist_is_left, setup, teardown),
		cmocka_unit_test_setup_teardown(an_mpd, setup, teardown),
		cmocka_unit_test_setup_teardown(a_viewer_may_leave_while_it_comes, setup, teardown),
		cmocka_unit_test_setup_teardown(one_that_no_disk_takes_is_fetched_once, setup, teardown),
		cmocka_unit_test_setup_teardown(the_server_may_stop_while_it_comes, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
