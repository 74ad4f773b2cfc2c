#include "node/miss_ratio.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void it_rises_and_fades_with_what_came_lately(void **state)
{
	(void)state;
	struct miss_ratio m = { 0 };
	assert_int_equal(miss_ratio_permille(&m), 0);
	miss_ratio_add(&m, 10, 0);
	assert_int_equal(miss_ratio_permille(&m), 0); /* too few to say */
	miss_ratio_add(&m, 90, 0);
	assert_int_equal(miss_ratio_permille(&m), 1000);
	for (int i = 0; i < 64; i++)
		miss_ratio_add(&m, 100, 100);
	assert_in_range(miss_ratio_permille(&m), 5, 15);
	for (int i = 0; i < 600; i++)
		miss_ratio_add(&m, 0, 0);
	assert_int_equal(miss_ratio_permille(&m), 0);
	miss_ratio_add(&m, 100, 200); /* hits of requests of before */
	assert_int_equal(miss_ratio_permille(&m), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(it_rises_and_fades_with_what_came_lately) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
