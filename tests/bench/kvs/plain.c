/* The same locations in LMDB the plain way, one record a location under (content, owner): by name, and by
 * hash of the name as a design that risks collisions would. The same lookups, with and without a writer. */
#include "bench.h"

#include "base/hash.h"

#include <lmdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { GROUP = 4096, OWNER_BYTES = 4, VERSION_BYTES = 8 };

struct plain {
	const struct options *o;
	MDB_env *env;
	MDB_dbi table;
	bool hashed;
	struct node_id *owners;
};

/* Pages in use of all tables; the file also has pages that are free, as many as the largest commits touch. */
uint64_t used_bytes(const char *folder)
{
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi table;
	MDB_cursor *c;
	MDB_val name, value;
	MDB_stat stat;
	CHECK(mdb_env_create(&env) == 0 && mdb_env_set_maxdbs(env, 16) == 0);
	CHECK(mdb_env_open(env, folder, MDB_RDONLY | MDB_NOTLS, 0600) == 0);
	CHECK(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) == 0);
	CHECK(mdb_dbi_open(txn, NULL, 0, &table) == 0 && mdb_stat(txn, table, &stat) == 0);
	uint64_t pages = stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages;
	CHECK(mdb_cursor_open(txn, table, &c) == 0);
	/* With many records the first table has no others in it. */
	while (stat.ms_entries < 16 && mdb_cursor_get(c, &name, &value, MDB_NEXT) == 0) {
		char text[64];
		MDB_stat of;
		CHECK(snprintf(text, sizeof(text), "%.*s", (int)name.mv_size, (const char *)name.mv_data) > 0);
		CHECK(mdb_dbi_open(txn, text, 0, &table) == 0 && mdb_stat(txn, table, &of) == 0);
		pages += of.ms_branch_pages + of.ms_leaf_pages + of.ms_overflow_pages;
	}
	mdb_cursor_close(c);
	mdb_txn_abort(txn);
	mdb_env_close(env);
	return pages * stat.ms_psize;
}

static size_t key_of(const struct plain *t, struct bytes content, unsigned owner, uint8_t *key)
{
	static const struct hash_key hash_key = { "warmcast bench" };
	size_t n = content.n;
	if (t->hashed) {
		uint64_t hash = hash64(&hash_key, content);
		n = sizeof(hash);
		memcpy(key, &hash, n);
	} else {
		memcpy(key, content.p, n);
		key[n++] = 0;
	}
	for (unsigned i = 0; i < OWNER_BYTES; i++)
		key[n++] = (uint8_t)(owner >> (24 - 8 * i));
	return n;
}

static void put(struct plain *t, MDB_txn *txn, unsigned owner, uint64_t content, uint64_t version)
{
	char name[NAME_MAX_BYTES];
	uint8_t key[NAME_MAX_BYTES + 8];
	struct buf value;
	buf_init(&value, 4096);
	buf_put(&value, &version, VERSION_BYTES);
	location_value(t->o, owner, content, version, &value);
	MDB_val mk = { key_of(t, content_name(content, name), owner, key), key }, mv = { value.n, value.p };
	CHECK(mdb_put(txn, t->table, &mk, &mv, 0) == 0);
	buf_fini(&value);
}

struct reader {
	struct plain *t;
	MDB_txn *txn;
	MDB_cursor *cursor;
};

static void *reader_open(void *ctx)
{
	struct reader *r = calloc(1, sizeof(*r));
	CHECK(r != NULL);
	r->t = ctx;
	CHECK(mdb_txn_begin(r->t->env, NULL, MDB_RDONLY, &r->txn) == 0);
	CHECK(mdb_cursor_open(r->txn, r->t->table, &r->cursor) == 0);
	mdb_txn_reset(r->txn);
	return r;
}

static size_t reader_lookup(void *reader, struct bytes content, struct arena *a)
{
	struct reader *r = reader;
	uint8_t key[NAME_MAX_BYTES + 8];
	struct kvs_holder h[8];
	size_t n = 0, key_n = key_of(r->t, content, 0, key), prefix = key_n - OWNER_BYTES;
	MDB_val mk = { key_n, key }, mv;
	CHECK(mdb_txn_renew(r->txn) == 0 && mdb_cursor_renew(r->txn, r->cursor) == 0);
	int rc = mdb_cursor_get(r->cursor, &mk, &mv, MDB_SET_RANGE);
	for (; rc == 0 && n < 8; rc = mdb_cursor_get(r->cursor, &mk, &mv, MDB_NEXT)) {
		if (mk.mv_size != key_n || memcmp(mk.mv_data, key, prefix) != 0)
			break;
		const uint8_t *owner = (const uint8_t *)mk.mv_data + prefix;
		h[n].node = r->t->owners[owner[2] << 8 | owner[3]];
		struct bytes value =
		    bytes_of((const uint8_t *)mv.mv_data + VERSION_BYTES, mv.mv_size - VERSION_BYTES);
		CHECK(rpc_decode_location(value, a, &h[n].location) == OK);
		n++;
	}
	mdb_txn_reset(r->txn);
	return n;
}

static void reader_close(void *reader)
{
	struct reader *r = reader;
	mdb_cursor_close(r->cursor);
	mdb_txn_abort(r->txn);
	free(r);
}

static void fill(struct plain *t)
{
	uint64_t each = locations_each(t->o), n = 0;
	MDB_txn *txn = NULL;
	for (uint64_t first = 0; first < each; first += FRAME_ENTRIES)
		for (unsigned owner = 0; owner < t->o->owners; owner++)
			for (uint64_t k = first; k < first + FRAME_ENTRIES && k < each; k++) {
				if (n % GROUP == 0 && txn != NULL)
					CHECK(mdb_txn_commit(txn) == 0);
				if (n++ % GROUP == 0)
					CHECK(mdb_txn_begin(t->env, NULL, 0, &txn) == 0);
				put(t, txn, owner, content_of(t->o, owner, k), k + 1);
			}
	CHECK(mdb_txn_commit(txn) == 0);
}

static void overwrite(struct plain *t, uint64_t until, struct prng *p)
{
	while (now_ns() < until) {
		MDB_txn *txn;
		CHECK(mdb_txn_begin(t->env, NULL, 0, &txn) == 0);
		for (unsigned i = 0; i < GROUP; i++) {
			unsigned owner = (unsigned)prng_below(p, t->o->owners);
			put(t, txn, owner, content_of(t->o, owner, prng_below(p, locations_each(t->o))),
			    prng_next(p) >> 40);
		}
		CHECK(mdb_txn_commit(txn) == 0);
	}
}

static void look_up(struct plain *t, const char *name, bool writing, struct prng *p)
{
	struct reading r = { .open = reader_open,
		.lookup = reader_lookup,
		.close = reader_close,
		.ctx = t,
		.contents = contents_n(t->o),
		.threads = 1 };
	uint64_t until = now_ns() + t->o->seconds * 1000000000ull;
	struct readers *readers = readers_start(&r);
	if (writing)
		overwrite(t, until, p);
	while (now_ns() < until)
		(void)poll(NULL, 0, 20);
	readers_stop(readers, name);
}

static void measure(const struct options *o, bool hashed, const char *folder)
{
	char path[4096], name[32];
	const char *kind = hashed ? "hash" : "name";
	struct plain t = { .o = o, .hashed = hashed };
	struct prng p;
	prng_init(&p, 9);
	CHECK(snprintf(path, sizeof(path), "%s/%s", o->dir, folder) < (int)sizeof(path));
	CHECK(mkdir(path, 0700) == 0);
	CHECK(mdb_env_create(&t.env) == 0);
	CHECK(mdb_env_set_mapsize(t.env, (size_t)64 << 30) == 0);
	CHECK(mdb_env_open(t.env, path, MDB_NOSYNC | MDB_NORDAHEAD | MDB_NOTLS, 0600) == 0);
	MDB_txn *txn;
	CHECK(mdb_txn_begin(t.env, NULL, 0, &txn) == 0);
	CHECK(mdb_dbi_open(txn, NULL, 0, &t.table) == 0);
	CHECK(mdb_txn_commit(txn) == 0);
	t.owners = calloc(1 << 16, sizeof(*t.owners));
	CHECK(t.owners != NULL);
	for (unsigned i = 0; i < o->owners; i++)
		t.owners[i] = owner_id(i);
	fill(&t);
	if (o->seconds > 0) {
		snprintf(name, sizeof(name), "%s_quiet", kind);
		look_up(&t, name, false, &p);
		snprintf(name, sizeof(name), "%s_one", kind);
		look_up(&t, name, true, &p);
	}
	mdb_env_close(t.env);
	free(t.owners);
	snprintf(name, sizeof(name), "%s_disk_b", kind);
	say(name, (double)used_bytes(path) / (double)(locations_each(o) * o->owners));
}

int plain_main(const struct options *o)
{
	say_begin();
	measure(o, false, "plain-name");
	measure(o, true, "plain-hash");
	say_end();
	return 0;
}
