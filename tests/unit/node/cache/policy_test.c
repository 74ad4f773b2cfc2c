#include "node/cache/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_first_in_first_out_with_a_second_chance(void **state)
{
	(void)state;
	struct policy p;
	struct policy_node n[4] = { 0 };
	policy_init(&p);
	assert_null(policy_victim(&p, 0));
	for (int i = 0; i < 4; i++)
		policy_add(&p, &n[i], 0);
	policy_used(&n[0]);
	policy_used(&n[2]);
	assert_ptr_equal(policy_victim(&p, 0), &n[1]);
	policy_remove(&p, &n[1]);
	policy_remove(&p, &n[1]); /* no-op */
	assert_ptr_equal(policy_victim(&p, 0), &n[3]);
	policy_remove(&p, &n[3]);
	assert_ptr_equal(policy_victim(&p, 0), &n[0]); /* its chance was used up */
	assert_ptr_equal(policy_victim(&p, 0), &n[2]); /* another each time */
	assert_ptr_equal(policy_victim(&p, 0), &n[0]);
	policy_remove(&p, &n[0]);
	policy_remove(&p, &n[2]);
	assert_null(policy_victim(&p, 0));
	assert_int_equal(p.n, 0);
}

static void test_all_used_still_yields(void **state)
{
	(void)state;
	struct policy p;
	struct policy_node n[3] = { 0 };
	policy_init(&p);
	for (int i = 0; i < 3; i++) {
		policy_add(&p, &n[i], 0);
		policy_used(&n[i]);
	}
	assert_ptr_equal(policy_victim(&p, 0), &n[0]);
}

static void test_water_marks(void **state)
{
	(void)state;
	assert_false(policy_too_full(970, 10, 1000));
	assert_true(policy_too_full(971, 10, 1000));
	assert_true(policy_roomy(940, 10, 1000));
	assert_false(policy_roomy(941, 10, 1000));
	assert_true(policy_too_full(0, 1, 0));
	assert_true(policy_too_full(UINT64_MAX - 1, UINT64_MAX, UINT64_MAX));
	assert_false(policy_too_full(0, 980, 1000));
	assert_true(policy_too_full(0, UINT64_MAX, 1000));
}

static void the_age_of_the_next_to_go(void **state)
{
	(void)state;
	struct policy p;
	struct policy_node n[2] = { 0 };
	policy_init(&p);
	assert_int_equal(policy_evict_age_s(&p, 5), UINT32_MAX);
	policy_add(&p, &n[0], 10);
	policy_add(&p, &n[1], 20);
	assert_int_equal(policy_evict_age_s(&p, 50), 40);
	policy_used(&n[0]);
	assert_ptr_equal(policy_victim(&p, 60), &n[1]); /* the first got another round */
	policy_remove(&p, &n[1]);
	assert_int_equal(policy_evict_age_s(&p, 70), 10);
	assert_false(policy_evicts(900, 1000));
	assert_true(policy_evicts(901, 1000));
	policy_remove(&p, &n[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_age_of_the_next_to_go),
		cmocka_unit_test(test_first_in_first_out_with_a_second_chance),
		cmocka_unit_test(test_all_used_still_yields),
		cmocka_unit_test(test_water_marks),
	};
	return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
