/* I9 between peers: what has to be named, and when nobody may be asked. */
#include "node/origin/ev_purged.h"

#include "base/check.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { KEPT_MS = 1000 };

static int setup(void **state)
{
	*state = purged_new(KEPT_MS);
	return 0;
}

static int teardown(void **state)
{
	purged_free(*state);
	return 0;
}

static struct rpc_command_id id_of(unsigned n)
{
	struct rpc_command_id id = { { (uint8_t)n, (uint8_t)(n >> 8) } };
	return id;
}

static void begin(struct purged *p, unsigned n, const char *content, uint64_t now_ms)
{
	struct rpc_command_id id = id_of(n);
	purged_begin(p, &id, bytes_str(content), now_ms);
}

/* How many have to be named for an object of lv1; -1: nobody may be asked. */
static int names(struct purged *p, const char *object, uint64_t now_ms)
{
	struct rpc_command_id out[PURGED_NAMED_MAX];
	size_t n = 77;
	if (!purged_names(p, BYTES_LIT("lv1"), bytes_str(object), now_ms, out, &n)) {
		assert_int_equal(n, 77);
		return -1;
	}
	return (int)n;
}

static bool has(struct purged *p, unsigned n)
{
	struct rpc_command_id id = id_of(n);
	return purged_has(p, &id);
}

static void test_nobody_is_asked_before_all_purges_are_known(void **state)
{
	assert_int_equal(names(*state, "lv1/a", 0), -1);
	purged_complete(*state);
	assert_int_equal(names(*state, "lv1/a", 0), 0);
	purged_doubt(*state);
	assert_int_equal(names(*state, "lv1/a", 0), -1);
}

static void test_purges_of_that_object_are_named(void **state)
{
	struct purged *p = *state;
	struct rpc_command_id out[PURGED_NAMED_MAX], first = id_of(1);
	size_t n;
	purged_complete(p);
	begin(p, 1, "lv1", 0);
	begin(p, 2, "lv2", 0);
	begin(p, 3, "lv1/v", 0);       /* a folder of it */
	begin(p, 4, "lv1/v/a.m4s", 0); /* the object */
	begin(p, 5, "lv1/v/b.m4s", 0);
	assert_int_equal(names(p, "lv1/v/a.m4s", 0), 3);
	assert_true(purged_names(p, BYTES_LIT("lv1"), BYTES_LIT("lv1/x"), 0, out, &n));
	assert_int_equal(n, 1);
	assert_memory_equal(out[0].b, first.b, sizeof(first.b));
	begin(p, 1, "lv1", 0); /* known already */
	assert_int_equal(names(p, "lv1/x", 0), 1);
}

static void test_applied_is_what_was_done(void **state)
{
	struct purged *p = *state;
	struct rpc_command_id id = id_of(1);
	assert_false(has(p, 1));
	begin(p, 1, "lv1", 0);
	assert_false(has(p, 1)); /* it may still be held */
	purged_done(p, &id);
	assert_true(has(p, 1));
	assert_false(has(p, 2));
}

static void test_more_than_can_be_named(void **state)
{
	purged_complete(*state);
	for (unsigned i = 0; i < PURGED_NAMED_MAX; i++)
		begin(*state, i, "lv1", 0);
	assert_int_equal(names(*state, "lv1/a", 0), PURGED_NAMED_MAX);
	begin(*state, PURGED_NAMED_MAX, "lv1", 0);
	assert_int_equal(names(*state, "lv1/a", 0), -1);
	assert_int_equal(names(*state, "lv3/a", 0), -1); /* filled for lv1 all the same */
}

static void test_what_was_dropped_counts_while_the_replica_has_it(void **state)
{
	struct purged *p = *state;
	char other[16];
	purged_complete(p);
	begin(p, 0, "lv1", 500);
	for (unsigned i = 1; i <= PURGED_MAX; i++) {
		(void)snprintf(other, sizeof(other), "other%u", i);
		if (i == PURGED_MAX)
			assert_int_equal(names(p, "lv1/a", 600), 1);
		begin(p, i, other, 600);
	}
	assert_int_equal(names(p, "lv1/a", 500 + KEPT_MS - 1), -1);
	assert_int_equal(names(p, "lv1/a", 500 + KEPT_MS), 0);
}

static void *look(void *arg)
{
	for (unsigned i = 0; i < 500; i++)
		CHECK(names(arg, "lv1/a", 0) >= 0 && !has(arg, 9999));
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t threads[2];
	purged_complete(*state);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, look, *state), 0);
	for (unsigned i = 0; i < 300; i++) {
		struct rpc_command_id id = id_of(i);
		begin(*state, i, i < 4 ? "lv1" : "lv2", 0);
		purged_done(*state, &id);
	}
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(names(*state, "lv1/a", 0), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		CASE(test_nobody_is_asked_before_all_purges_are_known),
		CASE(test_purges_of_that_object_are_named),
		CASE(test_applied_is_what_was_done),
		CASE(test_more_than_can_be_named),
		CASE(test_what_was_dropped_counts_while_the_replica_has_it),
		CASE(test_threads),
	};
	return cmocka_run_group_tests_name("ev_purged", tests, NULL, NULL);
}
