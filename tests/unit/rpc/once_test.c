#include "rpc/once.h"

#include "rpc_test.h"

static void once_a_while(void **state)
{
	(void)state;
	struct once o;
	once_init(&o);
	assert_true(once_say(&o, 1, 100, 60));
	assert_false(once_say(&o, 1, 100, 60));
	assert_true(once_say(&o, 2, 100, 60));
	assert_false(once_say(&o, 1, 159, 60));
	assert_true(once_say(&o, 1, 160, 60));
	assert_false(once_say(&o, 1, 219, 60));
	assert_true(once_say(&o, 0, 219, 60));
	assert_false(once_say(&o, 0, 219, 60));
}

static void a_flood_is_bounded(void **state)
{
	(void)state;
	struct once o;
	once_init(&o);
	for (uint64_t i = 0; i < ONCE_SLOTS; i++)
		assert_true(once_say(&o, i, 1000, 60));
	for (uint64_t i = 0; i < 3 * ONCE_SLOTS; i++)
		assert_false(once_say(&o, i, 1001, 60));
	assert_true(once_say(&o, 5000, 1060, 60));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(once_a_while),
		cmocka_unit_test(a_flood_is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
