/* Places at the delivery role's door (A3, D1). */
#include "delivery_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static struct node node;
static const char *token; /* of lv1 */

static int setup(void **state)
{
	(void)state;
	node_start(&node);
	struct token t = node_token("main", "lv1");
	token = node_sign(&node, &node.keys, &t);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	node_stop(&node);
	return 0;
}

static void assert_no_place(const char *path)
{
	static const char type[] = "{\"type\":\"urn:warmcast:problem:no-place\",";
	char value[64];
	struct raw_answer a = node_get(&node, token, path, "");
	assert_int_equal(a.status, 404);
	assert_in_range(a.body_n, sizeof(type), 1000);
	assert_memory_equal(a.body, type, sizeof(type) - 1);
	assert_string_equal(raw_field(&a, "Cache-Control", value), "no-store");
	raw_answer_free(&a);
}

/* D1: one hop, then an answer that lets the player fail over; never 503. */
static void who_finds_no_place_is_sent_elsewhere_once(void **state)
{
	(void)state;
	atomic_store(&node.room.left, 0);
	assert_no_place("lv1/master.m3u8");
	node.elsewhere = "http://127.0.0.9:8080";
	struct raw_answer a = node_get(&node, token, "lv1/a%20b.ts?x=1", "");
	char expected[TOKEN_TEXT_MAX + 100], location[TOKEN_TEXT_MAX + 100];
	snprintf(expected, sizeof(expected), "http://127.0.0.9:8080/p/%s/lv1/a%%20b.ts?x=1&hop=1", token);
	assert_int_equal(a.status, 307);
	assert_string_equal(raw_field(&a, "Location", location), expected);
	raw_answer_free(&a);
	assert_no_place("lv1/master.m3u8?hop=1");
	assert_int_equal(sessions_active(node.sessions), 0);

	atomic_store(&node.room.left, 1);
	a = node_get(&node, token, "lv1/master.m3u8?hop=1", "");
	assert_int_equal(a.status, 200);
	raw_answer_free(&a);
	/* Who has a place keeps it. */
	a = node_get(&node, token, "lv1/seg.m4s", "");
	assert_int_equal(a.status, 200);
	raw_answer_free(&a);
	struct delivery_counters n = node_count(&node);
	assert_int_equal(n.sent_elsewhere, 1);
	assert_int_equal(n.no_place, 2);
}

static void a_place_is_claimed_by_what_the_token_says(void **state)
{
	(void)state;
	struct token t = node_token("main", "lv1");
	t.node_incarnation = 7;
	t.lease_batch = 3;
	t.lease_index = 2;
	struct raw_answer a = node_get(&node, node_sign(&node, &node.keys, &t), "lv1/seg.m4s", "");
	assert_int_equal(a.status, 200);
	raw_answer_free(&a);
	const struct session_claim *c = &node.room.last;
	assert_true(c->kept && c->incarnation == 7 && c->batch == 3 && c->index == 2);
	assert_int_equal(node.moves, 0);

	/* One that another node kept a place for: placeless here, and told there. */
	t.node = (struct node_id){ { 0xd2 } };
	t.session[0]++;
	a = node_get(&node, node_sign(&node, &node.keys, &t), "lv1/seg.m4s", "");
	assert_int_equal(a.status, 200);
	raw_answer_free(&a);
	assert_false(c->kept);
	assert_int_equal(node.moves, 1);
	assert_true(node_id_eq(&node.former, &t.node));
	/* One that had none there. */
	t.session[0]++;
	a = node_get(&node, node_sign(&node, &node.keys, &t), "lv1/seg.m4s?hop=1", "");
	assert_int_equal(a.status, 200);
	raw_answer_free(&a);
	assert_int_equal(node.moves, 1);
}

static void expect(const char *t, const char *path, int status)
{
	struct raw_answer a = node_get(&node, t, path, "");
	assert_int_equal(a.status, status);
	raw_answer_free(&a);
}

/* D1, A3: past its egress a node keeps whom it serves, and sends on who is new. */
static void past_its_egress_new_sessions_go_elsewhere(void **state)
{
	(void)state;
	node.limits.egress_bytes_per_s = 1;
	node_restart_server(&node);
	struct token placeless = node_token("main", "lv1"), kept = placeless;
	placeless.session[0] = 50;
	kept.session[0] = 60;
	kept.lease_batch = 3;
	const char *new_token = node_sign(&node, &node.keys, &placeless);
	const char *kept_token = node_sign(&node, &node.keys, &kept);
	for (time_t end = time(NULL) + 20; http_server_egress_bytes_per_s(node.server) == 0;) {
		expect(token, "lv1/seg.m4s", 200);
		assert_true(time(NULL) <= end);
	}
	expect(token, "lv1/seg.m4s", 200);
	expect(new_token, "lv1/seg.m4s", 404);
	node.elsewhere = "http://127.0.0.9:8080";
	expect(new_token, "lv1/seg.m4s", 307);
	expect(new_token, "lv1/seg.m4s?hop=1", 404); /* one hop, never two */
	expect(kept_token, "lv1/seg.m4s", 307);
	expect(token, "lv1/seg.m4s", 200);
	assert_int_equal(sessions_active(node.sessions), 1);
	/* Nobody else has room: a place that was promised is kept. */
	node.elsewhere = NULL;
	expect(kept_token, "lv1/seg.m4s", 200);
	assert_int_equal(sessions_active(node.sessions), 2);
	struct delivery_counters n = node_count(&node);
	assert_int_equal(n.shed, 4);
	assert_int_equal(n.sent_elsewhere, 2);
	assert_int_equal(n.no_place, 2);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(who_finds_no_place_is_sent_elsewhere_once),
		T(a_place_is_claimed_by_what_the_token_says),
		T(past_its_egress_new_sessions_go_elsewhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
