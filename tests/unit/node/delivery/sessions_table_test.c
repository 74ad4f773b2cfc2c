/* The table of sessions in virtual time. */
#include "node/delivery/sessions_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct rpc_session_id id_of(unsigned n)
{
	struct rpc_session_id id = { { 0 } };
	memcpy(id.b, &n, sizeof(n));
	return id;
}

static struct rpc_session_id ids[4];

static int setup(void **state)
{
	static struct sessions_table t;
	sessions_table_init(&t);
	for (unsigned i = 0; i < 4; i++)
		ids[i] = id_of(i);
	*state = &t;
	return 0;
}

static int teardown(void **state)
{
	sessions_table_fini(*state);
	return 0;
}

static void starts_once_and_is_refreshed(void **state)
{
	struct sessions_table *t = *state;
	assert_false(sessions_table_refresh(t, &ids[0], 1000, true));
	sessions_table_start(t, &ids[0], 4500, NULL, 1000);
	assert_true(sessions_table_refresh(t, &ids[0], 2000, true));
	assert_false(sessions_table_refresh(t, &ids[1], 2000, true));
	assert_int_equal(t->n, 1);
}

static void an_end_tells_the_totals(void **state)
{
	struct sessions_table *t = *state;
	sessions_table_start(t, &ids[0], 4500, NULL, 1000);
	assert_true(sessions_table_refresh(t, &ids[0], 1500, true));
	assert_true(sessions_table_refresh(t, &ids[0], 1600, false));
	assert_true(sessions_table_account(t, &ids[0], 100, true, 1700));
	assert_true(sessions_table_account(t, &ids[0], 11, false, 1700));
	assert_false(sessions_table_account(t, &ids[1], 5, false, 1700));
	struct session_end end;
	assert_true(sessions_table_end(t, &ids[0], 4000, &end));
	assert_memory_equal(end.id.b, ids[0].b, sizeof(end.id.b));
	assert_int_equal(end.started_ms, 1000);
	assert_int_equal(end.ended_ms, 4000);
	assert_int_equal(end.bytes, 111);
	assert_int_equal(end.kbps, 4500);
	assert_int_equal(end.hit_bytes, 100);
	assert_int_equal(end.requests, 2); /* a heartbeat is none */
	assert_false(end.idle);
	assert_false(sessions_table_end(t, &ids[0], 4000, &end));
	assert_int_equal(t->n, 0);
}

static void idle_ones_end_in_the_order_of_their_last_sign(void **state)
{
	struct sessions_table *t = *state;
	for (unsigned i = 0; i < 3; i++)
		sessions_table_start(t, &ids[i], 4500, NULL, 1000 + i);
	assert_true(sessions_table_refresh(t, &ids[0], 5000, false));
	struct session_end end;
	assert_false(sessions_table_expire(t, 11000, 10000, &end));
	assert_true(sessions_table_expire(t, 11001, 10000, &end));
	assert_memory_equal(end.id.b, ids[1].b, sizeof(end.id.b));
	assert_true(end.idle);
	assert_int_equal(end.ended_ms, 11001);
	assert_false(sessions_table_expire(t, 11001, 10000, &end));
	assert_true(sessions_table_expire(t, 20000, 10000, &end));
	assert_memory_equal(end.id.b, ids[2].b, sizeof(end.id.b));
	assert_true(sessions_table_expire(t, 20000, 10000, &end));
	assert_memory_equal(end.id.b, ids[0].b, sizeof(end.id.b));
	assert_int_equal(t->n, 0);
	/* An answer's end is a sign, too. */
	sessions_table_start(t, &ids[1], 0, NULL, 21000);
	sessions_table_start(t, &ids[2], 0, NULL, 22000);
	assert_true(sessions_table_account(t, &ids[1], 0, false, 23000));
	assert_true(sessions_table_expire(t, 32000, 10000, &end));
	assert_memory_equal(end.id.b, ids[2].b, sizeof(end.id.b));
	assert_true(sessions_table_expire(t, 33000, 10000, &end));
	assert_memory_equal(end.id.b, ids[1].b, sizeof(end.id.b));
	/* It starts anew afterwards. */
	sessions_table_start(t, &ids[0], 4500, NULL, 30000);
	assert_true(sessions_table_end(t, &ids[0], 30001, &end));
	assert_int_equal(end.started_ms, 30000);
	assert_int_equal(end.bytes, 0);
}

static void a_clock_that_steps_back_ends_nothing_early(void **state)
{
	struct sessions_table *t = *state;
	sessions_table_start(t, &ids[0], 4500, NULL, 2000);
	sessions_table_start(t, &ids[1], 4500, NULL, 1990); /* another worker's turn began earlier */
	struct session_end end;
	assert_false(sessions_table_expire(t, 1000, 10, &end));
	assert_false(sessions_table_expire(t, 2009, 10, &end));
	assert_true(sessions_table_expire(t, 2010, 10, &end));
	assert_memory_equal(end.id.b, ids[0].b, sizeof(end.id.b));
	assert_true(sessions_table_expire(t, 2010, 10, &end));
	assert_memory_equal(end.id.b, ids[1].b, sizeof(end.id.b));
}

static void many_are_found_while_it_grows_and_shrinks(void **state)
{
	struct sessions_table *t = *state;
	enum { MANY = 5000 };
	for (unsigned i = 0; i < MANY; i++) {
		struct rpc_session_id id = id_of(i);
		sessions_table_start(t, &id, 4500, NULL, i);
	}
	assert_int_equal(t->n, MANY);
	for (unsigned i = 0; i < MANY; i += 2) {
		struct rpc_session_id id = id_of(i);
		assert_true(sessions_table_end(t, &id, MANY, NULL));
	}
	for (unsigned i = 0; i < MANY; i++) {
		struct rpc_session_id id = id_of(i);
		assert_int_equal(sessions_table_account(t, &id, 1, false, i), i % 2);
	}
	struct session_end end;
	for (unsigned i = 1; i < MANY; i += 2) {
		struct rpc_session_id id = id_of(i);
		assert_true(sessions_table_expire(t, 2 * MANY, 1, &end));
		assert_memory_equal(end.id.b, id.b, sizeof(id.b));
		assert_int_equal(end.bytes, 1);
	}
	assert_false(sessions_table_expire(t, 2 * MANY, 1, &end));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(starts_once_and_is_refreshed),
		T(an_end_tells_the_totals),
		T(idle_ones_end_in_the_order_of_their_last_sign),
		T(a_clock_that_steps_back_ends_nothing_early),
		T(many_are_found_while_it_grows_and_shrinks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
