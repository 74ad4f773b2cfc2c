#include "base/node_id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void ids_are_ordered_by_their_bytes(void **state)
{
	(void)state;
	struct node_id low = { { 0 } }, high = { { 0 } };
	assert_true(node_id_eq(&low, &high));
	assert_int_equal(node_id_cmp(&low, &high), 0);
	for (int i = NODE_ID_BYTES - 1; i >= 0; i--) { /* an earlier byte outweighs all later ones */
		high.b[i] = 0x80;                          /* unsigned */
		assert_false(node_id_eq(&low, &high));
		assert_true(node_id_cmp(&low, &high) < 0);
		assert_true(node_id_cmp(&high, &low) > 0);
		low.b[i] = 0x7f;
	}
}

static void incarnations_are_ordered_by_count_then_nonce(void **state)
{
	(void)state;
	static const struct incarnation sorted[] = {
		{ 0, 0 },
		{ 0, UINT64_MAX },
		{ 1, 0 },
		{ 1, 1 },
		{ 2, 0 },
		{ UINT64_MAX, 0 },
		{ UINT64_MAX, UINT64_MAX },
	};
	int n = sizeof(sorted) / sizeof(sorted[0]);
	for (int i = 0; i < n; i++)
		for (int j = 0; j < n; j++)
			assert_int_equal(incarnation_cmp(sorted[i], sorted[j]), (i > j) - (i < j));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_are_ordered_by_their_bytes),
		cmocka_unit_test(incarnations_are_ordered_by_count_then_nonce),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
