#include "rpc/backoff.h"

#include "rpc_test.h"

static void doubles_up_to_the_bound_with_jitter(void **state)
{
	(void)state;
	static const uint64_t full[] = { 100, 100, 200, 400, 800, 1600, 3200, 5000, 5000 };
	struct prng r;
	prng_init(&r, 7);
	for (unsigned failures = 0; failures < sizeof(full) / sizeof(full[0]); failures++) {
		uint64_t least = UINT64_MAX, most = 0;
		for (int i = 0; i < 20000; i++) {
			uint64_t ms = backoff_ms(&r, failures, 100, 5000);
			least = ms < least ? ms : least;
			most = ms > most ? ms : most;
		}
		assert_in_range(least, full[failures] / 2, full[failures] / 2 + full[failures] / 50);
		assert_in_range(most, full[failures] - full[failures] / 50, full[failures]);
	}
	assert_in_range(backoff_ms(&r, UINT32_MAX, 100, 5000), 2500, 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(doubles_up_to_the_bound_with_jitter),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
