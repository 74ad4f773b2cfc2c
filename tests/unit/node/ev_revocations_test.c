/* Revocations between workers' threads, control's loop and a real replica; control itself is played by the
 * test. */
#include "node/ev_revocations.h"

#include "node/ev_mailbox.h"
#include "pair.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { OWN_MAX = 600, THREADS = 4 };

struct world {
	struct pair pair;
	struct ev_loop *loop;
	struct mailbox mailbox;
	struct revoked *set;
	struct revocations *revocations;
	unsigned puts, deletes;
};

static struct world *w; /* of the running test */
static uint64_t wall_ms;

static uint64_t now_wall_ms(void)
{
	return wall_ms;
}

/* -- control, as far as it is asked -- */

const struct kvs *control_kvs(const struct control *c)
{
	(void)c;
	return w->pair.nodes[0].k;
}

static void put(enum kvs_input_kind kind, struct bytes key, struct bytes value)
{
	struct kvs_input in = { .kind = kind };
	in.put.stream = RPC_LOCATIONS;
	in.put.key = key;
	in.put.value = value;
	pair_step(&w->pair, 0, &in);
}

void control_put(struct control *c, struct bytes key, struct bytes value)
{
	(void)c;
	w->puts++;
	put(KVS_IN_PUT, key, value);
}

void control_delete(struct control *c, struct bytes key)
{
	(void)c;
	w->deletes++;
	put(KVS_IN_DELETE, key, BYTES_NONE);
}

/* -- life -- */

static void start(void)
{
	struct revocations_config c = {
		.set = w->set,
		.mailbox = &w->mailbox,
		.loop = w->loop,
		.self = w->pair.nodes[0].id,
		.own_max = OWN_MAX,
		.read_every_ms = 1,
		.now_wall_ms = now_wall_ms,
	};
	w->revocations = revocations_start(&c);
}

static int setup(void **state)
{
	(void)state;
	w = calloc(1, sizeof(*w));
	assert_non_null(w);
	wall_ms = 1000000;
	w->loop = ev_loop_new(EVFLAG_AUTO);
	mailbox_init(&w->mailbox, w->loop);
	pair_init(&w->pair);
	for (size_t i = 0; i < 2; i++) {
		struct kvs_config c = pair_config(i);
		pair_start(&w->pair, i, &c);
	}
	w->set = revoked_new();
	start();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	revocations_stop(w->revocations);
	revoked_free(w->set);
	pair_fini(&w->pair);
	mailbox_fini(&w->mailbox);
	ev_loop_destroy(w->loop);
	free(w);
	return 0;
}

static struct rpc_session_id id_of(uint32_t n)
{
	struct rpc_session_id id = { { 0 } };
	memcpy(id.b, &n, sizeof(n));
	return id;
}

static enum err add(uint32_t n, uint64_t not_after_s)
{
	struct rpc_session_id id = id_of(n);
	return revocations_add(w->revocations, &id, not_after_s);
}

static bool has(uint32_t n)
{
	struct rpc_session_id id = id_of(n);
	return revoked_has(w->set, &id);
}

/* Lets the loop come round until the timer has fired that often, at least. */
static void rounds(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		ev_run(w->loop, EVRUN_ONCE);
	pair_run(&w->pair, w->pair.now_ms + 10);
}

/* -- tests -- */

static void an_own_one_holds_at_once_and_becomes_an_entry(void **state)
{
	(void)state;
	assert_int_equal(add(1, 2000), OK);
	assert_true(has(1));
	assert_int_equal(w->puts, 0); /* control writes, not the worker */
	assert_int_equal(add(1, 2000), OK);
	rounds(2);
	assert_int_equal(w->puts, 1);
	uint8_t key[RPC_REVOCATION_KEY_BYTES];
	struct rpc_session_id id = id_of(1);
	struct rpc_entry e;
	rpc_revocation_key(&id, key);
	assert_true(
	    kvs_entry_of(control_kvs(NULL), &w->pair.nodes[0].id, RPC_LOCATIONS, bytes_of(key, sizeof(key)), &e));
}

static void others_entries_are_taken_into_the_set(void **state)
{
	(void)state;
	uint8_t key[RPC_REVOCATION_KEY_BYTES];
	struct rpc_session_id id = id_of(5);
	struct buf value;
	struct kvs_input in = { .kind = KVS_IN_PUT };
	rpc_revocation_key(&id, key);
	buf_init(&value, RPC_VALUE_MAX);
	assert_int_equal(rpc_encode_revocation(2000, &value), OK);
	in.put.stream = RPC_LOCATIONS;
	in.put.key = bytes_of(key, sizeof(key));
	in.put.value = buf_bytes(&value);
	pair_link(&w->pair, 0, 1);
	pair_step(&w->pair, 1, &in);
	buf_fini(&value);
	pair_run(&w->pair, w->pair.now_ms + 3000);
	assert_false(has(5));
	rounds(3);
	assert_true(has(5));
	assert_int_equal(w->puts, 0); /* it has an owner already */
	assert_int_equal(add(5, 2000), OK);
	rounds(3);
	assert_int_equal(w->puts, 0);
}

static void what_has_ended_is_deleted_once(void **state)
{
	(void)state;
	assert_int_equal(add(1, 1001), OK);
	assert_int_equal(add(2, 5000), OK);
	rounds(100);
	assert_int_equal(w->deletes, 0);
	wall_ms = 1002000;
	w->pair.nodes[0].hold_store = true; /* the deletion is not stored for a while */
	rounds(200);
	assert_int_equal(w->deletes, 1);
	w->pair.nodes[0].hold_store = false;
	pair_store(&w->pair, 0);
	rounds(200);
	assert_int_equal(w->deletes, 1);
	assert_true(has(2));
	wall_ms = 5001000;
	rounds(200);
	assert_int_equal(w->deletes, 2);
	rounds(300);
	assert_false(has(1) || has(2));
}

static void own_ones_are_bounded_over_a_restart(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < OWN_MAX; i++)
		assert_int_equal(add(i, i == 0 ? 1001 : 5000), OK);
	assert_int_equal(add(OWN_MAX, 5000), ERR_FULL);
	assert_false(has(OWN_MAX));
	assert_int_equal(add(3, 5000), OK); /* it is in already */
	rounds(5);
	revocations_stop(w->revocations);
	revoked_free(w->set);
	w->set = revoked_new();
	start();
	assert_true(has(0) && has(OWN_MAX - 1));
	assert_int_equal(add(OWN_MAX, 5000), ERR_FULL);
	wall_ms = 1002000;
	rounds(200);
	assert_int_equal(w->deletes, 1);
	assert_int_equal(add(OWN_MAX, 5000), OK);
	assert_int_equal(add(OWN_MAX + 1, 5000), ERR_FULL);
}

struct worker {
	pthread_t thread;
	uint32_t from;
	unsigned taken, full;
};

static void *add_many(void *arg)
{
	struct worker *own = arg;
	for (uint32_t i = 0; i < OWN_MAX; i++) {
		enum err e = add(own->from + i, 5000);
		own->taken += e == OK;
		own->full += e == ERR_FULL;
	}
	return NULL;
}

static void workers_together_keep_the_bound(void **state)
{
	(void)state;
	struct worker own[THREADS];
	unsigned taken = 0;
	for (uint32_t i = 0; i < THREADS; i++) {
		own[i] = (struct worker){ .from = i * 10000 };
		assert_int_equal(pthread_create(&own[i].thread, NULL, add_many, &own[i]), 0);
	}
	for (size_t i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(own[i].thread, NULL), 0);
		assert_int_equal(own[i].taken + own[i].full, OWN_MAX);
		taken += own[i].taken;
	}
	assert_int_equal(taken, OWN_MAX);
	rounds(5);
	assert_int_equal(w->puts, OWN_MAX);
	assert_int_equal(revoked_n(w->set), OWN_MAX);
}

/* Those that wait are written when it stops. */
static void the_last_ones_are_written(void **state)
{
	(void)state;
	assert_int_equal(add(1, 2000), OK);
	revocations_stop(w->revocations);
	w->revocations = NULL;
	assert_int_equal(w->puts, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_own_one_holds_at_once_and_becomes_an_entry, setup, teardown),
		cmocka_unit_test_setup_teardown(others_entries_are_taken_into_the_set, setup, teardown),
		cmocka_unit_test_setup_teardown(what_has_ended_is_deleted_once, setup, teardown),
		cmocka_unit_test_setup_teardown(own_ones_are_bounded_over_a_restart, setup, teardown),
		cmocka_unit_test_setup_teardown(workers_together_keep_the_bound, setup, teardown),
		cmocka_unit_test_setup_teardown(the_last_ones_are_written, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
