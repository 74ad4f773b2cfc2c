#include "node/origin/negative.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_remembers_for_a_while(void **state)
{
	(void)state;
	static struct negative t;
	assert_false(negative_has(&t, 0, 0));
	negative_put(&t, 5, 1000, 100);
	assert_true(negative_has(&t, 5, 1099));
	assert_false(negative_has(&t, 5, 1100));
	assert_int_equal(negative_left_ms(&t, 5, 1040), 60);
	assert_int_equal(negative_left_ms(&t, 5, 1100), 0);
	assert_false(negative_has(&t, 5 + NEGATIVE_ROWS, 1000));
	negative_put(&t, 5, 1050, 100); /* anew */
	assert_true(negative_has(&t, 5, 1149));
	negative_drop(&t, 5);
	assert_false(negative_has(&t, 5, 1060));
}

static void test_a_full_row_forgets_the_oldest(void **state)
{
	(void)state;
	static struct negative t;
	for (uint64_t i = 0; i < NEGATIVE_WAYS + 1; i++)
		negative_put(&t, 7 + i * NEGATIVE_ROWS, 1000 + i, 100);
	assert_false(negative_has(&t, 7, 1010));
	for (uint64_t i = 1; i < NEGATIVE_WAYS + 1; i++)
		assert_true(negative_has(&t, 7 + i * NEGATIVE_ROWS, 1010));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_remembers_for_a_while),
		cmocka_unit_test(test_a_full_row_forgets_the_oldest),
	};
	return cmocka_run_group_tests_name("negative", tests, NULL, NULL);
}
