#include "node/cache/ghosts.h"

#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { BLOCK = 4096 };

static uint64_t key_of(uint64_t i)
{
	return hash_mix(i + 1);
}

static void a_ghost_is_known_once(void **state)
{
	(void)state;
	struct ghosts g;
	ghosts_init(&g);
	assert_false(ghosts_take(&g, key_of(1), UINT64_MAX));
	ghosts_put(&g, key_of(1), BLOCK);
	ghosts_put(&g, key_of(2), BLOCK);
	assert_false(ghosts_take(&g, key_of(3), UINT64_MAX));
	assert_true(ghosts_take(&g, key_of(1), 2 * BLOCK));
	assert_false(ghosts_take(&g, key_of(1), 2 * BLOCK));
	assert_true(ghosts_take(&g, key_of(2), 2 * BLOCK));
	ghosts_fini(&g);
}

/* Bytes count, not ghosts; what fills no block takes one. */
static void who_left_too_long_ago_is_not_known(void **state)
{
	(void)state;
	struct ghosts g;
	ghosts_init(&g);
	for (uint64_t i = 0; i < 2; i++) {
		ghosts_put(&g, key_of(10 * i + 1), BLOCK);
		ghosts_put(&g, key_of(10 * i + 2), 5 * BLOCK - 1);
		ghosts_put(&g, key_of(10 * i + 3), 1);
	}
	assert_false(ghosts_take(&g, key_of(1), 13 * BLOCK));
	assert_false(ghosts_take(&g, key_of(11), 6 * BLOCK));
	assert_true(ghosts_take(&g, key_of(12), 6 * BLOCK));
	assert_true(ghosts_take(&g, key_of(13), 1));
	/* Who leaves once more stands at the end again. */
	ghosts_put(&g, key_of(2), BLOCK);
	assert_true(ghosts_take(&g, key_of(2), BLOCK));
	assert_false(ghosts_take(&g, key_of(2), UINT64_MAX));
	ghosts_fini(&g);
}

static unsigned known(struct ghosts *g, uint64_t from, uint64_t n)
{
	unsigned sum = 0;
	for (uint64_t i = from; i < from + n; i++)
		sum += ghosts_take(g, key_of(i), UINT64_MAX);
	return sum;
}

static void a_full_table_forgets_the_oldest(void **state)
{
	(void)state;
	enum { N = 1 << 14 };
	struct ghosts g;
	ghosts_init(&g);
	ghosts_fit(&g, N);
	assert_int_equal(g.slots_n, N);
	for (uint64_t i = 0; i < (uint64_t)4 * N; i++)
		ghosts_put(&g, key_of(i), BLOCK);
	assert_int_equal(known(&g, 0, N), 0);
	/* Buckets fill unevenly: of as many as there are slots most are known, of half as many nearly all. */
	assert_true(known(&g, 3 * N + N / 2, N / 2) > N / 2 * 95 / 100);
	assert_true(known(&g, 3 * N, N / 2) > N / 2 * 60 / 100);
	assert_int_equal(known(&g, (uint64_t)100 * N, N), 0); /* strangers */
	ghosts_fini(&g);
}

static void growing_forgets_none(void **state)
{
	(void)state;
	struct ghosts g;
	ghosts_init(&g);
	for (uint64_t i = 0; i < 16; i++)
		ghosts_put(&g, key_of(i), BLOCK);
	ghosts_fit(&g, 1000);
	assert_int_equal(g.slots_n, 1024);
	ghosts_fit(&g, 10); /* it never shrinks */
	assert_int_equal(g.slots_n, 1024);
	assert_int_equal(known(&g, 0, 16), 16);
	ghosts_fit(&g, (size_t)GHOSTS_MAX * 4);
	assert_int_equal(g.slots_n, GHOSTS_MAX);
	ghosts_fini(&g);
}

/* Positions begin anew after 2^40 blocks; age does not. */
static void positions_wrap(void **state)
{
	(void)state;
	struct ghosts g;
	ghosts_init(&g);
	g.position = ((uint64_t)1 << 40) - 2;
	for (uint64_t i = 0; i < 4; i++)
		ghosts_put(&g, key_of(i), BLOCK);
	assert_false(ghosts_take(&g, key_of(0), 3 * BLOCK));
	assert_true(ghosts_take(&g, key_of(1), 3 * BLOCK));
	assert_true(ghosts_take(&g, key_of(3), BLOCK));
	ghosts_fini(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_ghost_is_known_once),
		cmocka_unit_test(who_left_too_long_ago_is_not_known),
		cmocka_unit_test(a_full_table_forgets_the_oldest),
		cmocka_unit_test(growing_forgets_none),
		cmocka_unit_test(positions_wrap),
	};
	return cmocka_run_group_tests_name("ghosts", tests, NULL, NULL);
}
