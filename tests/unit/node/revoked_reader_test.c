/* What is read out of real replicas, whatever happened to their rows in between. */
#include "node/revoked_reader.h"

#include "base/prng.h"
#include "pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { NODES = 2, FOUND_MAX = 4096 };

struct world {
	struct pair pair;
	struct revoked_reader reader; /* of node 0 */
	struct rpc_session_id found[FOUND_MAX];
	uint64_t end_s[FOUND_MAX];
	size_t found_n;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	assert_non_null(w);
	pair_init(&w->pair);
	for (size_t i = 0; i < NODES; i++) {
		struct kvs_config c = pair_config(i);
		pair_start(&w->pair, i, &c);
	}
	pair_link(&w->pair, 0, 1);
	revoked_reader_init(&w->reader);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	revoked_reader_fini(&w->reader);
	pair_fini(&w->pair);
	free(w);
	return 0;
}

static struct rpc_session_id id_of(uint32_t n)
{
	struct rpc_session_id id = { { 0 } };
	memcpy(id.b, &n, sizeof(n));
	return id;
}

static void step(struct world *w, size_t node, enum kvs_input_kind kind, uint32_t n, uint64_t end_s)
{
	uint8_t key[RPC_REVOCATION_KEY_BYTES];
	struct rpc_session_id id = id_of(n);
	struct buf value;
	rpc_revocation_key(&id, key);
	buf_init(&value, RPC_VALUE_MAX);
	assert_int_equal(rpc_encode_revocation(end_s, &value), OK);
	struct kvs_input in = { .kind = kind };
	in.put.stream = RPC_LOCATIONS;
	in.put.key = bytes_of(key, sizeof(key));
	in.put.value = kind == KVS_IN_PUT ? buf_bytes(&value) : BYTES_NONE;
	pair_step(&w->pair, node, &in);
	buf_fini(&value);
}

static void revoke(struct world *w, size_t node, uint32_t n, uint64_t end_s)
{
	step(w, node, KVS_IN_PUT, n, end_s);
}

static void run(struct world *w)
{
	pair_run(&w->pair, w->pair.now_ms + 2000);
}

static void on_found(void *arg, const struct rpc_session_id *id, uint64_t end_s)
{
	struct world *w = arg;
	assert_true(w->found_n < FOUND_MAX);
	w->found[w->found_n] = *id;
	w->end_s[w->found_n++] = end_s;
}

static size_t read_all(struct world *w)
{
	w->found_n = 0;
	revoked_reader_read(&w->reader, w->pair.nodes[0].k, on_found, w);
	return w->found_n;
}

static void assert_found(const struct world *w, size_t at, uint32_t n, uint64_t end_s)
{
	struct rpc_session_id id = id_of(n);
	assert_memory_equal(w->found[at].b, id.b, sizeof(id.b));
	assert_int_equal(w->end_s[at], end_s);
}

static void each_is_read_once_whoevers_it_is(void **state)
{
	struct world *w = *state;
	run(w);
	assert_int_equal(read_all(w), 0);
	revoke(w, 0, 1, 100);
	revoke(w, 1, 2, 200);
	pair_put(&w->pair, 1, "lv1", "x"); /* a key of another class */
	run(w);
	assert_int_equal(read_all(w), 2);
	assert_found(w, 0, 1, 100);
	assert_found(w, 1, 2, 200);
	assert_int_equal(read_all(w), 0);
	revoke(w, 1, 3, 300);
	run(w);
	assert_int_equal(read_all(w), 1);
	assert_found(w, 0, 3, 300);
}

static void what_is_deleted_is_not_told(void **state)
{
	struct world *w = *state;
	revoke(w, 1, 1, 100);
	revoke(w, 1, 2, 200);
	run(w);
	step(w, 1, KVS_IN_DELETE, 1, 1);
	run(w);
	assert_int_equal(read_all(w), 1);
	assert_found(w, 0, 2, 200);
	step(w, 1, KVS_IN_DELETE, 2, 1);
	run(w);
	assert_int_equal(read_all(w), 0);
}

/* Its owner starts anew and inherits nothing: numbers begin again. */
static void another_incarnation_is_read_from_its_beginning(void **state)
{
	struct world *w = *state;
	for (uint32_t i = 0; i < 10; i++)
		revoke(w, 1, i, 100);
	run(w);
	assert_int_equal(read_all(w), 10);
	pair_unlink(&w->pair, 0, 1, false);
	kvs_free(w->pair.nodes[1].k);
	arena_fini(&w->pair.nodes[1].arena);
	w->pair.nodes[1].k = NULL;
	struct kvs_config c = pair_config(1);
	c.incarnation.count = 2;
	pair_start(&w->pair, 1, &c);
	pair_link(&w->pair, 0, 1);
	revoke(w, 1, 77, 700);
	run(w);
	assert_int_equal(read_all(w), 1);
	assert_found(w, 0, 77, 700);
}

/* Tombstones are collected below a floor, and who was away gets the row anew (R4). */
static void nothing_is_missed_by_who_was_away(void **state)
{
	struct world *w = *state;
	revoke(w, 1, 0, 100);
	run(w);
	assert_int_equal(read_all(w), 1);
	pair_unlink(&w->pair, 0, 1, false);
	for (uint32_t i = 1; i < 500; i++) {
		revoke(w, 1, i, 100 + i);
		run(w);
		if (i % 5 != 0)
			step(w, 1, KVS_IN_DELETE, i, 1);
	}
	run(w);
	pair_link(&w->pair, 0, 1);
	pair_run(&w->pair, w->pair.now_ms + 60000);
	size_t n = read_all(w);
	bool seen[500] = { false };
	for (size_t i = 0; i < n; i++) {
		uint32_t id;
		memcpy(&id, w->found[i].b, sizeof(id));
		assert_true(id < 500 && !seen[id]);
		seen[id] = true;
		assert_int_equal(w->end_s[i], 100 + id);
	}
	for (uint32_t i = 5; i < 500; i += 5)
		assert_true(seen[i]);
}

static void own_ones_by_whether_they_ended(void **state)
{
	struct world *w = *state;
	struct rpc_session_id ended[2];
	struct revoked_own own;
	const struct kvs *k = w->pair.nodes[1].k;
	const struct node_id *self = &w->pair.nodes[1].id;
	revoked_reader_own(k, self, 100, ended, 2, &own);
	assert_int_equal(own.n, 0);
	assert_true(own.first_end_s == UINT64_MAX);
	for (uint32_t i = 0; i < 5; i++)
		revoke(w, 1, i, 104 - i);
	run(w);
	revoked_reader_own(k, self, 100, ended, 2, &own);
	assert_int_equal(own.n, 5);
	assert_int_equal(own.first_end_s, 100);
	assert_int_equal(own.ended_n, 0);
	revoked_reader_own(k, self, 101, ended, 2, &own);
	assert_int_equal(own.ended_n, 1);
	struct rpc_session_id first = id_of(4);
	assert_memory_equal(ended[0].b, first.b, sizeof(first.b));
	revoked_reader_own(k, self, 200, ended, 2, &own);
	assert_int_equal(own.n, 5);
	assert_int_equal(own.ended_n, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_is_read_once_whoevers_it_is, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_deleted_is_not_told, setup, teardown),
		cmocka_unit_test_setup_teardown(another_incarnation_is_read_from_its_beginning, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_is_missed_by_who_was_away, setup, teardown),
		cmocka_unit_test_setup_teardown(own_ones_by_whether_they_ended, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
