/* A delivery node in small whose viewers are fetched ahead for. */
#include "node/warm/ev_prefetcher.h"

#include "delivery_fixture.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { SEGMENTS = 12, AHEAD = 3 };

static struct node node;
static struct prefetcher *prefetcher;
static const char *token; /* of lv1 */

static uint64_t mono_ms(void)
{
	struct timespec t;
	CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void begin(uint32_t objects)
{
	char text[2048], name[32];
	size_t n = (size_t)snprintf(text, sizeof(text), "#EXTM3U\n#EXT-X-TARGETDURATION:4\n");
	node_start(&node);
	for (unsigned i = 0; i < SEGMENTS; i++) {
		n += (size_t)snprintf(text + n, sizeof(text) - n, "#EXTINF:4,\n%u.ts\n", i);
		snprintf(name, sizeof(name), "lv1/%u.ts", i);
		node_put(&node, name, "the bytes of a segment");
	}
	snprintf(text + n, sizeof(text) - n, "#EXT-X-ENDLIST\n");
	node_put(&node, "lv1/v.m3u8", text);
	node.config.prefetch_objects = objects;
	struct prefetcher_config c = { .fills = node.fills,
		.cache = node.cache,
		.config = &node.config,
		.delivery = node.delivery,
		.now_mono_ms = mono_ms,
		.yield_ms = 1 };
	assert_int_equal(prefetcher_start(&c, &prefetcher), OK);
	struct token t = node_token("main", "lv1");
	token = node_sign(&node, &node.keys, &t);
}

static int teardown(void **state)
{
	(void)state;
	node_stop_server(&node);
	prefetcher_stop(prefetcher);
	node_stop(&node);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	begin(AHEAD);
	return 0;
}

static int setup_without(void **state)
{
	(void)state;
	begin(0);
	return 0;
}

static void ask(const char *path, const char *fields)
{
	struct raw_answer a = node_get(&node, token, path, fields);
	assert_int_equal(a.status, 200);
	raw_answer_free(&a);
}

static bool is_held(unsigned segment)
{
	char name[32];
	uint64_t length;
	struct cache_key key = { .origin = BYTES_LIT("main") };
	snprintf(name, sizeof(name), "lv1/%u.ts", segment);
	key.object = bytes_str(name);
	return cache_holds(node.cache, &key, &length);
}

static unsigned held(void)
{
	unsigned n = 0;
	for (unsigned i = 0; i < SEGMENTS; i++)
		n += is_held(i);
	return n;
}

static struct prefetcher_counters count(void)
{
	struct prefetcher_counters c;
	prefetcher_count(prefetcher, &c);
	return c;
}

static void until_fetched(uint64_t objects)
{
	for (unsigned i = 0; i < 10000 && count().objects < objects; i++)
		(void)poll(NULL, 0, 2);
	assert_int_equal(count().objects, objects);
}

static void the_next_of_the_playlist(void **state)
{
	(void)state;
	ask("lv1/v.m3u8", "");
	ask("lv1/0.ts", "");
	until_fetched(AHEAD);
	assert_int_equal(held(), 1 + AHEAD);
	assert_true(is_held(1) && is_held(2) && is_held(3));
	struct delivery_counters before = node_count(&node);
	ask("lv1/1.ts", ""); /* a hit, and the window moves on */
	until_fetched(AHEAD + 1);
	assert_true(is_held(4) && !is_held(5));
	ask("lv1/1.ts", ""); /* a hit as any other: nothing is fetched for it */
	ask("lv1/2.ts", "");
	until_fetched(AHEAD + 2);
	struct delivery_counters now = node_count(&node);
	assert_int_equal(now.hits - before.hits, 3);
	assert_int_equal(now.hits_ahead, 2); /* no merit of the cache's */
	assert_int_equal(now.misses, before.misses);
	assert_int_equal(count().bytes, (AHEAD + 2) * strlen("the bytes of a segment"));
	assert_int_equal(count().failed, 0);
	/* He stops: so does this. */
	assert_int_equal(held(), 1 + AHEAD + 2);
}

static void what_the_player_names(void **state)
{
	(void)state;
	ask("lv1/v.m3u8", "");
	ask("lv1/0.ts?CMCD=bl%3D60000%2Cnor%3D%227.ts%22", ""); /* full: one is enough */
	until_fetched(1);
	assert_true(is_held(7));
	ask("lv1/10.ts", "CMCD-Request: bl=15000,nor=\"..%2Flv1%2F9.ts\"\r\n");
	until_fetched(3);
	assert_true(is_held(9) && is_held(11));
	assert_int_equal(held(), 5);
}

/* Nothing says that it is there. */
static void what_is_missing_ahead_is_not_remembered(void **state)
{
	(void)state;
	ask("lv1/0.ts?CMCD=nor%3D%22soon.ts%22", "");
	for (unsigned i = 0; i < 10000 && count().failed == 0; i++)
		(void)poll(NULL, 0, 2);
	assert_int_equal(count().failed, 1);
	node_put(&node, "lv1/soon.ts", "it is there now");
	ask("lv1/soon.ts", "");
	assert_int_equal(node_count(&node).not_found, 0);
	assert_int_equal(node_count(&node).hits_ahead, 0);
}

static void a_viewers_own_miss_goes_first(void **state)
{
	(void)state;
	struct token t = node_token("gated", "gated");
	struct raw c;
	ask("lv1/v.m3u8", "");
	raw_connect(&c, node.port);
	t.session[0] = 9;
	node_ask(&c, "GET", node_sign(&node, &node.keys, &t), "gated/a.ts", "");
	gate_await_opens(&node.gate, 1); /* one of two threads is taken */
	ask("lv1/0.ts", "");
	for (unsigned i = 0; i < 20; i++) {
		struct fills_counters f;
		fills_count(node.fills, &f);
		assert_true(f.running + f.queued <= 2);
		assert_int_equal(count().objects, 0);
		(void)poll(NULL, 0, 2);
	}
	gate_open(&node.gate);
	gate_allow(&node.gate, GATED_BYTES);
	until_fetched(AHEAD);
	raw_close(&c);
}

static void none_when_there_is_to_be_none(void **state)
{
	(void)state;
	ask("lv1/v.m3u8", "");
	ask("lv1/0.ts?CMCD=nor%3D%227.ts%22", "");
	node_await_fills(&node);
	assert_int_equal(held(), 1);
	assert_int_equal(count().objects, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(the_next_of_the_playlist),
		T(what_the_player_names),
		T(what_is_missing_ahead_is_not_remembered),
		T(a_viewers_own_miss_goes_first),
		cmocka_unit_test_setup_teardown(none_when_there_is_to_be_none, setup_without, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
