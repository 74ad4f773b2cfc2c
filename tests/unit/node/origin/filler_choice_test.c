#include "node/origin/filler_choice.h"

#include "assign/assign.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { NODES = 8, NOW_MS = 100000 };

#define ORIGIN BYTES_LIT("main")
#define CONTENT BYTES_LIT("lv1")

static struct {
	struct cluster_view *view;
	struct rests resting;
	struct arena arena;
	uint32_t order[NODES]; /* of assignment */
	struct peer_pick picks[FILLERS_ASKED_MAX];
	bool self_serves;
} c;

static void rank(struct bytes content)
{
	struct assign_node nodes[NODES];
	memset(nodes, 0, sizeof(nodes));
	for (unsigned i = 0; i < NODES; i++) {
		nodes[i].id = c.view->nodes[i].id;
		nodes[i].capacity = c.view->nodes[i].capacity;
	}
	assert_int_equal(assign_rank(ORIGIN, content, nodes, NODES, &c.arena, c.order), OK);
}

static int setup(void **state)
{
	(void)state;
	memset(&c, 0, sizeof(c));
	arena_init(&c.arena, 1 << 20);
	c.self_serves = true;
	c.view = cluster_view_new(NODES);
	for (unsigned i = 0; i < NODES; i++) {
		struct view_node *n = &c.view->nodes[i];
		n->id = (struct node_id){ { (uint8_t)(i + 1) } };
		n->roles = RPC_ROLE_DELIVERY;
		n->state = NODE_READY;
		n->liveness = KVS_ALIVE;
		n->capacity = 100;
		n->has_load = true;
		n->load = 100; /* full does not exclude it */
		(void)snprintf(n->http_url, sizeof(n->http_url), "http://n%u/", i);
	}
	rank(CONTENT);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_fini(&c.arena);
	cluster_view_free(c.view);
	return 0;
}

static size_t choose(struct bytes content)
{
	return filler_choose(c.view, ORIGIN, content, &c.resting, NOW_MS, c.self_serves, &c.arena, c.picks);
}

static void assert_picked(size_t at, uint32_t node)
{
	char url[16];
	(void)snprintf(url, sizeof(url), "http://n%u", node);
	assert_string_equal(c.picks[at].url, url);
}

static void test_the_order_is_that_of_assignment(void **state)
{
	(void)state;
	assert_int_equal(choose(CONTENT), 2);
	assert_picked(0, c.order[0]);
	assert_picked(1, c.order[1]);
	uint32_t first = c.order[0];
	unsigned others = 0;
	for (unsigned i = 0; i < 50; i++) {
		char name[16];
		(void)snprintf(name, sizeof(name), "lv%u", i + 2);
		rank(bytes_str(name));
		assert_int_equal(choose(bytes_str(name)), 2);
		assert_picked(0, c.order[0]);
		others += c.order[0] != first;
	}
	assert_true(others > 30); /* each content its own */
}

static void assert_passed_over(void)
{
	assert_int_equal(choose(CONTENT), 2);
	assert_picked(0, c.order[1]);
	assert_picked(1, c.order[2]);
}

static void test_only_who_serves_fills(void **state)
{
	(void)state;
	struct view_node *n = &c.view->nodes[c.order[0]], former = *n;
	n->liveness = KVS_SUSPECT;
	assert_passed_over();
	*n = former;
	n->state = NODE_DRAINING;
	assert_passed_over();
	n->state = NODE_JOINING;
	assert_passed_over();
	*n = former;
	n->roles = RPC_ROLE_API;
	assert_passed_over();
	*n = former;
	n->http_url[0] = '\0';
	assert_passed_over();
	*n = former;
	n->capacity = 0;
	assert_passed_over();
	*n = former;
	rests_put(&c.resting, peer_rest_key(&n->id), NOW_MS + 1);
	assert_passed_over();
	c.resting = (struct rests){ 0 };
	assert_int_equal(choose(CONTENT), 2);
	assert_picked(0, c.order[0]);
}

static void test_who_comes_behind_this_node_is_not_asked(void **state)
{
	(void)state;
	struct view_node *nodes = c.view->nodes;
	nodes[c.order[1]].self = true;
	assert_int_equal(choose(CONTENT), 1);
	assert_picked(0, c.order[0]);
	c.self_serves = false; /* then others fill for it */
	assert_int_equal(choose(CONTENT), 2);
	assert_picked(1, c.order[2]);
	c.self_serves = true;
	nodes[c.order[1]].self = false;
	nodes[c.order[0]].self = true;
	assert_int_equal(choose(CONTENT), 0);
	nodes[c.order[0]].state = NODE_DRAINING;
	assert_int_equal(choose(CONTENT), 2);
	assert_picked(0, c.order[1]);
}

static void test_without_memory_nobody_is_asked(void **state)
{
	(void)state;
	struct arena small;
	arena_init(&small, 64);
	assert_int_equal(filler_choose(c.view, ORIGIN, CONTENT, &c.resting, NOW_MS, true, &small, c.picks), 0);
	arena_fini(&small);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		CASE(test_the_order_is_that_of_assignment),
		CASE(test_only_who_serves_fills),
		CASE(test_who_comes_behind_this_node_is_not_asked),
		CASE(test_without_memory_nobody_is_asked),
	};
	return cmocka_run_group_tests_name("filler_choice", tests, NULL, NULL);
}
