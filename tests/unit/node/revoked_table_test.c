#include "node/revoked_table.h"

#include "base/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { MAX = 1000, IDS = 3000 };

static int setup(void **state)
{
	static struct revoked_table t;
	revoked_table_init(&t, MAX);
	*state = &t;
	return 0;
}

static int teardown(void **state)
{
	revoked_table_fini(*state);
	return 0;
}

static struct rpc_session_id id_of(uint32_t n)
{
	struct rpc_session_id id = { { 0 } };
	memcpy(id.b + 5, &n, sizeof(n));
	return id;
}

static bool add(struct revoked_table *t, uint32_t n, uint64_t not_after_s)
{
	struct rpc_session_id id = id_of(n);
	return revoked_table_add(t, &id, not_after_s);
}

static bool has(const struct revoked_table *t, uint32_t n)
{
	struct rpc_session_id id = id_of(n);
	return revoked_table_has(t, &id);
}

static void what_is_added_is_there(void **state)
{
	struct revoked_table *t = *state;
	assert_false(has(t, 1));
	revoked_table_expire(t, 100);
	assert_true(add(t, 1, 50));
	assert_true(has(t, 1));
	assert_false(has(t, 2));
	assert_true(add(t, 1, 50));
	assert_int_equal(t->n, 1);
}

static void it_ends_after_its_time(void **state)
{
	struct revoked_table *t = *state;
	assert_true(add(t, 1, 50) && add(t, 2, 60));
	revoked_table_expire(t, 50);
	assert_true(has(t, 1));
	revoked_table_expire(t, 51);
	assert_false(has(t, 1));
	assert_true(has(t, 2));
	assert_int_equal(t->n, 1);
	/* The later of two ends counts. */
	assert_true(add(t, 2, 90) && add(t, 2, 70));
	revoked_table_expire(t, 90);
	assert_true(has(t, 2));
	revoked_table_expire(t, 91);
	assert_false(has(t, 2));
}

static void it_is_bounded_and_gives_room_back(void **state)
{
	struct revoked_table *t = *state;
	for (uint32_t i = 0; i < MAX; i++)
		assert_true(add(t, i, 100 + i));
	assert_false(add(t, MAX, 5000));
	assert_false(has(t, MAX));
	assert_true(add(t, 7, 5000)); /* is in it already */
	size_t full = t->slots_n;
	revoked_table_expire(t, 100 + MAX - 10);
	assert_int_equal(t->n, 11);
	assert_true(has(t, 7) && has(t, MAX - 1) && !has(t, 8));
	assert_true(t->slots_n < full);
	assert_true(add(t, MAX, 5000));
}

/* Against a plain array. */
static void it_does_as_an_array_would(void **state)
{
	struct revoked_table *t = *state;
	static uint64_t end_s[IDS];
	struct prng p;
	size_t n = 0;
	memset(end_s, 0, sizeof(end_s));
	prng_init(&p, 3);
	for (uint64_t step = 0, now_s = 1; step < 100000; step++, now_s += prng_below(&p, 100) == 0) {
		uint32_t i = (uint32_t)prng_below(&p, IDS);
		uint64_t until_s = now_s + prng_below(&p, 300);
		bool there = end_s[i] > 0;
		assert_int_equal(has(t, i), there);
		assert_int_equal(add(t, i, until_s), there || n < MAX);
		if (there || n < MAX) {
			n += !there;
			end_s[i] = end_s[i] > until_s ? end_s[i] : until_s;
		}
		if (prng_below(&p, 50) == 0) {
			revoked_table_expire(t, now_s);
			for (uint32_t j = 0; j < IDS; j++) {
				bool ended = end_s[j] > 0 && end_s[j] < now_s;
				n -= ended;
				end_s[j] = ended ? 0 : end_s[j];
			}
		}
		assert_int_equal(t->n, n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_added_is_there, setup, teardown),
		cmocka_unit_test_setup_teardown(it_ends_after_its_time, setup, teardown),
		cmocka_unit_test_setup_teardown(it_is_bounded_and_gives_room_back, setup, teardown),
		cmocka_unit_test_setup_teardown(it_does_as_an_array_would, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
