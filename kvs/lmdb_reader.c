#include "kvs/lmdb_reader.h"

#include "kvs/lmdb_store_impl.h"

#include <string.h>

#define KVS_READER_MAGIC 0x72656164u

struct kvs_reader {
	unsigned magic;
	struct kvs_store *store;
	MDB_txn *txn; /* reset between calls */
	MDB_cursor *holders;
};

enum err kvs_reader_open(struct kvs_store *s, struct kvs_reader **out)
{
	OBJ_CHECK(s, KVS_STORE_MAGIC);
	MDB_txn *txn;
	int rc = mdb_txn_begin(s->view.env, NULL, MDB_RDONLY, &txn);
	if (rc != 0)
		return lmdb_err(rc);
	MDB_cursor *holders;
	rc = mdb_cursor_open(txn, s->view.rows.holders, &holders);
	if (rc != 0) {
		mdb_txn_abort(txn);
		return lmdb_err(rc);
	}
	mdb_txn_reset(txn);
	struct kvs_reader *r = OBJ_NEW(struct kvs_reader, KVS_READER_MAGIC);
	r->store = s;
	r->txn = txn;
	r->holders = holders;
	atomic_fetch_add(&s->readers, 1);
	*out = r;
	return OK;
}

void kvs_reader_close(struct kvs_reader *r)
{
	if (r == NULL)
		return;
	OBJ_CHECK(r, KVS_READER_MAGIC);
	mdb_cursor_close(r->holders);
	mdb_txn_abort(r->txn);
	atomic_fetch_sub(&r->store->readers, 1);
	OBJ_FREE(r);
}

/* A live entry's value; ERR_NOT_FOUND for a tombstone too. The slice ends with the transaction. */
static enum err get_value(
    const struct kvs_reader *r, struct kvs_row_key k, struct bytes key, struct bytes *value)
{
	uint8_t full[KVS_FORMAT_KEY_MAX];
	MDB_val mk = lmdb_val(kvs_format_entry_key(k, key, full)), mv;
	int rc = mdb_get(r->txn, r->store->view.rows.entries, &mk, &mv);
	if (rc != 0)
		return lmdb_err(rc);
	struct rpc_entry e;
	enum err parsed = kvs_format_parse_entry(lmdb_bytes(&mv), &e);
	if (parsed != OK)
		return parsed;
	if (e.deleted)
		return ERR_NOT_FOUND;
	*value = e.value;
	return OK;
}

/* -- holders -- */

/* The lowest ids seen so far, in order. */
struct sorted {
	struct kvs_holder *h;
	size_t n, max;
};

/* Where `id` belongs, or max when it is past those that are wanted. Room is made for it. */
static size_t make_room(struct sorted *l, const struct node_id *id)
{
	size_t at = l->n;
	while (at > 0 && node_id_cmp(id, &l->h[at - 1].node) < 0)
		at--;
	if (at == l->max)
		return at;
	if (l->n < l->max)
		l->n++;
	memmove(&l->h[at + 1], &l->h[at], (l->n - at - 1) * sizeof(l->h[0]));
	return at;
}

static enum err add_holder(
    const struct kvs_reader *r, uint32_t owner, struct bytes key, struct arena *a, struct sorted *l)
{
	struct bytes value;
	struct kvs_holder h;
	enum err e = get_value(r, (struct kvs_row_key){ owner, RPC_LOCATIONS }, key, &value);
	if (e == OK)
		e = lmdb_owner_id(r->store, r->txn, owner, &h.node);
	if (e == OK)
		e = rpc_decode_location(value, a, &h.location);
	if (e == ERR_NO_MEMORY)
		return e;
	if (e != OK)
		return OK; /* another content under this hash, or a location that says nothing */
	size_t at = make_room(l, &h.node);
	if (at < l->max)
		l->h[at] = h;
	return OK;
}

static enum err scan_holders(const struct kvs_reader *r, struct bytes key, struct arena *a, struct sorted *l)
{
	uint8_t hash[KVS_FORMAT_HOLDER_KEY];
	if (!kvs_format_holder_key(key, hash))
		return OK;
	MDB_val mk = lmdb_val(bytes_of(hash, sizeof(hash))), mv;
	enum err e = OK;
	int rc = mdb_cursor_get(r->holders, &mk, &mv, MDB_SET);
	while (rc == 0 && e == OK) {
		if (mv.mv_size == KVS_FORMAT_OWNER)
			e = add_holder(r, kvs_format_u32(mv.mv_data), key, a, l);
		if (e == OK)
			rc = mdb_cursor_get(r->holders, &mk, &mv, MDB_NEXT_DUP);
	}
	return e == OK && rc != MDB_NOTFOUND ? lmdb_err(rc) : e;
}

enum err kvs_reader_holders(struct kvs_reader *r, struct bytes origin, struct bytes content, struct arena *a,
    struct kvs_holder *out, size_t max, size_t *n)
{
	OBJ_CHECK(r, KVS_READER_MAGIC);
	uint8_t key[RPC_KEY_MAX];
	size_t key_n = sizeof(key);
	enum err e = rpc_location_key(origin, content, key, &key_n);
	if (e != OK)
		return e;
	int rc = mdb_txn_renew(r->txn);
	if (rc != 0)
		return lmdb_err(rc);
	struct sorted l = { .h = out, .max = max };
	rc = mdb_cursor_renew(r->txn, r->holders);
	e = rc != 0 ? lmdb_err(rc) : scan_holders(r, bytes_of(key, key_n), a, &l);
	mdb_txn_reset(r->txn);
	if (e == OK)
		*n = l.n;
	return e;
}

/* -- any entry -- */

static enum err get_copy(const struct kvs_reader *r, const struct node_id *owner, enum rpc_stream stream,
    struct bytes key, struct arena *a, struct bytes *out)
{
	struct kvs_row_key k = { .stream = stream };
	struct bytes value;
	enum err e = lmdb_owner_find(r->store, r->txn, owner, &k.owner);
	if (e == OK)
		e = get_value(r, k, key, &value);
	if (e != OK)
		return e;
	struct bytes copy = arena_dup(a, value);
	if (copy.p == NULL)
		return ERR_NO_MEMORY;
	*out = copy;
	return OK;
}

enum err kvs_reader_get(struct kvs_reader *r, const struct node_id *owner, enum rpc_stream stream,
    struct bytes key, struct arena *a, struct bytes *value)
{
	OBJ_CHECK(r, KVS_READER_MAGIC);
	if (key.n > RPC_KEY_MAX)
		return ERR_NOT_FOUND;
	int rc = mdb_txn_renew(r->txn);
	if (rc != 0)
		return lmdb_err(rc);
	enum err e = get_copy(r, owner, stream, key, a, value);
	mdb_txn_reset(r->txn);
	return e;
}
