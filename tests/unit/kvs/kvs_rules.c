/* R1-R5 as tables. */
#include "kvs/rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_order(void **state)
{
	(void)state;
	const struct incarnation none = { 0 }, a = { 1, 9 }, b = { 2, 3 }, c = { 2, 4 };
	assert_true(kvs_rule_order(none, a) < 0);
	assert_true(kvs_rule_order(a, b) < 0);
	assert_true(kvs_rule_order(b, c) < 0);
	assert_true(kvs_rule_order(c, c) == 0);
	assert_true(kvs_rule_order(c, a) > 0);
}

static void test_inherits(void **state)
{
	(void)state;
	const struct rpc_ancestor ancestors[] = { { { 3, 1 }, 10 }, { { 2, 1 }, 7 } };
	static const struct {
		struct incarnation incarnation;
		uint64_t have, horizon;
		bool inherits;
	} cases[] = {
		{ { 3, 1 }, 10, 10, true },
		{ { 3, 1 }, 0, 0, true },
		{ { 3, 1 }, 11, 11, false }, /* has what the owner lost */
		{ { 3, 1 }, 9, 11, false },  /* what it has was made by one who had it */
		{ { 3, 2 }, 5, 5, false },   /* a run that the owner does not know of */
		{ { 2, 1 }, 7, 7, true },
		{ { 2, 1 }, 8, 8, false },
		{ { 1, 1 }, 1, 1, false },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(
		    kvs_rule_inherits(ancestors, 2, cases[i].incarnation, cases[i].have, cases[i].horizon),
		    cases[i].inherits);
}

static void test_continues(void **state)
{
	(void)state;
	assert_true(kvs_rule_continues(0, 1, 0));
	assert_true(kvs_rule_continues(3, 9, 5));
	assert_false(kvs_rule_continues(6, 9, 5)); /* a gap */
	assert_false(kvs_rule_continues(3, 5, 5)); /* nothing new */
	assert_false(kvs_rule_continues(5, 5, 5));
}

static void test_floor(void **state)
{
	(void)state;
	static const struct {
		uint64_t have, base, floor;
		enum kvs_floor_verdict verdict;
	} cases[] = {
		{ 0, 0, 0, KVS_FLOOR_FITS },
		{ 10, 0, 10, KVS_FLOOR_FITS }, /* has all that the sender collected */
		{ 9, 0, 10, KVS_FLOOR_RESET }, /* a tombstone may be missing */
		{ 0, 0, 10, KVS_FLOOR_RESET },
		{ 5, 10, 10, KVS_FLOOR_FITS },  /* built at this very floor */
		{ 5, 10, 12, KVS_FLOOR_RESET }, /* built at a lower one: again */
		{ 5, 10, 3, KVS_FLOOR_REFUSE }, /* the sender may show what was collected */
		{ 5, 10, 7, KVS_FLOOR_REFUSE },
		{ 11, 10, 3, KVS_FLOOR_FITS },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(kvs_rule_floor(cases[i].have, cases[i].base, cases[i].floor), cases[i].verdict);
}

static void test_exact_built_tell(void **state)
{
	(void)state;
	assert_true(kvs_rule_exact(5, 5));
	assert_false(kvs_rule_exact(5, 6));
	assert_true(kvs_rule_built(5, 5));
	assert_false(kvs_rule_built(4, 5));
	assert_true(kvs_rule_may_tell(true));
	assert_false(kvs_rule_may_tell(false));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_inherits),
		cmocka_unit_test(test_continues),
		cmocka_unit_test(test_floor),
		cmocka_unit_test(test_exact_built_tell),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
