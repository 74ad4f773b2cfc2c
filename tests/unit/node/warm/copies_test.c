/* The copies of a drain, in virtual time. */
#include "node/warm/copies.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct node_id node = { { 7 } };
static const struct rpc_warm_id order = { { 9 } };

static struct watched on(const char *content, uint32_t viewers)
{
	return (struct watched){ BYTES_LIT("main"), bytes_str(content), viewers };
}

static void watch_two(struct copies *c)
{
	struct watched w[] = { on("lv1", 1), on("lv2", 5) };
	copies_watch(c, w, 2, 0);
}

static void a_content_stays_when_its_viewers_are_led_away(void **state)
{
	(void)state;
	struct copies *c = copies_new(0);
	watch_two(c);
	assert_int_equal(copies_count(c).left, 2);
	struct watched w[] = { on("lv3", 2), on("lv2", 4) };
	copies_watch(c, w, 2, 1000);
	assert_int_equal(copies_n(c), 3);
	assert_int_equal(copies_at(c, 0)->viewers, 0);
	assert_int_equal(copies_at(c, 1)->viewers, 4);
	assert_true(bytes_eq(copies_at(c, 2)->content, BYTES_LIT("lv3")));
	copy_settle(copies_at(c, 0), COPY_HELD, NULL, 1000);
	struct copies_count n = copies_count(c);
	assert_int_equal(n.left, 2);
	assert_int_equal(n.held, 1);
	assert_int_equal(n.failed, 0);
	copies_free(c);
}

static void past_the_bound_the_most_watched_count(void **state)
{
	(void)state;
	static struct watched w[COPIES_MAX + 10];
	static char names[COPIES_MAX + 10][16];
	struct copies *c = copies_new(0);
	for (unsigned i = 0; i < COPIES_MAX + 10; i++) {
		snprintf(names[i], sizeof(names[i]), "c%u", i);
		w[i] = on(names[i], 1 + i);
	}
	copies_watch(c, w, COPIES_MAX + 10, 0);
	struct copies_count n = copies_count(c);
	assert_int_equal(n.left, COPIES_MAX);
	assert_int_equal(n.failed, 10);
	for (size_t i = 0; i < copies_n(c); i++)
		assert_true(copies_at(c, i)->viewers > 10);
	copies_free(c);
}

static void other_nodes_are_tried_so_many_times(void **state)
{
	(void)state;
	struct copies *c = copies_new(0);
	watch_two(c);
	struct copy *at = copies_at(c, 0);
	for (unsigned i = 0; i < COPIES_TRIES_MAX; i++) {
		assert_int_not_equal(at->state, COPY_FAILED);
		copy_ordered(at, &node, &order, 100 * i);
		assert_int_equal(at->state, COPY_ORDERED);
		assert_int_equal(copies_count(c).ordered, 1);
		copy_refused(at, "it was full", 100 * i + 50);
	}
	assert_int_equal(at->state, COPY_FAILED);
	assert_string_equal(at->why, "it was full");
	assert_int_equal(copies_count(c).left, 1);
	copies_free(c);
}

static void what_stands_still_is_stuck(void **state)
{
	(void)state;
	struct copies *c = copies_new(0);
	watch_two(c);
	struct copy *at = copies_at(c, 1);
	assert_false(copy_is_stuck(at, COPIES_STILL_MS));
	copy_ordered(at, &node, &order, 1000);
	assert_false(copy_is_stuck(at, 1000 + COPIES_STILL_MS - 1));
	assert_true(copy_is_stuck(at, 1000 + COPIES_STILL_MS));
	copy_moves(at, 10, 50000);
	copy_moves(at, 10, 60000); /* the same again is no progress */
	assert_false(copy_is_stuck(at, 50000 + COPIES_STILL_MS - 1));
	assert_true(copy_is_stuck(at, 50000 + COPIES_STILL_MS));
	copies_free(c);
}

static void without_a_node_they_are_given_up(void **state)
{
	(void)state;
	struct copies *c = copies_new(0);
	watch_two(c);
	copy_settle(copies_at(c, 0), COPY_NEEDED, NULL, 0);
	copy_ordered(copies_at(c, 1), &node, &order, 0);
	copies_without_node(c, 1000);
	copies_without_node(c, 1000 + COPIES_NO_NODE_MS - 1);
	copies_with_node(c); /* one was found in between */
	copies_without_node(c, 1000 + COPIES_NO_NODE_MS);
	assert_int_equal(copies_count(c).failed, 0);
	copies_without_node(c, 1000 + 2 * COPIES_NO_NODE_MS);
	assert_int_equal(copies_at(c, 0)->state, COPY_FAILED);
	assert_non_null(strstr(copies_at(c, 0)->why, "room"));
	assert_int_equal(copies_at(c, 1)->state, COPY_ORDERED); /* that one is under way */
	copies_free(c);
}

static void there_is_an_end_to_waiting(void **state)
{
	(void)state;
	struct copies *c = copies_new(5000);
	watch_two(c);
	copy_settle(copies_at(c, 0), COPY_HELD, NULL, 6000);
	copy_ordered(copies_at(c, 1), &node, &order, 6000);
	assert_false(copies_give_up(c, 5000 + COPIES_GIVE_UP_MS - 1));
	assert_true(copies_give_up(c, 5000 + COPIES_GIVE_UP_MS));
	assert_int_equal(copies_at(c, 0)->state, COPY_HELD);
	assert_int_equal(copies_count(c).left, 0);
	assert_int_equal(copies_count(c).failed, 1);
	copies_free(c);
}

static void enough_in_place_of_ones_own(void **state)
{
	(void)state;
	static const struct {
		struct rpc_location own, other;
		bool enough;
	} cases[] = {
		{ { .share_permille = 1000 }, { .share_permille = 350 }, true }, /* warm, by A1 */
		{ { .share_permille = 1000 }, { .share_permille = 349 }, false },
		{ { .share_permille = 1000 }, { .objects = 500 }, false }, /* not known yet */
		{ { .share_permille = 50 }, { .share_permille = 50 }, true },
		{ { .share_permille = 50 }, { .share_permille = 49 }, false },
		{ { .objects = 9 }, { .objects = 4 }, false },
		{ { .objects = 9 }, { .objects = 5, .share_permille = 10 }, true },
		{ { .objects = 0 }, { .objects = 0 }, false },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(copy_is_enough(&cases[i].own, &cases[i].other), cases[i].enough);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_content_stays_when_its_viewers_are_led_away),
		cmocka_unit_test(past_the_bound_the_most_watched_count),
		cmocka_unit_test(other_nodes_are_tried_so_many_times),
		cmocka_unit_test(what_stands_still_is_stuck),
		cmocka_unit_test(without_a_node_they_are_given_up),
		cmocka_unit_test(there_is_an_end_to_waiting),
		cmocka_unit_test(enough_in_place_of_ones_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
