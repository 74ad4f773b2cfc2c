/* The shared set: asked by many threads while it changes. */
#include "node/ev_revoked.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { THREADS = 3, IDS = 5000 };

static struct rpc_session_id id_of(uint32_t n)
{
	struct rpc_session_id id = { { 0 } };
	memcpy(id.b, &n, sizeof(n));
	return id;
}

struct asking {
	pthread_t thread;
	struct revoked *set;
	atomic_uint *added; /* so many are in it for good */
	unsigned missed;
};

static void *ask(void *arg)
{
	struct asking *w = arg;
	unsigned added;
	do {
		added = atomic_load(w->added);
		for (uint32_t i = 0; i < added; i += 7) {
			struct rpc_session_id id = id_of(i);
			w->missed += !revoked_has(w->set, &id);
		}
	} while (added < IDS);
	return NULL;
}

static void none_is_missed_while_it_changes(void **state)
{
	(void)state;
	struct revoked *set = revoked_new();
	struct asking w[THREADS];
	atomic_uint added = 0;
	for (int i = 0; i < THREADS; i++) {
		w[i] = (struct asking){ .set = set, .added = &added };
		assert_int_equal(pthread_create(&w[i].thread, NULL, ask, &w[i]), 0);
	}
	for (uint32_t i = 0; i < IDS; i++) {
		struct rpc_session_id lasting = id_of(i), passing = id_of(IDS + i);
		assert_true(revoked_add(set, &lasting, 1000000) && revoked_add(set, &passing, i + 1));
		atomic_store(&added, i + 1);
		if (i % 100 == 0)
			revoked_expire(set, i);
	}
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(w[i].thread, NULL), 0);
		assert_int_equal(w[i].missed, 0);
	}
	revoked_expire(set, 2 * IDS);
	assert_int_equal(revoked_n(set), IDS);
	revoked_expire(set, 1000001);
	assert_int_equal(revoked_n(set), 0);
	struct rpc_session_id id = id_of(0);
	assert_false(revoked_has(set, &id));
	revoked_free(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(none_is_missed_while_it_changes) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
