/* Large objects from a viewer's side: bodies that go on from slice to slice. */
#include "delivery_fixture.h"

#include "base/check.h"
#include "node/cache/slices.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { TAIL = 4321 };

#define TOTAL (3 * SLICE_BYTES + TAIL)

static struct node node;
static const char *token;

/* Another one of the same length; renamed into place as an encoder does. */
static void put_large(unsigned seed)
{
	char path[256], next[260];
	(void)snprintf(path, sizeof(path), "%s/origin/lv1/film.mp4", node.dir);
	(void)snprintf(next, sizeof(next), "%s.new", path);
	FILE *f = fopen(next, "w");
	assert_non_null(f);
	for (uint64_t i = 0; i < TOTAL; i++)
		CHECK(fputc(media_byte(i + seed), f) != EOF);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(rename(next, path), 0);
}

static int setup(void **state)
{
	(void)state;
	node_start(&node);
	struct token t = node_token("main", "lv1");
	token = node_sign(&node, &node.keys, &t);
	put_large(1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	node_stop(&node);
	return 0;
}

static void assert_bytes(const uint8_t *p, uint64_t n, uint64_t first, unsigned seed)
{
	for (uint64_t i = 0; i < n; i++)
		if (p[i] != media_byte(first + i + seed))
			fail_msg("another byte at %llu", (unsigned long long)(first + i));
}

static struct fills_counters fills(void)
{
	struct fills_counters n;
	fills_count(node.fills, &n);
	return n;
}

static struct raw_answer get(const char *fields)
{
	return node_get(&node, token, "lv1/film.mp4", fields);
}

static void test_all_of_it(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 2; round++) {
		struct raw_answer a = get("");
		assert_int_equal(a.status, 200);
		assert_int_equal(a.body_n, TOTAL);
		assert_bytes(a.body, TOTAL, 0, 1);
		raw_answer_free(&a);
		node_await_fills(&node);
	}
	struct fills_counters n = fills();
	assert_int_equal(n.whole, 4);
	assert_int_equal(n.bytes_from_origin, TOTAL);
	struct delivery_counters d = node_count(&node);
	assert_int_equal(d.bytes, 2 * TOTAL);
	assert_int_equal(d.hit_bytes, TOTAL);
	assert_true(d.hits == 1 && d.misses == 1);
}

static void test_parts_of_it(void **state)
{
	(void)state;
	static const struct {
		uint64_t first, last;
		uint64_t fetched; /* bytes more */
	} asks[] = {
		{ 2 * SLICE_BYTES + 5, 2 * SLICE_BYTES + 5, SLICE_BYTES },
		{ 2 * SLICE_BYTES, 3 * SLICE_BYTES - 1, 0 },
		{ 3 * SLICE_BYTES - 1, 3 * SLICE_BYTES, TAIL },
		{ SLICE_BYTES - 1, TOTAL - 1, 2 * SLICE_BYTES },
	};
	uint64_t fetched = 0;
	for (size_t i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
		char fields[64];
		(void)snprintf(fields, sizeof(fields), "Range: bytes=%llu-%llu\r\n",
		    (unsigned long long)asks[i].first, (unsigned long long)asks[i].last);
		struct raw_answer a = get(fields);
		assert_int_equal(a.status, 206);
		assert_int_equal(a.body_n, asks[i].last - asks[i].first + 1);
		assert_bytes(a.body, a.body_n, asks[i].first, 1);
		raw_answer_free(&a);
		node_await_fills(&node);
		fetched += asks[i].fetched;
		assert_int_equal(fills().bytes_from_origin, fetched);
	}
}

static void test_an_answer_without_a_body_needs_no_more(void **state)
{
	(void)state;
	char value[256], text[300];
	struct raw_answer a = get("Range: bytes=-5\r\n");
	assert_int_equal(a.status, 206);
	assert_bytes(a.body, 5, TOTAL - 5, 1);
	(void)snprintf(
	    text, sizeof(text), "If-None-Match: %s\r\nRange: bytes=16777216-\r\n", raw_field(&a, "ETag", value));
	raw_answer_free(&a);
	node_await_fills(&node);
	uint64_t before = fills().bytes_from_origin;
	a = get(text);
	assert_int_equal(a.status, 304);
	raw_answer_free(&a);
	a = get("Range: bytes=99999999-\r\n");
	assert_int_equal(a.status, 416);
	assert_string_equal(raw_field(&a, "Content-Range", value), "bytes */25170145");
	raw_answer_free(&a);
	node_await_fills(&node);
	/* The 304 may have taken the slice that its range begins in. */
	assert_true(fills().bytes_from_origin <= before + SLICE_BYTES);
}

/* A viewer who leaves while the next slice is on its way: nothing is left of him. */
static void test_a_viewer_who_leaves(void **state)
{
	(void)state;
	struct raw c;
	for (unsigned i = 0; i < 8; i++) {
		raw_connect(&c, node.port);
		node_ask(&c, "GET", token, "lv1/film.mp4", "");
		assert_true(raw_need(&c, i * (1 << 20) + 16));
		raw_abort(&c);
	}
	node_await_fills(&node);
	struct raw_answer a = get("");
	assert_int_equal(a.body_n, TOTAL);
	assert_bytes(a.body, TOTAL, 0, 1);
	raw_answer_free(&a);
}

static void test_a_server_that_stops_in_the_middle(void **state)
{
	(void)state;
	struct raw c;
	raw_connect(&c, node.port);
	node_ask(&c, "GET", token, "lv1/film.mp4", "");
	assert_true(raw_need(&c, 1 << 20));
	node_stop_server(&node);
	raw_close(&c);
}

static void test_another_object_is_not_spliced(void **state)
{
	(void)state;
	struct raw c;
	/* A slice of the one that was: held, and no longer of what there is. */
	struct raw_answer a = get("Range: bytes=16777216-16777216\r\n");
	raw_answer_free(&a);
	node_await_fills(&node);
	put_large(2);
	a = get("");
	assert_int_equal(a.status, 200);
	assert_int_equal(a.body_n, TOTAL);
	assert_bytes(a.body, TOTAL, 0, 2);
	raw_answer_free(&a);
	/* And who reads while it changes is told by a reset. */
	node_await_fills(&node);
	assert_int_equal(cache_purge(node.cache, BYTES_LIT("lv1")), 4);
	raw_connect(&c, node.port);
	node_ask(&c, "GET", token, "lv1/film.mp4", "");
	assert_true(raw_need(&c, 1 << 20));
	put_large(3);
	assert_false(raw_need(&c, TOTAL));
	raw_close(&c);
	a = get("");
	assert_int_equal(a.status, 200);
	assert_bytes(a.body, TOTAL, 0, 3);
	raw_answer_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		CASE(test_all_of_it),
		CASE(test_parts_of_it),
		CASE(test_an_answer_without_a_body_needs_no_more),
		CASE(test_a_viewer_who_leaves),
		CASE(test_a_server_that_stops_in_the_middle),
		CASE(test_another_object_is_not_spliced),
	};
	return cmocka_run_group_tests_name("large", tests, NULL, NULL);
}
