/* How fast viewers are sent to, where the configuration says so. */
#include "delivery_fixture.h"

#include "base/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static struct node node;

static int setup(void **state)
{
	(void)state;
	node_start_paced(&node, "2x");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	node_stop(&node);
	return 0;
}

/* On one connection: the kernel lets its first ten packets, large ones here, go at once. */
static uint64_t ms_of_six_segments(const struct token *t)
{
	struct timespec began, ended;
	struct raw c;
	const char *text = node_sign(&node, &node.keys, t);
	do {
		struct raw_answer a = node_get(&node, text, "lv1/seg.m4s", "");
		raw_answer_free(&a);
		node_await_fills(&node);
	} while (node_count(&node).hits == 0);
	raw_connect(&c, node.port);
	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &began), 0);
	for (int i = 0; i < 6; i++)
		node_ask(&c, "GET", text, "lv1/seg.m4s", "");
	for (int i = 0; i < 6; i++) {
		struct raw_answer a;
		assert_true(raw_answer(&c, &a, false));
		assert_int_equal(a.body_n, SEGMENT_BYTES);
		assert_int_equal(a.body[SEGMENT_BYTES - 1], media_byte(SEGMENT_BYTES - 1));
		raw_answer_free(&a);
	}
	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &ended), 0);
	raw_close(&c);
	return (uint64_t)((ended.tv_sec - began.tv_sec) * 1000 + (ended.tv_nsec - began.tv_nsec) / 1000000);
}

static void a_content_is_sent_at_so_many_times_what_it_takes(void **state)
{
	(void)state;
	struct token t = node_token("main", "lv1");
	t.kbps = 4000; /* 1 MB/s at twice that: they are 1.8 s */
	assert_true(ms_of_six_segments(&t) >= 500);
	t.kbps = 0; /* nobody knows: as fast as it goes */
	uint64_t best = UINT64_MAX;
	for (int i = 0; i < 10 && best >= 500; i++)
		best = ms_of_six_segments(&t);
	assert_true(best < 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_content_is_sent_at_so_many_times_what_it_takes, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
