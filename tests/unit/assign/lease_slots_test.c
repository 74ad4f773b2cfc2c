#include "assign/lease_slots.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>

#include <cmocka.h>

static void takes_each_place_once_in_time(void **state)
{
	(void)state;
	struct lease_slots *s = lease_slots_new();
	struct lease_place p = { 1, 2, 3 };
	assert_int_equal(lease_slots_take(s, 5, 10, &p), LEASE_DRY_WAKE);
	assert_int_equal(p.index, 3);
	lease_slots_publish(s, 5, &(struct lease_batch){ 77, 9, 3, 100 });
	assert_int_equal(lease_slots_left(s, 5, 99), 3);
	assert_int_equal(lease_slots_left(s, 5, 100), 0);
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(lease_slots_take(s, 5, 99, &p), LEASE_TAKEN);
		assert_int_equal(p.incarnation, 77);
		assert_int_equal(p.batch, 9);
		assert_int_equal(p.index, i);
	}
	assert_int_equal(lease_slots_take(s, 5, 100, &p), LEASE_DRY); /* too late */
	assert_int_equal(lease_slots_take(s, 4, 99, &p), LEASE_DRY_WAKE);
	assert_int_equal(lease_slots_take(s, 5, 99, &p), LEASE_TAKEN);
	assert_int_equal(lease_slots_take(s, 5, 99, &p), LEASE_DRY);
	assert_int_equal(lease_slots_used(s, 5), 3);
	assert_int_equal(lease_slots_withdraw(s, 5), 3);
	assert_int_equal(lease_slots_withdraw(s, 5), 0);
	lease_slots_free(s);
}

static void fills_its_words_to_the_brim(void **state)
{
	(void)state;
	struct lease_slots *s = lease_slots_new();
	struct lease_place p;
	lease_slots_publish(
	    s, LEASE_SLOTS - 1, &(struct lease_batch){ UINT64_MAX, UINT32_MAX, LEASE_LIMIT_MAX, UINT64_MAX });
	for (uint32_t i = 0; i < LEASE_LIMIT_MAX; i++) {
		assert_int_equal(lease_slots_take(s, LEASE_SLOTS - 1, 1, &p), LEASE_TAKEN);
		assert_int_equal(p.index, i);
		assert_int_equal(p.batch, UINT32_MAX);
	}
	assert_int_equal(lease_slots_take(s, LEASE_SLOTS - 1, 1, &p), LEASE_DRY_WAKE);
	assert_int_equal(lease_slots_withdraw(s, LEASE_SLOTS - 1), LEASE_LIMIT_MAX);
	lease_slots_free(s);
}

static void wakes_control_once(void **state)
{
	(void)state;
	struct lease_slots *s = lease_slots_new();
	struct lease_place p;
	assert_false(lease_slots_ran_dry(s, 0));
	assert_true(lease_slots_miss(s, 0));
	assert_int_equal(lease_slots_take(s, 0, 1, &p), LEASE_DRY);
	assert_false(lease_slots_miss(s, 0));
	assert_true(lease_slots_ran_dry(s, 0));
	assert_int_equal(lease_slots_hear(s, 0), 3);
	assert_false(lease_slots_ran_dry(s, 0));
	assert_int_equal(lease_slots_take(s, 0, 1, &p), LEASE_DRY_WAKE);
	lease_slots_free(s);
}

static void a_node_without_a_slot_is_dry(void **state)
{
	(void)state;
	struct lease_slots *s = lease_slots_new();
	struct lease_place p;
	assert_int_equal(lease_slots_take(s, LEASE_SLOTS, 1, &p), LEASE_DRY);
	assert_false(lease_slots_miss(s, LEASE_SLOTS));
	assert_int_equal(lease_slots_left(s, LEASE_SLOTS, 1), 0);
	assert_false(lease_slots_ran_dry(s, UINT32_MAX));
	lease_slots_free(s);
}

/* -- between threads -- */

enum { THREADS = 3, BATCHES = 10000, INDICES = 64, SLOT = 17 };

struct race {
	struct lease_slots *slots;
	_Atomic uint64_t now_ms;
	atomic_bool over;
	atomic_uint wrong;                   /* cannot assert outside of the main thread */
	_Atomic uint64_t taken[BATCHES + 1]; /* a bit an index */
	/* Control's until the threads are joined, written before the batch is published. */
	uint64_t until_ms[BATCHES + 1];
	uint32_t used[BATCHES + 1];
};

static uint64_t incarnation_of(uint32_t batch)
{
	return batch * 0x9e3779b97f4a7c15u;
}

static void *take_many(void *arg)
{
	struct race *r = arg;
	while (!atomic_load(&r->over)) {
		struct lease_place p;
		uint64_t now_ms = atomic_load(&r->now_ms);
		if (lease_slots_take(r->slots, SLOT, now_ms, &p) != LEASE_TAKEN)
			continue;
		bool right = p.batch <= BATCHES && p.index < INDICES && p.incarnation == incarnation_of(p.batch) &&
		             now_ms < r->until_ms[p.batch];
		if (!right || (atomic_fetch_or(&r->taken[p.batch], 1ull << p.index) >> p.index & 1) != 0)
			atomic_fetch_add(&r->wrong, 1);
	}
	return NULL;
}

/* Batches come and go, by withdrawal at any moment and by time, while threads take from them. */
static void no_place_is_taken_twice_or_late(void **state)
{
	(void)state;
	static struct race r;
	r.slots = lease_slots_new();
	atomic_store(&r.now_ms, 1);
	pthread_t threads[THREADS];
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, take_many, &r), 0);
	uint64_t places = 0;
	for (uint32_t b = 1; b <= BATCHES; b++) {
		uint64_t now_ms = atomic_load(&r.now_ms);
		uint32_t limit = 1 + b * 7 % INDICES;
		r.until_ms[b] = now_ms + (b % 16 == 4 ? 1 : b % 5); /* some are late from the start */
		lease_slots_publish(
		    r.slots, SLOT, &(struct lease_batch){ incarnation_of(b), b, limit, r.until_ms[b] });
		for (uint32_t i = 0; i < b % 50 && b % 16 != 4 && lease_slots_used(r.slots, SLOT) < limit; i++)
			if (i % 10 == 9)
				atomic_fetch_add(&r.now_ms, 1);
		/* Now and then whoever may be off the processor gets its turn. */
		while (b % 16 == 4 && lease_slots_used(r.slots, SLOT) == 0)
			sched_yield();
		r.used[b] = lease_slots_withdraw(r.slots, SLOT);
		atomic_fetch_add(&r.now_ms, b % 2);
		places += r.used[b];
	}
	atomic_store(&r.over, true);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&r.wrong), 0);
	for (uint32_t b = 1; b <= BATCHES; b++) {
		/* What control was told is final, and exact: the indices below it, no more and no fewer. */
		uint64_t all = r.used[b] == INDICES ? UINT64_MAX : (1ull << r.used[b]) - 1;
		assert_true(atomic_load(&r.taken[b]) == all);
	}
	assert_true(places >= BATCHES / 16);
	lease_slots_free(r.slots);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_each_place_once_in_time),
		cmocka_unit_test(fills_its_words_to_the_brim),
		cmocka_unit_test(wakes_control_once),
		cmocka_unit_test(a_node_without_a_slot_is_dry),
		cmocka_unit_test(no_place_is_taken_twice_or_late),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
