/* Readers of other threads: the index of holders, and what they see while a writer commits. */
#include "store_fixture.h"

#include "base/prng.h"
#include "base/text.h"
#include "kvs/format.h"

#include <lmdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static size_t holders_of(
    struct fixture *f, struct kvs_reader *r, const char *content, struct kvs_holder *h, size_t max)
{
	size_t n = 99;
	assert_int_equal(kvs_reader_holders(r, BYTES_LIT("main"), bytes_str(content), &f->arena, h, max, &n), OK);
	return n;
}

static void test_holders(void **state)
{
	struct fixture *f = *state;
	reopen(f);
	struct kvs_reader *r;
	struct kvs_holder h[8];
	assert_int_equal(kvs_reader_open(f->store, &r), OK);
	assert_int_equal(holders_of(f, r, "lv1", h, 8), 0);
	/* Indices are given out in this order: the answer is in another. */
	STORE(f, op_location(f, node(3), 1, "lv1"), op_location(f, node(1), 1, "lv1"),
	    op_location(f, node(2), 1, "lv2"), op_location(f, node(2), 2, "lv1"),
	    op_location(f, node(4), 1, "lv9"));
	assert_int_equal(holders_of(f, r, "lv1", h, 8), 3);
	for (unsigned i = 0; i < 3; i++) {
		struct node_id expected = node(i + 1);
		assert_true(node_id_eq(&h[i].node, &expected));
	}
	assert_int_equal(h[1].location.bytes, 2000);
	assert_int_equal(h[1].location.objects, 3);
	assert_true(bytes_eq(h[1].location.entry, BYTES_LIT("master.m3u8")));
	assert_int_equal(holders_of(f, r, "lv2", h, 8), 1);
	assert_int_equal(holders_of(f, r, "lv", h, 8), 0);
	/* At most so many: the lowest ids. */
	assert_int_equal(holders_of(f, r, "lv1", h, 2), 2);
	struct node_id first = node(1), second = node(2);
	assert_true(node_id_eq(&h[0].node, &first) && node_id_eq(&h[1].node, &second));
	assert_int_equal(holders_of(f, r, "lv1", h, 0), 0);
	/* The same content in another origin store is another content. */
	size_t n;
	assert_int_equal(kvs_reader_holders(r, BYTES_LIT("vod"), BYTES_LIT("lv1"), &f->arena, h, 8, &n), OK);
	assert_int_equal(n, 0);
	kvs_reader_close(r);
	kvs_reader_close(NULL);
}

/* One that keeps its view sees no later commit until it rests, and then holds back no page. */
static void test_a_view_is_kept_until_rest(void **state)
{
	struct fixture *f = *state;
	reopen(f);
	struct kvs_reader *r;
	struct kvs_holder h[8];
	struct kvs_store_gauges g;
	struct bytes value;
	struct node_id owner = node(2);
	assert_int_equal(kvs_reader_open(f->store, &r), OK);
	STORE(f, op_location(f, node(1), 1, "lv1"));
	kvs_reader_keep(r);
	assert_int_equal(holders_of(f, r, "lv1", h, 8), 1);
	assert_int_equal(holders_of(f, r, "lv2", h, 8), 0);
	STORE(f, op_location(f, node(2), 1, "lv1"), op_location(f, node(2), 2, "lv2"),
	    op_put(node(2), RPC_CONTROL, 1, "k", "v"));
	assert_int_equal(holders_of(f, r, "lv1", h, 8), 1);
	assert_int_equal(holders_of(f, r, "lv2", h, 8), 0);
	assert_int_equal(
	    kvs_reader_get(r, &owner, RPC_CONTROL, BYTES_LIT("k"), &f->arena, &value), ERR_NOT_FOUND);
	kvs_store_gauge(f->store, &g);
	assert_int_equal(g.open_readers, 1);
	kvs_reader_rest(r);
	kvs_reader_rest(r);
	kvs_store_gauge(f->store, &g);
	assert_int_equal(g.open_readers, 0);
	assert_int_equal(holders_of(f, r, "lv1", h, 8), 2);
	assert_int_equal(kvs_reader_get(r, &owner, RPC_CONTROL, BYTES_LIT("k"), &f->arena, &value), OK);
	STORE(f, op_drop_row(node(1), RPC_LOCATIONS));
	assert_int_equal(holders_of(f, r, "lv1", h, 8), 2);
	kvs_reader_rest(r);
	assert_int_equal(holders_of(f, r, "lv1", h, 8), 1);
	kvs_reader_close(r);
}

/* Bundles in the file: what lookups would skip must not pile up. */
static size_t bundles(const struct fixture *f)
{
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi table;
	MDB_stat stat;
	assert_null(f->store);
	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_set_maxdbs(env, 8), 0);
	assert_int_equal(mdb_env_open(env, path_in(f, "view"), MDB_RDONLY, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, "bundles", 0, &table), 0);
	assert_int_equal(mdb_stat(txn, table, &stat), 0);
	mdb_txn_abort(txn);
	mdb_env_close(env);
	return stat.ms_entries;
}

static void test_tombstones_are_no_holders(void **state)
{
	struct fixture *f = *state;
	reopen(f);
	struct kvs_reader *r;
	struct kvs_holder h[8];
	assert_int_equal(kvs_reader_open(f->store, &r), OK);
	STORE(f, op_location(f, node(1), 1, "lv1"), op_location(f, node(2), 1, "lv1"));
	STORE(f, op_no_location(f, node(1), 2, "lv1"));
	assert_int_equal(holders_of(f, r, "lv1", h, 8), 1);
	STORE(f, op_location(f, node(1), 3, "lv1"));
	assert_int_equal(holders_of(f, r, "lv1", h, 8), 2);
	STORE(f, op_no_location(f, node(1), 4, "lv1"), op_no_location(f, node(1), 5, "never"));
	struct kvs_op collected = op_no_location(f, node(1), 0, "lv1");
	collected.kind = KVS_OP_DROP_ENTRY;
	struct kvs_op held = op_location(f, node(2), 0, "lv1");
	held.kind = KVS_OP_DROP_ENTRY;
	STORE(f, collected);
	assert_int_equal(holders_of(f, r, "lv1", h, 8), 1);
	STORE(f, held);
	assert_int_equal(holders_of(f, r, "lv1", h, 8), 0);
	assert_int_equal(holders_of(f, r, "never", h, 8), 0);
	/* A whole row goes with its holders, and with nobody else's. */
	STORE(
	    f, op_location(f, node(1), 6, "a"), op_location(f, node(1), 7, "b"), op_location(f, node(2), 2, "b"));
	STORE(f, op_drop_row(node(1), RPC_LOCATIONS));
	assert_int_equal(holders_of(f, r, "a", h, 8), 0);
	assert_int_equal(holders_of(f, r, "b", h, 8), 1);
	/* A key that only looks like a location, in another stream, holds nothing. */
	struct kvs_op other = op_location(f, node(1), 1, "c");
	other.stream = RPC_CONTROL;
	STORE(f, other);
	assert_int_equal(holders_of(f, r, "c", h, 8), 0);
	kvs_reader_close(r);
	close_store(f);
	assert_int_equal(bundles(f), 2); /* node 2 with "b", node 1 with "c" */
}

/* With two bits of hash every lookup meets other keys. */
static void test_a_hash_collision_is_no_holder(void **state)
{
	struct fixture *f = *state;
	f->hash_bits = 2;
	reopen(f);
	struct kvs_reader *r;
	struct kvs_holder h[8];
	assert_int_equal(kvs_reader_open(f->store, &r), OK);
	enum { CONTENTS = 60 };
	char name[16];
	for (unsigned i = 0; i < CONTENTS; i++) {
		snprintf(name, sizeof(name), "c%u", i);
		for (unsigned owner = 0; owner < 1 + i % 3; owner++)
			STORE(f, op_location(f, node(owner), 1 + i, name));
	}
	for (unsigned i = 0; i < CONTENTS; i++) {
		snprintf(name, sizeof(name), "c%u", i);
		assert_int_equal(holders_of(f, r, name, h, 8), 1 + i % 3);
		assert_int_equal(h[0].location.bytes, (1 + i) * 1000);
	}
	assert_int_equal(holders_of(f, r, "none", h, 8), 0);
	/* The first of its hash goes, the others stay. */
	for (unsigned i = 0; i < CONTENTS; i += 2) {
		snprintf(name, sizeof(name), "c%u", i);
		for (unsigned owner = 0; owner < 1 + i % 3; owner++) {
			struct kvs_op gone = op_location(f, node(owner), 1, name);
			gone.kind = KVS_OP_DROP_ENTRY;
			STORE(f, gone);
		}
	}
	for (unsigned i = 0; i < CONTENTS; i++) {
		snprintf(name, sizeof(name), "c%u", i);
		assert_int_equal(holders_of(f, r, name, h, 8), i % 2 == 0 ? 0 : 1 + i % 3);
	}
	kvs_reader_close(r);
}

/* -- a walk through all contents -- */

enum { WALK_OWNERS = 60 };

struct walked {
	struct kvs_warmth room[WALK_OWNERS];
	size_t contents, holders, alone; /* seen, in all; of one holder: node 0 */
	size_t most;
};

static void walked_content(void *ctx, struct bytes key, size_t n)
{
	struct walked *w = ctx;
	struct bytes origin, name;
	uint64_t number;
	assert_int_equal(rpc_location_key_split(key, &origin, &name), OK);
	assert_true(text_u64(bytes_from(name, 1), 100, &number) != OK || n == 1 + number % 3); /* "c4" has two */
	struct node_id first = node(0);
	w->contents++;
	w->holders += n;
	w->most = n > w->most ? n : w->most;
	w->alone += n == 1 && node_id_eq(&w->room[0].node, &first);
}

static struct walked walk_all(struct kvs_reader *r, size_t bundles, size_t *calls)
{
	struct walked seen = { 0 };
	struct kvs_walk w = { 0 };
	for (*calls = 0; !w.end; (*calls)++) {
		assert_true(*calls < 1000);
		assert_int_equal(kvs_reader_walk(r, &w, bundles, seen.room, WALK_OWNERS, walked_content, &seen), OK);
	}
	return seen;
}

/* Whatever the pieces are, and with keys that share a hash: each content once, with all its holders. */
static void test_a_walk_sees_each_content_once(void **state)
{
	struct fixture *f = *state;
	f->hash_bits = 4;
	reopen(f);
	struct kvs_reader *r;
	enum { CONTENTS = 90 };
	char name[16];
	size_t calls;
	assert_int_equal(kvs_reader_open(f->store, &r), OK);
	assert_int_equal(walk_all(r, 10, &calls).contents, 0);
	for (unsigned i = 0; i < CONTENTS; i++) {
		snprintf(name, sizeof(name), "c%u", i);
		for (unsigned owner = 0; owner < 1 + i % 3; owner++)
			STORE(f, op_location(f, node(owner), 1 + i, name));
	}
	/* One over several bundles, one that nobody holds any more, and what is no location. */
	for (unsigned owner = 0; owner < WALK_OWNERS; owner++)
		STORE(f, op_location(f, node(owner), 900, "all"));
	STORE(f, op_no_location(f, node(1), 901, "c0"), op_no_location(f, node(0), 902, "gone"),
	    op_put(node(2), RPC_CONTROL, 1, "k", "v"));
	for (size_t bundles = 1; bundles < 200; bundles += 13) {
		struct walked seen = walk_all(r, bundles, &calls);
		assert_int_equal(seen.contents, CONTENTS + 1);
		assert_int_equal(seen.holders, CONTENTS / 3 * (1 + 2 + 3) + WALK_OWNERS);
		assert_int_equal(seen.alone, CONTENTS / 3);
		assert_int_equal(seen.most, WALK_OWNERS);
		assert_true(bundles > 1 || calls > CONTENTS);
	}
	kvs_reader_close(r);
}

/* A row that is dropped and comes again: what a reader remembered of it is not believed. */
static void test_a_dropped_row_is_forgotten_at_once(void **state)
{
	struct fixture *f = *state;
	reopen(f);
	struct kvs_reader *r;
	struct kvs_holder h[8];
	assert_int_equal(kvs_reader_open(f->store, &r), OK);
	STORE(
	    f, op_location(f, node(1), 1, "a"), op_location(f, node(1), 2, "b"), op_location(f, node(2), 1, "a"));
	assert_int_equal(holders_of(f, r, "a", h, 8), 2);
	STORE(f, op_drop_row(node(1), RPC_LOCATIONS), op_location(f, node(1), 1, "b"));
	assert_int_equal(holders_of(f, r, "a", h, 8), 1);
	assert_int_equal(holders_of(f, r, "b", h, 8), 1);
	assert_int_equal(h[0].location.bytes, 1000);
	/* An aborted one was never dropped. */
	struct kvs_op drop = op_drop_row(node(1), RPC_LOCATIONS);
	assert_int_equal(kvs_store_begin(f->store), OK);
	assert_int_equal(kvs_store_apply(f->store, &drop, 1), OK);
	kvs_store_abort(f->store);
	assert_int_equal(holders_of(f, r, "b", h, 8), 1);
	kvs_reader_close(r);
}

/* More than one group sweeps: what is left of dropped rows is never shown, and all of it goes. */
static void test_what_a_dropped_row_leaves(void **state)
{
	struct fixture *f = *state;
	reopen(f);
	struct kvs_reader *r;
	struct kvs_holder h[8];
	enum { CONTENTS = 1500 };
	char name[16];
	assert_int_equal(kvs_reader_open(f->store, &r), OK);
	assert_int_equal(kvs_store_begin(f->store), OK);
	for (unsigned i = 0; i < CONTENTS; i++) {
		snprintf(name, sizeof(name), "c%u", i);
		for (unsigned owner = 1; owner <= 3; owner++) {
			struct kvs_op op = op_location(f, node(owner), i + 1, name);
			if (owner < 3 || i % 3 == 0)
				assert_int_equal(kvs_store_apply(f->store, &op, 1), OK);
		}
	}
	assert_int_equal(kvs_store_commit(f->store), OK);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < CONTENTS; i++) {
			snprintf(name, sizeof(name), "c%u", i);
			assert_int_equal(holders_of(f, r, name, h, 8), (i % 3 == 0 ? 3u : 2u) - round);
		}
		/* The second goes while the first is still swept out. */
		if (round < 2)
			STORE(f, op_drop_row(node(1 + round), RPC_LOCATIONS));
	}
	kvs_reader_close(r);
	for (unsigned i = 0; i < 20; i++)
		STORE(f, op_put(node(4), RPC_CONTROL, i + 1, "r", "any write"));
	close_store(f);
	assert_int_equal(bundles(f), CONTENTS / 3 + 1);
}

/* Many holders of one content are several bundles. */
static void test_a_content_that_all_hold(void **state)
{
	struct fixture *f = *state;
	reopen(f);
	struct kvs_reader *r;
	enum { OWNERS = 500 };
	static struct kvs_holder h[OWNERS];
	assert_int_equal(kvs_reader_open(f->store, &r), OK);
	for (unsigned i = 0; i < OWNERS; i++) {
		unsigned owner = i * 7 % OWNERS;
		STORE(f, op_location(f, node(owner), owner + 1, "lv"),
		    op_row(f, node(owner), RPC_LOCATIONS, (struct incarnation){ 1, 1 }, owner + 1));
	}
	for (unsigned round = 0; round < 2; round++) {
		assert_int_equal(holders_of(f, r, "lv", h, OWNERS), OWNERS);
		for (unsigned i = 0; i < OWNERS; i++) {
			struct node_id expected = node(i);
			assert_true(node_id_eq(&h[i].node, &expected));
			assert_int_equal(h[i].location.bytes, (i + 1) * 1000);
		}
		kvs_reader_close(r);
		close_store(f);
		assert_true(bundles(f) > 5 && bundles(f) < OWNERS / 4);
		reopen(f);
		load(f);
		assert_int_equal(kvs_reader_open(f->store, &r), OK);
	}
	kvs_reader_close(r);
}

/* Holders that say the same, nearly the same, nothing, or that are none, in every order. */
static void test_what_each_holder_says(void **state)
{
	struct fixture *f = *state;
	reopen(f);
	enum { OWNERS = 12, ROUNDS = 60 };
	struct kvs_reader *r;
	struct kvs_holder h[OWNERS];
	struct prng random;
	prng_init(&random, 17);
	assert_int_equal(kvs_reader_open(f->store, &r), OK);
	for (uint64_t round = 0; round < ROUNDS; round++) {
		char content[16];
		uint64_t says[OWNERS], n = 0;
		snprintf(content, sizeof(content), "lv%u", (unsigned)round);
		for (unsigned i = 0; i < OWNERS; i++) {
			uint64_t what = prng_below(&random, 7);
			struct kvs_op op = op_location(f, node(i), 1 + what % 4, content);
			if (what == 4)
				op.entry.value = BYTES_LIT("\x22\x01\xff"); /* no text */
			if (what == 5)
				op = op_no_location(f, node(i), 2, content);
			if (what == 6)
				op.stream = RPC_CONTROL;
			if (what < 4)
				says[n++] = (1 + what) * 1000;
			op.entry.version = round + 1;
			STORE(f, op);
		}
		assert_int_equal(holders_of(f, r, content, h, OWNERS), n);
		for (size_t i = 0; i < n; i++) {
			assert_int_equal(h[i].location.bytes, says[i]);
			assert_true(bytes_eq(h[i].location.entry, BYTES_LIT("master.m3u8")));
		}
	}
	kvs_reader_close(r);
}

static void test_get(void **state)
{
	struct fixture *f = *state;
	reopen(f);
	struct kvs_reader *r;
	struct bytes value = BYTES_NONE;
	struct node_id one = node(1), two = node(2);
	assert_int_equal(kvs_reader_open(f->store, &r), OK);
#define GET(owner, key) kvs_reader_get(r, &(owner), RPC_CONTROL, BYTES_LIT(key), &f->arena, &value)
	assert_int_equal(GET(one, "r"), ERR_NOT_FOUND);
	STORE(f, op_put(one, RPC_CONTROL, 1, "r", "register"), op_put(one, RPC_CONTROL, 2, "empty", ""),
	    op_delete(one, RPC_CONTROL, 3, "gone"));
	assert_int_equal(GET(one, "r"), OK);
	assert_true(bytes_eq(value, BYTES_LIT("register")));
	STORE(f, op_put(one, RPC_CONTROL, 4, "r", "changed"));
	assert_true(bytes_eq(value, BYTES_LIT("register"))); /* a copy */
	assert_int_equal(GET(one, "empty"), OK);
	assert_int_equal(value.n, 0);
	assert_int_equal(GET(one, "gone"), ERR_NOT_FOUND);
	assert_int_equal(GET(two, "r"), ERR_NOT_FOUND);
	assert_int_equal(
	    kvs_reader_get(r, &one, RPC_LOCATIONS, BYTES_LIT("r"), &f->arena, &value), ERR_NOT_FOUND);
	static uint8_t long_key[RPC_KEY_MAX + 1];
	assert_int_equal(
	    kvs_reader_get(r, &one, RPC_CONTROL, bytes_of(long_key, sizeof(long_key)), &f->arena, &value),
	    ERR_NOT_FOUND);
	struct arena tiny;
	arena_init(&tiny, 2);
	assert_int_equal(kvs_reader_get(r, &one, RPC_CONTROL, BYTES_LIT("r"), &tiny, &value), ERR_NO_MEMORY);
	arena_fini(&tiny);
	kvs_reader_close(r);
}

/* -- beside a writer -- */

enum { READERS = 3, NODES = 5, ROUNDS = 1000 };

struct race {
	struct kvs_store *store;
	atomic_bool done;
	atomic_uint lookups;
};

/* Each commit moves all locations of "lv" at once: a reader sees all of one round, never of two. */
static void *read_on(void *arg)
{
	struct race *race = arg;
	struct kvs_reader *r;
	struct arena a;
	arena_init(&a, 1 << 16);
	if (kvs_reader_open(race->store, &r) != OK)
		return (void *)(uintptr_t) "open";
	const char *wrong = NULL;
	uint64_t last = 0;
	do {
		struct kvs_holder h[NODES];
		size_t n;
		if (kvs_reader_holders(r, BYTES_LIT("main"), BYTES_LIT("lv"), &a, h, NODES, &n) != OK) {
			wrong = "failed";
			break;
		}
		if (n != 0 && n != NODES)
			wrong = "some of the holders";
		for (size_t i = 0; i < n; i++)
			if (h[i].location.bytes != h[0].location.bytes)
				wrong = "two rounds at once";
		if (n > 0 && h[0].location.bytes < last)
			wrong = "back in time";
		last = n > 0 ? h[0].location.bytes : last;
		atomic_fetch_add(&race->lookups, 1);
		arena_reset(&a);
	} while (wrong == NULL && !atomic_load(&race->done));
	kvs_reader_close(r);
	arena_fini(&a);
	return (void *)(uintptr_t)wrong;
}

static void write_round(struct fixture *f, uint64_t round)
{
	struct kvs_op ops[NODES];
	for (unsigned i = 0; i < NODES; i++)
		ops[i] =
		    round % 10 == 0 ? op_no_location(f, node(i), round, "lv") : op_location(f, node(i), round, "lv");
	assert_int_equal(store(f, ops, NODES), OK);
	arena_reset(&f->arena);
}

static off_t view_size(struct fixture *f)
{
	struct stat st;
	assert_int_equal(stat(path_in(f, "view/data.mdb"), &st), 0);
	return st.st_size;
}

static void test_readers_beside_a_writer(void **state)
{
	struct fixture *f = *state;
	reopen(f);
	struct race race = { .store = f->store };
	pthread_t threads[READERS];
	for (unsigned i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_on, &race), 0);
	for (uint64_t round = 1; round <= ROUNDS; round++)
		write_round(f, round);
	atomic_store(&race.done, true);
	for (unsigned i = 0; i < READERS; i++) {
		void *wrong;
		assert_int_equal(pthread_join(threads[i], &wrong), 0);
		if (wrong != NULL)
			print_error("reader %u: %s\n", i, (const char *)wrong);
		assert_null(wrong);
	}
	assert_true(atomic_load(&race.lookups) >= READERS);
}

/* Between lookups a reader holds no transaction: pages are reused however many commits pass. */
static void test_an_idle_reader_holds_no_pages(void **state)
{
	struct fixture *f = *state;
	reopen(f);
	struct kvs_reader *r;
	struct kvs_holder h[8];
	assert_int_equal(kvs_reader_open(f->store, &r), OK);
	for (uint64_t round = 1; round <= 50; round++)
		write_round(f, round);
	holders_of(f, r, "lv", h, 8);
	struct bytes value;
	struct node_id nobody = node(99);
	assert_int_equal(
	    kvs_reader_get(r, &nobody, RPC_CONTROL, BYTES_LIT("r"), &f->arena, &value), ERR_NOT_FOUND);
	off_t size = view_size(f);
	for (uint64_t round = 51; round <= 1000; round++)
		write_round(f, round);
	assert_true(view_size(f) <= size + (64 << 10));
	kvs_reader_close(r);
}

/* A tool that forgot its transaction, in a process of its own. */
static pid_t forget_a_reader(struct fixture *f, int *says)
{
	int pipe_to_parent[2];
	assert_int_equal(pipe(pipe_to_parent), 0);
	pid_t child = fork();
	if (child == 0) {
		MDB_env *env;
		MDB_txn *txn;
		if (mdb_env_create(&env) != 0 || mdb_env_open(env, path_in(f, "view"), MDB_RDONLY, 0600) != 0 ||
		    mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) != 0 || write(pipe_to_parent[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(pipe_to_parent[1]);
	*says = pipe_to_parent[0];
	return child;
}

static void test_a_forgotten_reader_is_seen(void **state)
{
	struct fixture *f = *state;
	reopen(f);
	struct kvs_reader *r;
	struct kvs_holder h[8];
	struct kvs_store_gauges g;
	assert_int_equal(kvs_reader_open(f->store, &r), OK);
	write_round(f, 1);
	holders_of(f, r, "lv", h, 8);
	kvs_store_gauge(f->store, &g);
	assert_int_equal(g.open_readers, 0); /* ours rests */
	assert_int_equal(g.oldest_reader, g.commits);
	assert_true(g.file_bytes > 0 && g.file_bytes < g.map_bytes);
	uint64_t before = g.commits;
	int says;
	char c;
	pid_t child = forget_a_reader(f, &says);
	assert_int_equal(read(says, &c, 1), 1);
	close(says);
	for (uint64_t round = 2; round <= 11; round++)
		write_round(f, round);
	kvs_store_gauge(f->store, &g);
	assert_int_equal(g.open_readers, 1);
	assert_int_equal(g.oldest_reader, before);
	assert_int_equal(g.commits, before + 10);
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	kvs_store_gauge(f->store, &g);
	assert_int_equal(g.open_readers, 0);
	assert_int_equal(g.oldest_reader, g.commits);
	kvs_reader_close(r);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_holders),
		TEST(test_a_view_is_kept_until_rest),
		TEST(test_what_each_holder_says),
		TEST(test_tombstones_are_no_holders),
		TEST(test_a_hash_collision_is_no_holder),
		TEST(test_a_walk_sees_each_content_once),
		TEST(test_a_dropped_row_is_forgotten_at_once),
		TEST(test_what_a_dropped_row_leaves),
		TEST(test_a_content_that_all_hold),
		TEST(test_get),
		TEST(test_readers_beside_a_writer),
		TEST(test_an_idle_reader_holds_no_pages),
		TEST(test_a_forgotten_reader_is_seen),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
