#include "store_fixture.h"

#include "base/prng.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* -- the stand-in for the core -- */

enum err kvs_load_row(struct kvs *k, const struct kvs_row_meta *m)
{
	assert_true(k->rows_n < LOADED_ROWS);
	k->rows[k->rows_n++] = *m;
	return OK;
}

enum err kvs_load_entry(
    struct kvs *k, const struct node_id *owner, enum rpc_stream stream, const struct rpc_entry *e)
{
	assert_true(k->entries_n < LOADED_ENTRIES);
	/* Its row came just before it, and its row's entries in order. */
	assert_true(node_id_eq(&k->rows[k->rows_n - 1].owner, owner));
	assert_int_equal(k->rows[k->rows_n - 1].stream, stream);
	if (k->refuse != NULL && node_id_eq(k->refuse, owner)) {
		k->rows_n--;
		return ERR_CORRUPT;
	}
	size_t n = k->entries_n++;
	k->entries[n].owner = *owner;
	k->entries[n].stream = stream;
	k->entries[n].e = *e;
	k->entries[n].e.key = arena_dup(&k->arena, e->key);
	k->entries[n].e.value = arena_dup(&k->arena, e->value);
	if (n > 0 && k->entries[n - 1].stream == stream && node_id_eq(&k->entries[n - 1].owner, owner))
		assert_true(k->entries[n - 1].e.version < e->version);
	return OK;
}

void load(struct fixture *f)
{
	const struct node_id *refuse = NULL;
	if (f->loaded == NULL) {
		f->loaded = calloc(1, sizeof(*f->loaded));
		assert_non_null(f->loaded);
	} else {
		refuse = f->loaded->refuse;
		arena_fini(&f->loaded->arena);
		memset(f->loaded, 0, sizeof(*f->loaded));
		f->loaded->refuse = refuse;
	}
	arena_init(&f->loaded->arena, 1 << 24);
	assert_int_equal(kvs_store_load(f->store, f->loaded), OK);
}

const struct kvs_row_meta *loaded_row(const struct fixture *f, struct node_id owner, enum rpc_stream s)
{
	for (size_t i = 0; i < f->loaded->rows_n; i++)
		if (node_id_eq(&f->loaded->rows[i].owner, &owner) && f->loaded->rows[i].stream == s)
			return &f->loaded->rows[i];
	return NULL;
}

const struct rpc_entry *loaded_entry(
    const struct fixture *f, struct node_id owner, enum rpc_stream s, const char *key)
{
	for (size_t i = 0; i < f->loaded->entries_n; i++)
		if (node_id_eq(&f->loaded->entries[i].owner, &owner) && f->loaded->entries[i].stream == s &&
		    bytes_eq(f->loaded->entries[i].e.key, bytes_str(key)))
			return &f->loaded->entries[i].e;
	return NULL;
}

size_t loaded_entries(const struct fixture *f, struct node_id owner, enum rpc_stream s)
{
	size_t n = 0;
	for (size_t i = 0; i < f->loaded->entries_n; i++)
		n += node_id_eq(&f->loaded->entries[i].owner, &owner) && f->loaded->entries[i].stream == s;
	return n;
}

/* -- the folder -- */

static struct prng randomness;

static void fill_random(void *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((uint8_t *)p)[i] = (uint8_t)prng_next(&randomness);
}

int fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	assert_non_null(f);
	const char *base = getenv("TMPDIR");
	char made[200];
	snprintf(made, sizeof(made), "%s/warmcast-store-XXXXXX", base != NULL ? base : P_tmpdir);
	assert_non_null(mkdtemp(made));
	snprintf(f->folder, sizeof(f->folder), "%s/data", made);
	f->boot_id = "boot-1";
	arena_init(&f->arena, 1 << 24);
	prng_init(&randomness, 42);
	*state = f;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

int fixture_teardown(void **state)
{
	struct fixture *f = *state;
	kvs_store_close(f->store);
	*strrchr(f->folder, '/') = '\0';
	nftw(f->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	if (f->loaded != NULL)
		arena_fini(&f->loaded->arena);
	free(f->loaded);
	arena_fini(&f->arena);
	free(f);
	return 0;
}

enum err open_store(struct fixture *f)
{
	assert_null(f->store);
	struct kvs_store_config c = { .data_dir = f->folder,
		.map_bytes = f->map_bytes,
		.random = fill_random,
		.boot_id = f->boot_id,
		.hash_bits = f->hash_bits };
	return kvs_store_open(&c, &f->store, &f->id, &f->report);
}

void close_store(struct fixture *f)
{
	kvs_store_close(f->store);
	f->store = NULL;
}

void reopen(struct fixture *f)
{
	close_store(f);
	enum err e = open_store(f);
	if (e != OK)
		print_error("open: %s: %s\n", err_str(e), f->report.detail);
	assert_int_equal(e, OK);
}

const char *path_in(const struct fixture *f, const char *name)
{
	static char paths[4][512];
	static unsigned next;
	char *p = paths[next++ % 4];
	snprintf(p, sizeof(paths[0]), "%s/%s", f->folder, name);
	return p;
}

bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

/* -- operations -- */

struct node_id node(unsigned i)
{
	struct node_id id = { { (uint8_t)(i >> 8), (uint8_t)i, 0xee } };
	return id;
}

struct kvs_op op_row(
    struct fixture *f, struct node_id owner, enum rpc_stream s, struct incarnation i, uint64_t have)
{
	struct kvs_row_meta *m = arena_alloc(&f->arena, sizeof(*m));
	assert_non_null(m);
	*m = (struct kvs_row_meta){ .owner = owner,
		.stream = s,
		.incarnation = i,
		.have = have,
		.horizon = have + 1,
		.floor = 2,
		.base = 1 };
	return (struct kvs_op){ .kind = KVS_OP_ROW, .row = m };
}

struct kvs_op op_put(
    struct node_id owner, enum rpc_stream s, uint64_t version, const char *key, const char *value)
{
	return (struct kvs_op){ .kind = KVS_OP_ENTRY,
		.owner = owner,
		.stream = s,
		.entry = { .version = version, .key = bytes_str(key), .value = bytes_str(value) } };
}

struct kvs_op op_delete(struct node_id owner, enum rpc_stream s, uint64_t version, const char *key)
{
	struct kvs_op op = op_put(owner, s, version, key, NULL);
	op.entry.deleted = true;
	return op;
}

struct kvs_op op_drop_row(struct node_id owner, enum rpc_stream s)
{
	return (struct kvs_op){ .kind = KVS_OP_DROP_ROW, .owner = owner, .stream = s };
}

struct kvs_op op_drop_entry(struct node_id owner, enum rpc_stream s, const char *key)
{
	struct kvs_op op = op_put(owner, s, 0, key, NULL);
	op.kind = KVS_OP_DROP_ENTRY;
	return op;
}

struct kvs_op op_location(struct fixture *f, struct node_id owner, uint64_t version, const char *content)
{
	uint8_t key[RPC_KEY_MAX];
	size_t key_n = sizeof(key);
	assert_int_equal(rpc_location_key(BYTES_LIT("main"), bytes_str(content), key, &key_n), OK);
	struct rpc_location l = { .bytes = version * 1000, .objects = 3, .entry = BYTES_LIT("master.m3u8") };
	struct buf value;
	buf_init(&value, RPC_VALUE_MAX);
	assert_int_equal(rpc_encode_location(&l, &value), OK);
	struct kvs_op op = { .kind = KVS_OP_ENTRY,
		.owner = owner,
		.stream = RPC_LOCATIONS,
		.entry = { .version = version,
		    .key = arena_dup(&f->arena, bytes_of(key, key_n)),
		    .value = arena_dup(&f->arena, buf_bytes(&value)) } };
	buf_fini(&value);
	return op;
}

struct kvs_op op_no_location(struct fixture *f, struct node_id owner, uint64_t version, const char *content)
{
	struct kvs_op op = op_location(f, owner, version, content);
	op.entry.value = BYTES_NONE;
	op.entry.deleted = true;
	return op;
}

enum err store(struct fixture *f, const struct kvs_op *ops, size_t n)
{
	enum err e = kvs_store_begin(f->store);
	if (e != OK)
		return e;
	e = kvs_store_apply(f->store, ops, n);
	if (e != OK) {
		kvs_store_abort(f->store);
		return e;
	}
	return kvs_store_commit(f->store);
}
