#include "node/load_damping.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct rpc_load load(uint32_t sessions, uint32_t mbps)
{
	return (struct rpc_load){ .sessions = sessions, .egress_mbps = mbps };
}

static bool tells(struct load_damping *d, struct rpc_load l, size_t nodes, uint64_t now_ms)
{
	return load_damping_tells(d, &l, nodes, now_ms);
}

static void test_much_is_told_at_once(void **state)
{
	(void)state;
	struct load_damping d = { .capacity_sessions = 1000, .capacity_mbps = 10000 };
	assert_true(tells(&d, load(0, 0), 1000, 1000)); /* the first one always */
	assert_false(tells(&d, load(49, 499), 1000, 2000));
	assert_true(tells(&d, load(50, 0), 1000, 3000));
	assert_true(tells(&d, load(50, 500), 1000, 4000));
	assert_false(tells(&d, load(50, 500), 1000, 500000)); /* the same is never told */
	assert_true(tells(&d, load(0, 500), 1000, 500001));
}

static void test_little_waits_for_its_share(void **state)
{
	(void)state;
	struct load_damping d = { .capacity_sessions = 1000, .capacity_mbps = 10000 };
	assert_true(tells(&d, load(10, 0), 100, 1000));
	assert_false(tells(&d, load(11, 0), 100, 7999));
	assert_true(tells(&d, load(11, 0), 100, 8000)); /* 100 x 70 B at 1 kB/s: 7 s */
	assert_true(tells(&d, load(12, 0), 10, 9000));  /* in a small cluster every second */
	assert_false(tells(&d, load(13, 0), 20000, 68999));
	assert_true(tells(&d, load(13, 0), 20000, 69000));
}

static void test_unknown_capacity(void **state)
{
	(void)state;
	struct load_damping d = { 0 };
	assert_true(tells(&d, load(10, 0), 100, 1000));
	assert_true(tells(&d, load(11, 0), 100, 2000));
	assert_false(tells(&d, load(11, 0), 100, 3000));
}

/* Where viewers of a draining node are led depends on them. */
static void test_copies_are_told_at_once(void **state)
{
	(void)state;
	struct load_damping d = { .capacity_sessions = 1000, .capacity_mbps = 10000 };
	struct rpc_load l = load(0, 0);
	assert_true(load_damping_tells(&d, &l, 1000, 1000));
	l.copies_left = 1;
	assert_true(load_damping_tells(&d, &l, 1000, 1001));
	l.copies_left = 0;
	l.copies_failed = 1;
	assert_true(load_damping_tells(&d, &l, 1000, 1002));
	assert_false(load_damping_tells(&d, &l, 1000, 1003));
	l.copies_failed = 0;
	assert_true(load_damping_tells(&d, &l, 1000, 1004));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_much_is_told_at_once),
		cmocka_unit_test(test_little_waits_for_its_share),
		cmocka_unit_test(test_unknown_capacity),
		cmocka_unit_test(test_copies_are_told_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
