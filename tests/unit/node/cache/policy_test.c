#include "node/cache/policy.h"

#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BLOCK = 4096, N = 100 };

struct many {
	struct policy p;
	struct policy_node n[N];
};

static int make(void **state)
{
	struct many *m = calloc(1, sizeof(*m));
	if (m == NULL)
		return -1;
	policy_init(&m->p);
	*state = m;
	return 0;
}

static int end(void **state)
{
	struct many *m = *state;
	policy_fini(&m->p);
	free(m);
	return 0;
}

static void add(struct many *m, unsigned i, uint64_t blocks, uint32_t now_s)
{
	policy_add(&m->p, &m->n[i], hash_mix(i + 1), blocks * BLOCK, now_s);
}

static void restore(struct many *m, unsigned i, uint64_t blocks, uint32_t now_s)
{
	policy_restore(&m->p, &m->n[i], hash_mix(i + 1), blocks * BLOCK, now_s);
}

static void use(struct many *m, unsigned i, unsigned times)
{
	while (times-- > 0)
		policy_used(&m->n[i]);
}

static unsigned victim(struct many *m, uint32_t now_s)
{
	struct policy_node *n = policy_victim(&m->p, now_s);
	assert_non_null(n);
	assert_int_equal(n->place, POLICY_OUT);
	return (unsigned)(n - m->n);
}

/* S3-FIFO's EVICTS: who was used twice moves on, the first of the others goes. */
static void what_is_not_used_twice_leaves_the_small_queue(void **state)
{
	struct many *m = *state;
	assert_null(policy_victim(&m->p, 0));
	for (unsigned i = 0; i < 5; i++)
		add(m, i, 1, 0);
	use(m, 0, 2);
	use(m, 1, 1);
	assert_int_equal(victim(m, 0), 1);
	assert_int_equal(m->n[0].place, POLICY_MAIN);
	assert_int_equal(atomic_load(&m->n[0].uses), 0); /* they were its fare */
	assert_int_equal(victim(m, 0), 2);
	policy_remove(&m->p, &m->n[3]);
	policy_remove(&m->p, &m->n[3]); /* no-op */
	assert_int_equal(victim(m, 0), 4);
	assert_int_equal(victim(m, 0), 0); /* the small queue is empty */
	assert_null(policy_victim(&m->p, 0));
	assert_int_equal(m->p.n, 0);
	assert_int_equal(m->p.small.bytes + m->p.main.bytes, 0);
}

/* EVICTM: a use buys a round, three at most. */
static void uses_buy_rounds_in_the_main_queue(void **state)
{
	struct many *m = *state;
	for (unsigned i = 0; i < 4; i++)
		restore(m, i, 1, 0);
	use(m, 0, 50);
	use(m, 1, 1);
	assert_int_equal(victim(m, 0), 2);
	assert_int_equal(victim(m, 0), 3);
	assert_int_equal(victim(m, 0), 1);
	use(m, 0, 1);
	assert_int_equal(atomic_load(&m->n[0].uses), 2); /* of three, two are spent and one is new */
	assert_int_equal(victim(m, 0), 0);
}

/* INSERT: a ghost enters the main queue. Bytes bound how long it is one: nine tenths of what is held. */
static void who_comes_back_enters_the_main_queue(void **state)
{
	struct many *m = *state;
	for (unsigned i = 0; i < 20; i++)
		add(m, i, 1, 0);
	assert_int_equal(victim(m, 0), 0);
	assert_int_equal(victim(m, 0), 1);
	add(m, 1, 1, 0);
	assert_int_equal(m->n[1].place, POLICY_MAIN);
	add(m, 20, 1, 0);
	assert_int_equal(m->n[20].place, POLICY_SMALL);
	for (unsigned i = 2; i < 12; i++)
		assert_int_equal(victim(m, 0), i);
	/* Held are ten, so the last nine blocks to leave are ghosts: those of 3 to 11. */
	add(m, 2, 1, 0);
	assert_int_equal(m->n[2].place, POLICY_SMALL);
	add(m, 11, 1, 0);
	assert_int_equal(m->n[11].place, POLICY_MAIN);
	/* Who leaves the main queue is no ghost; neither is who was removed. */
	policy_remove(&m->p, &m->n[12]);
	add(m, 12, 1, 0);
	assert_int_equal(m->n[12].place, POLICY_SMALL);
}

/* The small queue has a tenth of the bytes: past that it is the one that gives, below it the main one. */
static void the_small_queue_has_a_tenth_of_the_bytes(void **state)
{
	struct many *m = *state;
	for (unsigned i = 0; i < 9; i++)
		restore(m, i, 100, 0);
	add(m, 10, 99, 0);
	assert_int_equal(victim(m, 0), 0); /* 99 of 999 */
	add(m, 11, 1, 0);
	assert_int_equal(victim(m, 0), 10); /* 100 of 900 */
	assert_int_equal(victim(m, 0), 1);
}

/* A scan as long as the disk passes through the small queue and leaves the rest alone. */
static void a_scan_does_not_touch_what_is_used(void **state)
{
	struct many *m = *state;
	for (unsigned i = 0; i < 9; i++)
		restore(m, i, 1, 0);
	for (unsigned i = 9; i < N; i++) {
		add(m, i, 1, 0);
		if (m->p.n > 10)
			assert_in_range(victim(m, 0), 9, N);
	}
	for (unsigned i = 0; i < 9; i++)
		assert_int_equal(m->n[i].place, POLICY_MAIN);
}

/* The search for a victim ends under the lock, even when all are used: with the least used it saw. */
static void a_search_has_a_bound(void **state)
{
	struct many *m = *state;
	enum { MANY = 5000 };
	struct policy_node *n = calloc(MANY, sizeof(*n));
	assert_non_null(n);
	for (unsigned i = 0; i < MANY; i++) {
		policy_restore(&m->p, &n[i], hash_mix(i), BLOCK, 0);
		for (unsigned j = 0; j < (i == 700 ? 2 : 3); j++)
			policy_used(&n[i]);
	}
	assert_ptr_equal(policy_victim(&m->p, 9), &n[700]);
	assert_ptr_equal(TAILQ_FIRST(&m->p.main.order), &n[1024]);
	for (unsigned i = 0; i < MANY; i++)
		policy_remove(&m->p, &n[i]);
	assert_int_equal(m->p.n, 0);
	free(n);
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

static void the_age_of_what_goes_next(void **state)
{
	struct many *m = *state;
	assert_int_equal(policy_evict_age_s(&m->p, 5), UINT32_MAX);
	add(m, 0, 1, 10);
	add(m, 1, 1, 20);
	assert_int_equal(policy_evict_age_s(&m->p, 50), 40);
	assert_int_equal(policy_evict_age_s(&m->p, 5), 0); /* a second may pass between two threads' looks */
	use(m, 0, 2);
	assert_int_equal(victim(m, 60), 1); /* the first moved on */
	assert_int_equal(policy_evict_age_s(&m->p, 70), 10);
	/* By bytes: 10 s of one block, 2 s of three. */
	add(m, 2, 3, 68);
	assert_int_equal(policy_evict_age_s(&m->p, 70), 4);
	assert_false(policy_evicts(900, 1000));
	assert_true(policy_evicts(901, 1000));
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, make, end)
	const struct CMUnitTest tests[] = {
		CASE(what_is_not_used_twice_leaves_the_small_queue),
		CASE(uses_buy_rounds_in_the_main_queue),
		CASE(who_comes_back_enters_the_main_queue),
		CASE(the_small_queue_has_a_tenth_of_the_bytes),
		CASE(a_scan_does_not_touch_what_is_used),
		CASE(a_search_has_a_bound),
		CASE(test_water_marks),
		CASE(the_age_of_what_goes_next),
	};
	return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
