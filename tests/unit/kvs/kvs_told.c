/* What a peer was told of rows, through growth, other histories and rows ahead of this node. */
#include "kvs/told.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct replica row(uint32_t number, uint64_t have)
{
	return (struct replica){ .number = number, .live = { .have = have } };
}

static void what_is_not_known_is_not_lacking(void **state)
{
	(void)state;
	struct told t;
	struct replica r = row(1, 5);
	uint64_t from = 77;
	told_init(&t);
	assert_false(told_lacks(&t, &r, &from));
	told_expect(&t, &r, 0, 4);
	assert_true(told_lacks(&t, &r, &from));
	assert_int_equal(from, 4);
	told_expect(&t, &r, 0, 2); /* more is known already */
	assert_true(told_lacks(&t, &r, &from));
	assert_int_equal(from, 4);
	told_raise(&t, &r, 5);
	assert_false(told_lacks(&t, &r, &from));
	told_raise(&t, &r, 3); /* never back */
	assert_false(told_lacks(&t, &r, &from));
	told_fini(&t);
}

static void another_history_is_news(void **state)
{
	(void)state;
	struct told t;
	struct replica r = row(1, 5);
	uint64_t from;
	told_init(&t);
	told_raise(&t, &r, 9); /* the peer is ahead */
	r.epoch = 1;           /* renamed: what it has counts, but not above this node's */
	assert_true(told_lacks(&t, &r, &from));
	assert_int_equal(from, 5);
	r.epoch = r.reset_epoch = 2; /* nothing inherited */
	assert_true(told_lacks(&t, &r, &from));
	assert_int_equal(from, 0);
	told_raise(&t, &r, 5);
	assert_false(told_lacks(&t, &r, &from));
	told_fini(&t);
}

static void many_rows(void **state)
{
	(void)state;
	enum { MANY = 5000 };
	struct told t;
	uint64_t from;
	told_init(&t);
	for (uint32_t i = 1; i <= MANY; i++) {
		struct replica r = row(i, i + 1);
		told_expect(&t, &r, 0, i);
	}
	assert_int_equal(t.n, MANY);
	for (uint32_t i = 1; i <= MANY; i++) {
		struct replica r = row(i, i + 1);
		assert_true(told_lacks(&t, &r, &from));
		assert_int_equal(from, i);
	}
	told_fini(&t);
}

/* What is level leaves the table, whatever else stands there, and is found again when it moves on. */
static void what_is_level_takes_no_room(void **state)
{
	(void)state;
	enum { MANY = 5000 };
	struct told t;
	uint64_t from;
	told_init(&t);
	for (uint32_t i = 1; i <= MANY; i++) {
		struct replica r = row(i, 7);
		told_expect(&t, &r, 0, 6);
	}
	for (uint32_t i = 1; i <= MANY; i++) {
		struct replica r = row(i, 7);
		if (i % 100 != 0)
			told_raise(&t, &r, 7);
	}
	assert_int_equal(t.n, MANY / 100);
	assert_true(t.cap < MANY / 10);
	for (uint32_t i = 1; i <= MANY; i++) {
		struct replica r = row(i, 7);
		assert_int_equal(told_lacks(&t, &r, &from), i % 100 == 0);
		r.live.have = 9;
		told_expect(&t, &r, 0, 7);
		assert_true(told_lacks(&t, &r, &from));
		assert_int_equal(from, i % 100 == 0 ? 6 : 7);
		told_raise(&t, &r, 9);
		assert_false(told_lacks(&t, &r, &from));
	}
	assert_int_equal(t.n, 0);
	told_fini(&t);
}

static void a_peer_ahead_is_level_once_it_is_reached(void **state)
{
	(void)state;
	struct told t;
	struct replica r = row(1, 5);
	uint64_t from;
	told_init(&t);
	told_raise(&t, &r, 5);
	told_raise(&t, &r, 9);
	assert_int_equal(t.n, 1);
	r.live.have = 7;
	told_expect(&t, &r, 0, 5);
	assert_false(told_lacks(&t, &r, &from));
	assert_int_equal(t.n, 1);
	r.live.have = 9;
	told_expect(&t, &r, 0, 7);
	assert_false(told_lacks(&t, &r, &from));
	assert_int_equal(t.n, 0);
	r.live.have = 10;
	told_expect(&t, &r, 0, 9);
	assert_true(told_lacks(&t, &r, &from));
	assert_int_equal(from, 9);
	told_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_known_is_not_lacking),
		cmocka_unit_test(another_history_is_news),
		cmocka_unit_test(many_rows),
		cmocka_unit_test(what_is_level_takes_no_room),
		cmocka_unit_test(a_peer_ahead_is_level_once_it_is_reached),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
