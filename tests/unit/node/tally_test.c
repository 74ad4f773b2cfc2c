#include "node/tally.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { THREADS = 4, ADDS = 20000 };

static struct node_id id_of(unsigned i)
{
	struct node_id id = { { 0 } };
	/* Neither rising nor falling. */
	id.b[0] = (uint8_t)(i * 37);
	memcpy(id.b + 1, &i, sizeof(i));
	return id;
}

static void slots_are_stable_and_bounded(void **state)
{
	(void)state;
	struct tally *t = tally_new();
	for (unsigned i = 0; i < TALLY_SLOTS; i++) {
		struct node_id id = id_of(i);
		assert_int_equal(tally_slot(t, &id), i);
	}
	for (unsigned i = 0; i < TALLY_SLOTS; i++) {
		struct node_id id = id_of(i);
		assert_int_equal(tally_slot(t, &id), i);
	}
	struct node_id more = id_of(TALLY_SLOTS);
	assert_int_equal(tally_slot(t, &more), TALLY_NO_SLOT);
	tally_add(t, TALLY_NO_SLOT, 1);
	assert_int_equal(tally_recent(t, TALLY_NO_SLOT, 1, 10), 0);
	tally_free(t);
}

static void counts_within_the_window(void **state)
{
	(void)state;
	struct tally *t = tally_new();
	for (uint64_t s = 100; s < 110; s++)
		tally_add(t, 3, s);
	tally_add(t, 3, 109);
	tally_add(t, 4, 109);
	assert_int_equal(tally_recent(t, 3, 109, 1), 2);
	assert_int_equal(tally_recent(t, 3, 109, 2), 3);
	assert_int_equal(tally_recent(t, 3, 109, 30), 11);
	assert_int_equal(tally_recent(t, 4, 109, 30), 1);
	assert_int_equal(tally_recent(t, 5, 109, 30), 0);
	assert_int_equal(tally_recent(t, 3, 109, 0), 0);
	assert_int_equal(tally_recent(t, 3, 112, 5), 3);
	assert_int_equal(tally_recent(t, 3, 200, 30), 0);
	tally_free(t);
}

static void forgets_a_bucket_that_is_used_again(void **state)
{
	(void)state;
	struct tally *t = tally_new();
	tally_add(t, 0, 5);
	tally_add(t, 0, 5 + TALLY_SECONDS);
	assert_int_equal(tally_recent(t, 0, 5 + TALLY_SECONDS, 1), 1);
	assert_int_equal(tally_recent(t, 0, 5 + TALLY_SECONDS, 1000), 1);
	/* A thread that was held up for a minute does not wipe the newer count. */
	tally_add(t, 0, 5);
	assert_int_equal(tally_recent(t, 0, 5 + TALLY_SECONDS, 1), 1);
	/* The first second of a machine's life. */
	assert_int_equal(tally_recent(t, 1, 0, 30), 0);
	tally_add(t, 1, 0);
	assert_int_equal(tally_recent(t, 1, 0, 30), 1);
	tally_free(t);
}

static void *add_many(void *arg)
{
	for (unsigned i = 0; i < ADDS; i++)
		tally_add(arg, 7, 1000 + i / (ADDS / 4));
	return NULL;
}

static void loses_no_count_between_threads(void **state)
{
	(void)state;
	struct tally *t = tally_new();
	pthread_t threads[THREADS];
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, add_many, t), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(tally_recent(t, 7, 1003, 4), THREADS * ADDS);
	tally_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slots_are_stable_and_bounded),
		cmocka_unit_test(counts_within_the_window),
		cmocka_unit_test(forgets_a_bucket_that_is_used_again),
		cmocka_unit_test(loses_no_count_between_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
