/* The real core over the real store: what one run wrote is what the next one has. */
#include "kvs/lmdb_reader.h"
#include "kvs/lmdb_store.h"

#include "base/timers.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct run {
	char parent[200], folder[256];
	uint64_t now_ms, random;
	struct kvs_store *store;
	struct kvs_store_identity id;
	struct kvs *k;
	struct arena arena;
};

static struct run *running; /* the store's random source has no argument */

static void next_random(void *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((uint8_t *)p)[i] = (uint8_t)++running->random;
}

static void start(struct run *r)
{
	struct kvs_store_report report;
	struct kvs_store_config s = { .data_dir = r->folder, .random = next_random, .boot_id = "boot" };
	assert_int_equal(kvs_store_open(&s, &r->store, &r->id, &report), OK);
	assert_false(report.self_set_aside || report.view_set_aside || report.view_dropped);
	struct kvs_config c = {
		.self = r->id.self,
		.incarnation = r->id.incarnation,
		.inherits = r->id.inherits,
		.reg = { .name = BYTES_LIT("n"),
		    .zone = BYTES_LIT("a"),
		    .roles = RPC_ROLE_DELIVERY,
		    .state = NODE_JOINING,
		    .rpc_address = BYTES_LIT("127.0.0.1:1"),
		    .version_min = 1,
		    .version_max = 1 },
		.seed = 7,
		.tombstones_min = 8, /* so that the floor moves (R4) */
	};
	r->k = kvs_new(&c);
	assert_int_equal(kvs_store_load(r->store, r->k), OK);
	kvs_start(r->k, r->now_ms);
}

static void stop(struct run *r)
{
	kvs_free(r->k);
	kvs_store_close(r->store);
	r->k = NULL;
	r->store = NULL;
}

static uint64_t step(struct run *r, const struct kvs_input *in)
{
	struct kvs_outputs out = { .arena = &r->arena };
	arena_reset(&r->arena);
	kvs_step(r->k, r->now_ms, in, &out);
	if (out.ops_n == 0)
		return 0;
	assert_int_equal(kvs_store_begin(r->store), OK);
	assert_int_equal(kvs_store_apply(r->store, out.ops, out.ops_n), OK);
	assert_int_equal(kvs_store_commit(r->store), OK);
	return out.ops_seq;
}

/* Runs until nothing is left to store. */
static void settle(struct run *r)
{
	for (unsigned quiet = 0; quiet < 20;) {
		uint64_t at = kvs_wake_at(r->k);
		r->now_ms = at != TIMER_NEVER && at > r->now_ms ? at : r->now_ms + 1;
		uint64_t seq = step(r, &(struct kvs_input){ .kind = KVS_IN_TICK });
		quiet = seq == 0 ? quiet + 1 : 0;
		while (seq != 0)
			seq = step(r, &(struct kvs_input){ .kind = KVS_IN_STORED, .stored_seq = seq });
	}
}

static void say(struct run *r, enum kvs_input_kind kind, unsigned i, const char *value)
{
	char content[32];
	uint8_t key[RPC_KEY_MAX];
	size_t key_n = sizeof(key);
	snprintf(content, sizeof(content), "lv%u", i);
	assert_int_equal(rpc_location_key(BYTES_LIT("main"), bytes_str(content), key, &key_n), OK);
	struct kvs_input in = { .kind = kind };
	in.put.stream = RPC_LOCATIONS;
	in.put.key = bytes_of(key, key_n);
	in.put.value = bytes_str(value);
	uint64_t seq = step(r, &in);
	while (seq != 0)
		seq = step(r, &(struct kvs_input){ .kind = KVS_IN_STORED, .stored_seq = seq });
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static void test_restarts_keep_and_inherit_all(void **state)
{
	(void)state;
	static struct run r;
	running = &r;
	const char *base = getenv("TMPDIR");
	snprintf(r.parent, sizeof(r.parent), "%s/warmcast-core-XXXXXX", base != NULL ? base : P_tmpdir);
	assert_non_null(mkdtemp(r.parent));
	snprintf(r.folder, sizeof(r.folder), "%s/data", r.parent);
	arena_init(&r.arena, KVS_ARENA_BYTES);
	unsigned held = 0;
	for (unsigned round = 0; round < 4; round++) {
		start(&r);
		settle(&r);
		for (unsigned i = 0; i < 60; i++)
			say(&r, KVS_IN_PUT, round * 60 + i, "\x08\x01");
		for (unsigned i = 0; i < 20; i++)
			say(&r, KVS_IN_DELETE, round * 60 + i * 2, NULL);
		settle(&r);
		held += 40;
		struct kvs_member me;
		assert_int_equal(kvs_members_n(r.k), 1);
		kvs_member_at(r.k, 0, &me);
		assert_int_equal(me.locations_n, held);
		stop(&r);
	}
	start(&r);
	struct kvs_member me;
	kvs_member_at(r.k, 0, &me);
	assert_int_equal(me.locations_n, held);
	assert_true(me.locations_version >= 4 * 80);
	struct kvs_reader *reader;
	struct kvs_holder h[2];
	size_t n;
	assert_int_equal(kvs_reader_open(r.store, &reader), OK);
	assert_int_equal(kvs_reader_holders(reader, BYTES_LIT("main"), BYTES_LIT("lv1"), &r.arena, h, 2, &n), OK);
	assert_int_equal(n, 1);
	assert_int_equal(kvs_reader_holders(reader, BYTES_LIT("main"), BYTES_LIT("lv0"), &r.arena, h, 2, &n), OK);
	assert_int_equal(n, 0);
	kvs_reader_close(reader);
	stop(&r);
	arena_fini(&r.arena);
	nftw(r.parent, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_restarts_keep_and_inherit_all),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
