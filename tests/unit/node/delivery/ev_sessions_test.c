/* The sessions of a node as its workers see them: bounded, and right from several threads. */
#include "room.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { IDLE_MS = 1000 };

static struct rpc_session_id id_of(unsigned n)
{
	struct rpc_session_id id = { { 0 } };
	memcpy(id.b, &n, sizeof(n));
	return id;
}

static bool touch(struct sessions *s, const struct rpc_session_id *id, uint64_t now_ms)
{
	return sessions_touch(s, id, NULL, now_ms) != SESSION_FULL;
}

struct told {
	size_t n, idle;
	uint64_t bytes, hit_bytes, requests;
};

static void tell(void *arg, const struct session_end *e)
{
	struct told *told = arg;
	told->n++;
	told->idle += e->idle;
	told->bytes += e->bytes;
	told->hit_bytes += e->hit_bytes;
	told->requests += e->requests;
}

static void past_the_bound_none_starts(void **state)
{
	(void)state;
	struct room room;
	struct sessions *s = sessions_new(room_gate(&room, 3), IDLE_MS);
	struct rpc_session_id id[5];
	for (unsigned i = 0; i < 5; i++)
		id[i] = id_of(i);
	for (unsigned i = 0; i < 3; i++)
		assert_true(touch(s, &id[i], 100));
	assert_false(touch(s, &id[3], 100));
	assert_true(touch(s, &id[0], 100)); /* who is in stays in */
	assert_int_equal(sessions_active(s), 3);
	assert_true(sessions_end(s, &id[1], 200, NULL));
	assert_false(sessions_end(s, &id[1], 200, NULL));
	assert_int_equal(sessions_active(s), 2);
	assert_true(touch(s, &id[3], 200));
	assert_false(touch(s, &id[4], 200));
	sessions_free(s);
}

static void only_a_start_asks_for_a_place(void **state)
{
	(void)state;
	struct room room;
	struct sessions *s = sessions_new(room_gate(&room, 1), IDLE_MS);
	struct rpc_session_id one = id_of(1), two = id_of(2);
	assert_int_equal(sessions_touch(s, &one, NULL, 0), SESSION_STARTED);
	assert_int_equal(sessions_touch(s, &one, NULL, 1), SESSION_ACTIVE);
	assert_int_equal(sessions_touch(s, &two, NULL, 1), SESSION_FULL);
	assert_int_equal(room.left, 0);
	assert_true(sessions_end(s, &one, 2, NULL));
	assert_int_equal(room.left, 1);
	assert_int_equal(sessions_touch(s, &two, NULL, 3), SESSION_STARTED);
	sessions_free(s);
}

static void a_heartbeat_refreshes_but_starts_none(void **state)
{
	(void)state;
	struct room room;
	struct sessions *s = sessions_new(room_gate(&room, 10), IDLE_MS);
	struct rpc_session_id id = id_of(1);
	struct told told = { 0 };
	assert_false(sessions_alive(s, &id, 0));
	assert_int_equal(sessions_active(s), 0);
	assert_true(touch(s, &id, 0));
	assert_true(sessions_alive(s, &id, 900));
	assert_int_equal(sessions_expire(s, 1899, 10, tell, &told), 0);
	assert_int_equal(sessions_expire(s, 1900, 10, tell, &told), 1);
	assert_int_equal(told.idle, 1);
	assert_int_equal(sessions_active(s), 0);
	/* Idleness gives back the place, not the right. */
	assert_true(touch(s, &id, 2000));
	assert_int_equal(sessions_active(s), 1);
	sessions_free(s);
}

static void while_the_node_drains_half_the_time_is_enough(void **state)
{
	(void)state;
	struct room room;
	struct sessions *s = sessions_new(room_gate(&room, 10), IDLE_MS);
	struct rpc_session_id id = id_of(1);
	struct told told = { 0 };
	assert_true(touch(s, &id, 0));
	assert_int_equal(sessions_expire(s, IDLE_MS / 2, 10, tell, &told), 0);
	sessions_set_draining(s, true);
	assert_int_equal(sessions_expire(s, IDLE_MS / 2 - 1, 10, tell, &told), 0);
	assert_int_equal(sessions_expire(s, IDLE_MS / 2, 10, tell, &told), 1);
	sessions_set_draining(s, false);
	assert_true(touch(s, &id, IDLE_MS));
	assert_int_equal(sessions_expire(s, IDLE_MS + IDLE_MS / 2, 10, tell, &told), 0);
	sessions_free(s);
}

static void a_call_ends_at_most_so_many(void **state)
{
	(void)state;
	enum { N = 2500 };
	struct room room;
	struct sessions *s = sessions_new(room_gate(&room, N), IDLE_MS);
	for (unsigned i = 0; i < N; i++) {
		struct rpc_session_id id = id_of(i);
		assert_true(touch(s, &id, 0));
		sessions_account(s, &id, 10, i % 2 == 0, 0);
	}
	struct told told = { 0 };
	assert_int_equal(sessions_expire(s, IDLE_MS, 100, tell, &told), 100);
	assert_int_equal(sessions_active(s), N - 100);
	assert_int_equal(sessions_expire(s, IDLE_MS, N, tell, &told), N - 100);
	assert_int_equal(sessions_expire(s, IDLE_MS, N, tell, &told), 0);
	assert_int_equal(sessions_active(s), 0);
	assert_int_equal(told.n, N);
	assert_int_equal(told.bytes, N * 10);
	assert_int_equal(told.hit_bytes, N * 5);
	assert_int_equal(told.requests, N);
	sessions_free(s);
}

enum { THREADS = 4, ROUNDS = 20000, BOUND = 300 };

struct worker {
	struct sessions *s;
	unsigned seed;
	uint64_t touched;
	struct told ended;
	atomic_bool *over;
};

static void *touch_and_end(void *arg)
{
	struct worker *w = arg;
	unsigned r = w->seed;
	for (unsigned i = 0; i < ROUNDS; i++) {
		r = r * 1664525u + 1013904223u;
		struct rpc_session_id id = id_of((r >> 16) % 1000);
		struct session_end end;
		if (touch(w->s, &id, i)) {
			w->touched++;
			sessions_account(w->s, &id, 1, true, i);
		}
		if (r % 7 == 0 && sessions_end(w->s, &id, i, &end))
			tell(&w->ended, &end);
		if (sessions_active(w->s) > BOUND)
			return "over the bound";
	}
	return NULL;
}

static void *expire(void *arg)
{
	struct worker *w = arg;
	for (uint64_t now_ms = 0; !atomic_load(w->over); now_ms += 10)
		sessions_expire(w->s, now_ms, 50, tell, &w->ended);
	return NULL;
}

static void threads_lose_no_session_and_keep_the_bound(void **state)
{
	(void)state;
	struct room room;
	struct sessions *s = sessions_new(room_gate(&room, BOUND), IDLE_MS);
	atomic_bool over = false;
	struct worker w[THREADS + 1];
	pthread_t thread[THREADS + 1];
	for (unsigned i = 0; i <= THREADS; i++) {
		w[i] = (struct worker){ .s = s, .seed = i, .over = &over };
		assert_int_equal(pthread_create(&thread[i], NULL, i < THREADS ? touch_and_end : expire, &w[i]), 0);
	}
	uint64_t touched = 0;
	struct told told = { 0 };
	for (unsigned i = 0; i <= THREADS; i++) {
		void *failure;
		if (i == THREADS)
			atomic_store(&over, true);
		assert_int_equal(pthread_join(thread[i], &failure), 0);
		assert_null(failure);
		touched += w[i].touched;
		told.requests += w[i].ended.requests;
	}
	sessions_expire(s, UINT64_MAX, BOUND, tell, &told);
	assert_int_equal(sessions_active(s), 0);
	assert_int_equal(told.requests, touched);
	sessions_free(s);
}

static void what_they_watch_is_known(void **state)
{
	(void)state;
	struct room room;
	struct sessions *s = sessions_new(room_gate(&room, 3), IDLE_MS);
	struct session_claim one = { .origin = BYTES_LIT("main"), .content = BYTES_LIT("lv1") };
	struct session_claim two = { .origin = BYTES_LIT("main"), .content = BYTES_LIT("lv2") };
	const struct session_claim *const claims[] = { &one, &two, &two, &one };
	struct rpc_session_id id[4];
	struct arena a;
	struct watched *w;
	size_t n;
	arena_init(&a, 1 << 16);
	for (unsigned i = 0; i < 4; i++) {
		id[i] = id_of(i);
		/* The last one finds no place, and is no viewer. */
		assert_int_equal(sessions_touch(s, &id[i], claims[i], 100), i < 3 ? SESSION_STARTED : SESSION_FULL);
	}
	assert_int_equal(sessions_watched(s, &a, &w, &n), OK);
	assert_int_equal(n, 2);
	assert_int_equal(w[0].viewers + w[1].viewers, 3);
	assert_true(sessions_end(s, &id[0], 200, NULL));
	assert_int_equal(sessions_watched(s, &a, &w, &n), OK);
	assert_int_equal(n, 1);
	assert_true(bytes_eq(w->content, BYTES_LIT("lv2")));
	struct told told = { 0 };
	assert_int_equal(sessions_expire(s, 100 + IDLE_MS, 8, tell, &told), 2);
	assert_int_equal(sessions_watched(s, &a, &w, &n), OK);
	assert_int_equal(n, 0);
	arena_fini(&a);
	sessions_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(past_the_bound_none_starts),
		cmocka_unit_test(only_a_start_asks_for_a_place),
		cmocka_unit_test(a_heartbeat_refreshes_but_starts_none),
		cmocka_unit_test(while_the_node_drains_half_the_time_is_enough),
		cmocka_unit_test(a_call_ends_at_most_so_many),
		cmocka_unit_test(what_they_watch_is_known),
		cmocka_unit_test(threads_lose_no_session_and_keep_the_bound),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
