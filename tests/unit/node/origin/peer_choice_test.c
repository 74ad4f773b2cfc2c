#include "node/origin/peer_choice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { NODES = 8, NOW_MS = 100000 };

struct cluster {
	struct cluster_view *view;
	struct node_id ids[NODES];
	struct rests resting;
	struct peer_pick picks[PEERS_ASKED_MAX];
};

static int setup(void **state)
{
	static struct cluster c;
	memset(&c, 0, sizeof(c));
	c.view = cluster_view_new(NODES);
	for (unsigned i = 0; i < NODES; i++) {
		struct view_node *n = &c.view->nodes[i];
		c.ids[i] = (struct node_id){ { (uint8_t)(i + 1) } };
		n->id = c.ids[i];
		n->state = NODE_READY;
		n->liveness = KVS_ALIVE;
		n->has_load = true;
		n->capacity = 100;
		n->load = 10 * (NODES - i);
		(void)snprintf(n->http_url, sizeof(n->http_url), "http://n%u/", i);
	}
	*state = &c;
	return 0;
}

static int teardown(void **state)
{
	struct cluster *c = *state;
	cluster_view_free(c->view);
	return 0;
}

static size_t choose(struct cluster *c, size_t holders, uint64_t object_hash)
{
	return peer_choose(c->view, c->ids, holders, &c->resting, NOW_MS, object_hash, c->picks);
}

static void assert_picked(const struct cluster *c, size_t at, unsigned node)
{
	char url[16];
	(void)snprintf(url, sizeof(url), "http://n%u", node); /* without the slash */
	assert_string_equal(c->picks[at].url, url);
	assert_memory_equal(c->picks[at].id.b, c->ids[node].b, NODE_ID_BYTES);
}

static void test_the_least_loaded_for_its_capacity_first(void **state)
{
	struct cluster *c = *state;
	assert_int_equal(choose(c, NODES, 1), 2);
	assert_picked(c, 0, 7);
	assert_picked(c, 1, 6);
	c->view->nodes[7].capacity = 10; /* full now */
	c->view->nodes[0].capacity = 10000;
	assert_int_equal(choose(c, NODES, 1), 2);
	assert_picked(c, 0, 0);
	assert_picked(c, 1, 6);
	c->view->nodes[0].has_load = false;
	assert_int_equal(choose(c, NODES, 1), 2);
	assert_picked(c, 0, 6);
	assert_picked(c, 1, 5);
}

static void test_only_who_can_answer_is_asked(void **state)
{
	struct cluster *c = *state;
	struct view_node *n = c->view->nodes;
	assert_int_equal(choose(c, 0, 1), 0);
	n[0].self = true;
	n[1].liveness = KVS_SUSPECT;
	n[2].liveness = KVS_DOWN;
	n[3].state = NODE_LEFT;
	n[4].http_url[0] = '\0';
	rests_put(&c->resting, peer_rest_key(&c->ids[5]), NOW_MS + 1);
	n[6].state = NODE_DRAINING;
	assert_int_equal(choose(c, 6, 1), 0);
	assert_int_equal(choose(c, 7, 1), 1);
	assert_picked(c, 0, 6);
	rests_put(&c->resting, peer_rest_key(&c->ids[5]), NOW_MS);
	assert_int_equal(choose(c, 7, 1), 2);
	/* One that the view does not have. */
	struct node_id stranger = { { 0xee } };
	assert_int_equal(peer_choose(c->view, &stranger, 1, &c->resting, NOW_MS, 1, c->picks), 0);
}

static void test_equal_ones_share_the_objects(void **state)
{
	struct cluster *c = *state;
	unsigned first[NODES] = { 0 };
	for (unsigned i = 0; i < NODES; i++)
		c->view->nodes[i].load = 5;
	for (uint64_t object = 0; object < 800; object++) {
		assert_int_equal(choose(c, NODES, object), 2);
		first[c->picks[0].id.b[0] - 1]++;
		assert_int_not_equal(c->picks[0].id.b[0], c->picks[1].id.b[0]);
	}
	for (unsigned i = 0; i < NODES; i++)
		assert_in_range(first[i], 50, 150);
}

static void test_rests_are_bounded(void **state)
{
	(void)state;
	struct rests r;
	memset(&r, 0, sizeof(r));
	for (uint64_t key = 1; key <= 3 * RESTS_MAX; key++)
		rests_put(&r, key, 1000 + key);
	for (uint64_t key = 1; key <= 2 * RESTS_MAX; key++)
		assert_false(rests_has(&r, key, 0)); /* what would end first gave way */
	for (uint64_t key = 2 * RESTS_MAX + 1; key <= 3 * RESTS_MAX; key++) {
		assert_true(rests_has(&r, key, 1000 + key - 1));
		assert_false(rests_has(&r, key, 1000 + key));
	}
	rests_put(&r, 3 * RESTS_MAX, 5000);
	assert_true(rests_has(&r, 3 * RESTS_MAX, 4999));
	assert_true(rests_has(&r, 2 * RESTS_MAX + 1, 0)); /* in its own place */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		CASE(test_the_least_loaded_for_its_capacity_first),
		CASE(test_only_who_can_answer_is_asked),
		CASE(test_equal_ones_share_the_objects),
		cmocka_unit_test(test_rests_are_bounded),
	};
	return cmocka_run_group_tests_name("peer_choice", tests, NULL, NULL);
}
