/* Answers out of memory, from a viewer's side of the socket: the same as those from the cache, in every case.
 */
#include "delivery_fixture.h"

#include "base/check.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

#include <cmocka.h>

static struct node node;
static const char *token; /* of lv1 */
static struct raw c;      /* one connection, and so one worker */
static struct buf list;   /* lv1/list.m3u8 */

static void write_list(unsigned segments)
{
	buf_clear(&list);
	buf_put_str(&list, "#EXTM3U\n#EXT-X-TARGETDURATION:4\n");
	for (unsigned i = 0; i < segments; i++)
		buf_printf(&list, "#EXTINF:4,\nseg-%u.m4s\n", i);
	buf_put_u8(&list, 0);
	node_put(&node, "lv1/list.m3u8", (const char *)list.p);
	list.n--;
}

static int setup(void **state)
{
	(void)state;
	node_start(&node);
	struct token t = node_token("main", "lv1");
	token = node_sign(&node, &node.keys, &t);
	buf_init(&list, 1 << 20);
	write_list(100);
	raw_connect(&c, node.port);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	raw_close(&c);
	buf_fini(&list);
	node_stop(&node);
	return 0;
}

static struct raw_answer ask(const char *method, const char *path, const char *fields)
{
	struct raw_answer a;
	node_ask(&c, method, token, path, fields);
	assert_true(raw_answer(&c, &a, strcmp(method, "HEAD") == 0));
	return a;
}

static struct raw_answer get(const char *path, const char *fields)
{
	return ask("GET", path, fields);
}

static bool is(const struct raw_answer *a, const char *name, const char *expected)
{
	char value[256];
	return strcmp(raw_field(a, name, value), expected) == 0;
}

static void assert_field(const struct raw_answer *a, const char *name, const char *expected)
{
	if (!is(a, name, expected))
		fail_msg("%s is not '%s' in:\n%s", name, expected, a->head);
}

static uint64_t hot_hits(void)
{
	return node_count(&node).hot_hits;
}

/* The last answer is accounted for when it is sent, and a client may have it before that. */
static struct delivery_counters counts_of(uint64_t bytes_each)
{
	struct delivery_counters n;
	unsigned tries = 0;
	do {
		n = node_count(&node);
	} while (n.bytes < n.requests * bytes_each && ++tries < 1000 && poll(NULL, 0, 5) == 0);
	return n;
}

/* Asks until it is answered out of memory. */
static void make_hot(const char *path)
{
	time_t end = time(NULL) + 20;
	uint64_t before = hot_hits();
	while (hot_hits() == before) {
		struct raw_answer a = get(path, "");
		assert_int_equal(a.status, 200);
		raw_answer_free(&a);
		CHECK(time(NULL) <= end);
	}
	node_await_fills(&node);
}

static void assert_hot(struct raw_answer *a, uint64_t hits_before)
{
	if (hot_hits() != hits_before + 1)
		fail_msg("not out of memory: %s", a->head);
}

static void assert_media(const struct raw_answer *a, uint64_t from, size_t n)
{
	assert_int_equal(a->body_n, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(a->body[i], media_byte(from + i));
}

/* Without Date, and what is counted from it. */
static void blank_times(char *head)
{
	static const char *const names[] = { "\r\nDate: ", "\r\nAge: " };
	for (size_t i = 0; i < 2; i++) {
		char *at = strstr(head, names[i]);
		assert_non_null(at);
		char *end = strstr(at + 2, "\r\n");
		memmove(at, end, strlen(end) + 1);
	}
}

static void the_answer_is_that_of_the_cache(void **state)
{
	(void)state;
	struct raw_answer from_cache;
	do { /* the first hit: one that was asked for once is not held */
		from_cache = get("lv1/a%20b.ts", "");
		if (is(&from_cache, "Cache-Status", "Warmcast; hit"))
			break;
		raw_answer_free(&from_cache);
	} while (true);
	assert_int_equal(hot_hits(), 0);
	for (int i = 0; i < 3; i++) {
		struct raw_answer a = get("lv1/a%20b.ts", "");
		assert_int_equal(hot_hits(), i + 1);
		assert_media(&a, 0, 1000);
		char one[8192], other[8192];
		memcpy(one, from_cache.head, sizeof(one));
		memcpy(other, a.head, sizeof(other));
		blank_times(one);
		blank_times(other);
		assert_string_equal(one, other);
		raw_answer_free(&a);
	}
	raw_answer_free(&from_cache);
	struct delivery_counters n = counts_of(1000);
	assert_int_equal(n.hits + n.misses, n.requests);
	for (time_t end = time(NULL) + 20; n.bytes < n.requests * 1000; n = node_count(&node))
		CHECK(time(NULL) <= end); /* counted when the worker is done with it: the viewer has it already */
	assert_int_equal(n.bytes, n.requests * 1000);
	assert_int_equal(n.hot_objects, 1);
	assert_true(n.hot_bytes > 1000);
}

static void ranges_conditions_and_heads(void **state)
{
	(void)state;
	char etag[256], field[600];
	make_hot("lv1/a%20b.ts");
	uint64_t hits = hot_hits();
	struct raw_answer a = ask("HEAD", "lv1/a%20b.ts", "");
	assert_hot(&a, hits++);
	assert_field(&a, "Content-Length", "1000");
	raw_field(&a, "ETag", etag);
	raw_answer_free(&a);

	a = get("lv1/a%20b.ts", "Range: bytes=100-299\r\n");
	assert_hot(&a, hits++);
	assert_int_equal(a.status, 206);
	assert_media(&a, 100, 200);
	assert_field(&a, "Content-Range", "bytes 100-299/1000");
	raw_answer_free(&a);

	snprintf(field, sizeof(field), "Range: bytes=990-\r\nIf-Range: %s\r\n", etag);
	a = get("lv1/a%20b.ts", field);
	assert_int_equal(a.status, 206);
	assert_media(&a, 990, 10);
	raw_answer_free(&a);
	a = get("lv1/a%20b.ts", "Range: bytes=990-\r\nIf-Range: \"other\"\r\n");
	assert_int_equal(a.status, 200);
	assert_media(&a, 0, 1000);
	raw_answer_free(&a);
	a = get("lv1/a%20b.ts", "Range: bytes=1000-\r\n");
	assert_int_equal(a.status, 416);
	assert_field(&a, "Content-Range", "bytes */1000");
	raw_answer_free(&a);
	snprintf(field, sizeof(field), "If-None-Match: %s\r\n", etag);
	a = get("lv1/a%20b.ts", field);
	assert_int_equal(a.status, 304);
	assert_field(&a, "ETag", etag);
	raw_answer_free(&a);
	a = get("lv1/a%20b.ts", "If-Match: \"other\"\r\n");
	assert_int_equal(a.status, 412);
	raw_answer_free(&a);
	assert_int_equal(hot_hits(), hits + 5);
}

static void a_connection_that_ends_says_so(void **state)
{
	(void)state;
	make_hot("lv1/a%20b.ts");
	uint64_t hits = hot_hits();
	struct raw_answer a = get("lv1/a%20b.ts", "Connection: close\r\n");
	assert_hot(&a, hits);
	assert_field(&a, "Connection", "close");
	assert_media(&a, 0, 1000);
	raw_answer_free(&a);
	assert_int_equal(raw_end(&c), RAW_EOF);
}

/* Larger ones are not copied for each viewer; the last of these requests are sent while the object is
 * dropped. */
static void a_larger_one_outlives_its_place_in_the_table(void **state)
{
	(void)state;
	write_list(2500); /* some 50 KiB */
	make_hot("lv1/list.m3u8");
	for (int i = 0; i < 200; i++)
		node_ask(&c, "GET", token, "lv1/list.m3u8", "");
	cache_purge(node.cache, BYTES_LIT("lv1"));
	for (int i = 0; i < 200; i++) {
		struct raw_answer a;
		assert_true(raw_answer(&c, &a, false));
		assert_int_equal(a.body_n, list.n);
		assert_memory_equal(a.body, list.p, list.n);
		raw_answer_free(&a);
	}
}

/* -- what ends it -- */

static void what_was_purged_is_not_served(void **state)
{
	(void)state;
	make_hot("lv1/list.m3u8");
	write_list(50);
	cache_purge(node.cache, BYTES_LIT("lv1"));
	uint64_t hits = hot_hits();
	struct raw_answer a = get("lv1/list.m3u8", "");
	assert_int_equal(hot_hits(), hits);
	assert_int_equal(a.body_n, list.n);
	assert_memory_equal(a.body, list.p, list.n);
	raw_answer_free(&a);
	assert_int_equal(node_count(&node).hot_objects, 0);
}

static void what_is_in_doubt_is_not_served(void **state)
{
	(void)state;
	make_hot("lv1/a%20b.ts");
	cache_doubt(node.cache);
	uint64_t hits = hot_hits();
	struct raw_answer a = get("lv1/a%20b.ts", "");
	assert_field(&a, "Cache-Status", "Warmcast; fwd=stale");
	assert_int_equal(hot_hits(), hits);
	raw_answer_free(&a);
	/* The origin store has confirmed it. */
	a = get("lv1/a%20b.ts", "");
	assert_field(&a, "Cache-Status", "Warmcast; hit");
	assert_media(&a, 0, 1000);
	raw_answer_free(&a);
}

static unsigned long age_of(const char *path)
{
	char age[256];
	struct raw_answer a = get(path, "");
	unsigned long s = strtoul(raw_field(&a, "Age", age), NULL, 10);
	raw_answer_free(&a);
	return s;
}

static void age_rises_and_begins_anew_when_it_is_confirmed(void **state)
{
	(void)state;
	make_hot("lv1/list.m3u8");
	uint64_t hits = hot_hits();
	unsigned long before = age_of("lv1/list.m3u8");
	assert_in_range(before, 0, 1);
	atomic_store(&node_wall_offset_ms, 1000); /* fresh for 2 s */
	assert_in_range(age_of("lv1/list.m3u8"), before + 1, before + 2);
	assert_int_equal(hot_hits(), hits + 2);
	atomic_store(&node_wall_offset_ms, 2500);
	struct raw_answer a = get("lv1/list.m3u8", "");
	assert_field(&a, "Cache-Status", "Warmcast; fwd=stale");
	raw_answer_free(&a);
	assert_int_equal(hot_hits(), hits + 2);
	assert_in_range(age_of("lv1/list.m3u8"), 0, 1);
	assert_int_equal(hot_hits(), hits + 3); /* the same copy */
}

static void another_playlist_takes_its_place(void **state)
{
	(void)state;
	make_hot("lv1/list.m3u8");
	write_list(101);
	atomic_store(&node_wall_offset_ms, 3000);
	struct raw_answer a = get("lv1/list.m3u8", "");
	assert_int_equal(a.body_n, list.n);
	raw_answer_free(&a);
	make_hot("lv1/list.m3u8");
	a = get("lv1/list.m3u8", "");
	assert_int_equal(a.body_n, list.n);
	assert_memory_equal(a.body, list.p, list.n);
	raw_answer_free(&a);
	assert_int_equal(node_count(&node).hot_objects, 1);
}

static void a_known_token_ends_all_the_same(void **state)
{
	(void)state;
	make_hot("lv1/a%20b.ts");
	struct raw_answer a = get("secret/seg.m4s", "");
	assert_int_equal(a.status, 403); /* known, and yet it does not open that */
	raw_answer_free(&a);
	struct rpc_session_id id = { { 1, 2, 3 } };
	assert_true(revoked_add(node.revoked, &id, node_now_s() + 3600));
	a = get("lv1/a%20b.ts", "");
	assert_int_equal(a.status, 403);
	raw_answer_free(&a);
	atomic_store(&node_wall_offset_ms, 2 * 3600 * 1000);
	revoked_expire(node.revoked, node_now_s());
	a = get("lv1/a%20b.ts", "");
	assert_int_equal(a.status, 403);
	assert_non_null(strstr((char *)a.body, "token-expired"));
	raw_answer_free(&a);
}

/* -- gzip -- */

static void assert_unpacks(const struct raw_answer *a)
{
	uint8_t *to = malloc(list.n + 1);
	assert_non_null(to);
	z_stream z = {
		.next_in = a->body, .avail_in = (uInt)a->body_n, .next_out = to, .avail_out = (uInt)list.n + 1
	};
	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	assert_int_equal(z.total_out, list.n);
	assert_memory_equal(to, list.p, list.n);
	assert_int_equal(inflateEnd(&z), Z_OK);
	free(to);
}

static void playlists_go_out_as_gzip(void **state)
{
	(void)state;
	char plain_etag[256], etag[256], field[600];
	make_hot("lv1/list.m3u8");
	struct raw_answer a = get("lv1/list.m3u8", "");
	assert_field(&a, "Content-Encoding", "");
	assert_field(&a, "Vary", "Accept-Encoding");
	raw_field(&a, "ETag", plain_etag);
	assert_int_equal(a.body_n, list.n);
	raw_answer_free(&a);
	for (int i = 0; i < 3; i++) {
		a = get("lv1/list.m3u8", "Accept-Encoding: gzip, deflate, br\r\n");
		assert_field(&a, "Content-Encoding", "gzip");
		assert_field(&a, "Vary", "Accept-Encoding");
		assert_true(a.body_n < list.n / 3);
		assert_unpacks(&a);
		raw_field(&a, "ETag", etag);
		raw_answer_free(&a);
	}
	snprintf(field, sizeof(field), "%.*s-gzip\"", (int)strlen(plain_etag) - 1, plain_etag);
	assert_string_equal(etag, field);

	snprintf(field, sizeof(field), "Accept-Encoding: gzip\r\nIf-None-Match: %s\r\n", etag);
	a = get("lv1/list.m3u8", field);
	assert_int_equal(a.status, 304);
	assert_field(&a, "ETag", etag);
	assert_field(&a, "Vary", "Accept-Encoding");
	raw_answer_free(&a);
	a = ask("HEAD", "lv1/list.m3u8", "Accept-Encoding: gzip\r\n");
	assert_field(&a, "Content-Encoding", "gzip");
	raw_answer_free(&a);
}

/* A part of a gzip would be of no use to who has a part of the plain text, and the other way round. */
static void a_range_is_never_packed(void **state)
{
	(void)state;
	char etag[256], field[600];
	make_hot("lv1/list.m3u8");
	struct raw_answer a = get("lv1/list.m3u8", "Accept-Encoding: gzip\r\nRange: bytes=10-19\r\n");
	assert_int_equal(a.status, 206);
	assert_field(&a, "Content-Encoding", "");
	assert_memory_equal(a.body, list.p + 10, 10);
	raw_answer_free(&a);
	a = get("lv1/list.m3u8", "Accept-Encoding: gzip\r\n");
	raw_field(&a, "ETag", etag);
	raw_answer_free(&a);
	snprintf(field, sizeof(field), "Accept-Encoding: gzip\r\nRange: bytes=10-19\r\nIf-Range: %s\r\n", etag);
	a = get("lv1/list.m3u8", field);
	assert_int_equal(a.status, 200);
	assert_field(&a, "Content-Encoding", "");
	assert_int_equal(a.body_n, list.n);
	raw_answer_free(&a);
}

static void who_does_not_take_it_gets_it_plain(void **state)
{
	(void)state;
	make_hot("lv1/list.m3u8");
	struct raw_answer a = get("lv1/list.m3u8", "Accept-Encoding: gzip;q=0, br\r\n");
	assert_field(&a, "Content-Encoding", "");
	assert_int_equal(a.body_n, list.n);
	raw_answer_free(&a);
	make_hot("lv1/a%20b.ts"); /* no playlist */
	a = get("lv1/a%20b.ts", "Accept-Encoding: gzip\r\n");
	assert_field(&a, "Content-Encoding", "");
	assert_field(&a, "Vary", "");
	assert_media(&a, 0, 1000);
	raw_answer_free(&a);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_answer_is_that_of_the_cache),
		T(ranges_conditions_and_heads),
		T(a_connection_that_ends_says_so),
		T(a_larger_one_outlives_its_place_in_the_table),
		T(what_was_purged_is_not_served),
		T(what_is_in_doubt_is_not_served),
		T(age_rises_and_begins_anew_when_it_is_confirmed),
		T(another_playlist_takes_its_place),
		T(a_known_token_ends_all_the_same),
		T(playlists_go_out_as_gzip),
		T(a_range_is_never_packed),
		T(who_does_not_take_it_gets_it_plain),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
