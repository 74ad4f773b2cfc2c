#include "kvs/lmdb_rows.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

enum err lmdb_rows_open(struct lmdb_rows *t, MDB_txn *txn)
{
	int rc = mdb_dbi_open(txn, "rows", MDB_CREATE, &t->rows);
	if (rc == 0)
		rc = mdb_dbi_open(txn, "entries", MDB_CREATE, &t->entries);
	lmdb_rows_forget(t);
	return lmdb_write_err(mdb_txn_env(txn), rc);
}

/* -- the row written last -- */

void lmdb_rows_forget(struct lmdb_rows *t)
{
	t->cached = t->dirty = false;
}

enum err lmdb_rows_flush(struct lmdb_rows *t, MDB_txn *txn)
{
	if (!t->cached || !t->dirty)
		return OK;
	uint8_t key_bytes[KVS_FORMAT_ROW_KEY], value_bytes[KVS_FORMAT_ROW_MAX];
	kvs_format_row_key(t->key, key_bytes);
	MDB_val key = lmdb_val(bytes_of(key_bytes, sizeof(key_bytes)));
	MDB_val value = lmdb_val(kvs_format_row(&t->record, value_bytes));
	int rc = mdb_put(txn, t->rows, &key, &value, 0);
	if (rc == 0)
		t->dirty = false;
	return lmdb_write_err(mdb_txn_env(txn), rc);
}

/* Makes `k` the cached row; one that is not there yet is empty. */
static enum err focus(struct lmdb_rows *t, MDB_txn *txn, struct kvs_row_key k)
{
	if (t->cached && t->key.owner == k.owner && t->key.stream == k.stream)
		return OK;
	enum err e = lmdb_rows_flush(t, txn);
	if (e != OK)
		return e;
	lmdb_rows_forget(t);
	struct kvs_row_record r = { .entries_n = 0 };
	e = lmdb_rows_get(t, txn, k, &r);
	if (e != OK && e != ERR_NOT_FOUND)
		return e;
	t->key = k;
	t->record = r;
	t->cached = true;
	return OK;
}

enum err lmdb_rows_set(struct lmdb_rows *t, MDB_txn *txn, struct kvs_row_key k, const struct kvs_row_meta *m)
{
	enum err e = focus(t, txn, k);
	if (e != OK)
		return e;
	t->record.meta = *m;
	t->dirty = true;
	return OK;
}

/* -- entries -- */

/* Takes what is stored under the key out of the row's sums. ERR_NOT_FOUND: nothing is. */
static enum err discount(struct lmdb_rows *t, MDB_txn *txn, MDB_val *full_key, struct bytes key)
{
	MDB_val value;
	int rc = mdb_get(txn, t->entries, full_key, &value);
	if (rc != 0)
		return lmdb_err(rc);
	struct rpc_entry old;
	enum err e = kvs_format_parse_entry(lmdb_bytes(&value), &old);
	if (e != OK)
		return e;
	t->record.entries_n--;
	t->record.sum -= kvs_format_entry_hash(kvs_format_key_hash(key), lmdb_bytes(&value));
	t->dirty = true;
	return OK;
}

enum err lmdb_rows_put(struct lmdb_rows *t, MDB_txn *txn, struct kvs_row_key k, const struct rpc_entry *entry)
{
	if (entry->key.n > RPC_KEY_MAX || entry->value.n > RPC_VALUE_MAX)
		return ERR_TOO_BIG;
	enum err e = focus(t, txn, k);
	if (e != OK)
		return e;
	uint8_t key_bytes[KVS_FORMAT_KEY_MAX];
	MDB_val key = lmdb_val(kvs_format_entry_key(k, entry->key, key_bytes));
	e = discount(t, txn, &key, entry->key);
	if (e != OK && e != ERR_NOT_FOUND)
		return e;
	struct bytes encoded = kvs_format_entry(entry, t->scratch);
	MDB_val value = lmdb_val(encoded);
	int rc = mdb_put(txn, t->entries, &key, &value, 0);
	if (rc != 0)
		return lmdb_write_err(mdb_txn_env(txn), rc);
	t->record.entries_n++;
	t->record.sum += kvs_format_entry_hash(kvs_format_key_hash(entry->key), encoded);
	t->dirty = true;
	return OK;
}

enum err lmdb_rows_remove(struct lmdb_rows *t, MDB_txn *txn, struct kvs_row_key k, struct bytes entry_key)
{
	if (entry_key.n > RPC_KEY_MAX)
		return ERR_TOO_BIG;
	enum err e = focus(t, txn, k);
	if (e != OK)
		return e;
	uint8_t key_bytes[KVS_FORMAT_KEY_MAX];
	MDB_val key = lmdb_val(kvs_format_entry_key(k, entry_key, key_bytes));
	e = discount(t, txn, &key, entry_key);
	if (e != OK)
		return e == ERR_NOT_FOUND ? OK : e;
	int rc = mdb_del(txn, t->entries, &key, NULL);
	return lmdb_write_err(mdb_txn_env(txn), rc);
}

/* Steps a cursor through the entries of a row: MDB_NOTFOUND behind the last. */
static int next_entry(
    MDB_cursor *c, const uint8_t row_key[KVS_FORMAT_ROW_KEY], bool first, MDB_val *key, MDB_val *value)
{
	struct bytes prefix = bytes_of(row_key, KVS_FORMAT_ROW_KEY);
	if (first)
		*key = lmdb_val(prefix);
	int rc = mdb_cursor_get(c, key, value, first ? MDB_SET_RANGE : MDB_NEXT);
	if (rc == 0 && !bytes_starts_with(lmdb_bytes(key), prefix))
		rc = MDB_NOTFOUND;
	return rc;
}

static enum err drop_entries(MDB_txn *txn, MDB_cursor *c, struct kvs_row_key k)
{
	uint8_t row_key[KVS_FORMAT_ROW_KEY];
	kvs_format_row_key(k, row_key);
	MDB_val key, value;
	int rc;
	for (bool first = true; (rc = next_entry(c, row_key, first, &key, &value)) == 0; first = false) {
		rc = mdb_cursor_del(c, 0);
		if (rc != 0)
			break;
	}
	return rc == MDB_NOTFOUND ? OK : lmdb_write_err(mdb_txn_env(txn), rc);
}

enum err lmdb_rows_drop(struct lmdb_rows *t, MDB_txn *txn, struct kvs_row_key k)
{
	if (t->cached && t->key.owner == k.owner && t->key.stream == k.stream)
		lmdb_rows_forget(t);
	MDB_cursor *c;
	int rc = mdb_cursor_open(txn, t->entries, &c);
	if (rc != 0)
		return lmdb_err(rc);
	enum err e = drop_entries(txn, c, k);
	mdb_cursor_close(c);
	if (e != OK)
		return e;
	uint8_t row_key[KVS_FORMAT_ROW_KEY];
	kvs_format_row_key(k, row_key);
	MDB_val key = lmdb_val(bytes_of(row_key, sizeof(row_key)));
	rc = mdb_del(txn, t->rows, &key, NULL);
	return rc == MDB_NOTFOUND ? OK : lmdb_write_err(mdb_txn_env(txn), rc);
}

/* -- reading -- */

enum err lmdb_rows_get(
    const struct lmdb_rows *t, MDB_txn *txn, struct kvs_row_key k, struct kvs_row_record *out)
{
	uint8_t row_key[KVS_FORMAT_ROW_KEY];
	kvs_format_row_key(k, row_key);
	MDB_val key = lmdb_val(bytes_of(row_key, sizeof(row_key))), value;
	int rc = mdb_get(txn, t->rows, &key, &value);
	if (rc != 0)
		return lmdb_err(rc);
	return kvs_format_parse_row(lmdb_bytes(&value), out);
}

static bool push(struct lmdb_row_entries *l, const struct rpc_entry *e)
{
	if (l->n == l->cap) {
		size_t cap = l->cap == 0 ? 64 : l->cap * 2;
		struct rpc_entry *grown = reallocarray(l->e, cap, sizeof(*grown));
		if (grown == NULL)
			return false;
		l->e = grown;
		l->cap = cap;
	}
	l->e[l->n++] = *e;
	return true;
}

static int by_version(const void *pa, const void *pb)
{
	const struct rpc_entry *a = pa, *b = pb;
	return a->version < b->version ? -1 : a->version > b->version;
}

static enum err read_entries(MDB_cursor *c, struct kvs_row_key k, struct lmdb_row_entries *l, uint64_t *sum)
{
	uint8_t row_key[KVS_FORMAT_ROW_KEY];
	kvs_format_row_key(k, row_key);
	MDB_val key, value;
	int rc;
	for (bool first = true; (rc = next_entry(c, row_key, first, &key, &value)) == 0; first = false) {
		struct rpc_entry e = { .key = bytes_from(lmdb_bytes(&key), KVS_FORMAT_ROW_KEY) };
		enum err parsed = kvs_format_parse_entry(lmdb_bytes(&value), &e);
		if (parsed != OK)
			return parsed;
		*sum += kvs_format_entry_hash(kvs_format_key_hash(e.key), lmdb_bytes(&value));
		if (!push(l, &e))
			return ERR_NO_MEMORY;
	}
	return rc == MDB_NOTFOUND ? OK : lmdb_err(rc);
}

enum err lmdb_rows_read(const struct lmdb_rows *t, MDB_txn *txn, struct kvs_row_key k,
    const struct node_id *owner, const struct kvs_row_record *r, struct lmdb_row_entries *out)
{
	if (!node_id_eq(&r->meta.owner, owner) || r->meta.stream != k.stream)
		return ERR_CORRUPT;
	MDB_cursor *c;
	int rc = mdb_cursor_open(txn, t->entries, &c);
	if (rc != 0)
		return lmdb_err(rc);
	struct lmdb_row_entries l = { .n = 0 };
	uint64_t sum = 0;
	enum err e = read_entries(c, k, &l, &sum);
	mdb_cursor_close(c);
	if (e == OK && (l.n != r->entries_n || sum != r->sum))
		e = ERR_CORRUPT;
	if (e != OK) {
		lmdb_row_entries_fini(&l);
		return e;
	}
	if (l.n > 0)
		qsort(l.e, l.n, sizeof(*l.e), by_version);
	*out = l;
	return OK;
}

void lmdb_row_entries_fini(struct lmdb_row_entries *l)
{
	free(l->e);
	*l = (struct lmdb_row_entries){ .n = 0 };
}

enum err lmdb_rows_each(const struct lmdb_rows *t, MDB_txn *txn,
    enum err (*row)(void *arg, struct kvs_row_key k, const struct kvs_row_record *r), void *arg)
{
	MDB_cursor *c;
	int rc = mdb_cursor_open(txn, t->rows, &c);
	if (rc != 0)
		return lmdb_err(rc);
	MDB_val key, value;
	enum err e = OK;
	while (e == OK && (rc = mdb_cursor_get(c, &key, &value, MDB_NEXT)) == 0) {
		struct kvs_row_key k;
		struct kvs_row_record r;
		if (kvs_format_parse_row_key(lmdb_bytes(&key), &k) != OK)
			continue; /* a stream of a newer build (V4): left alone */
		bool readable = kvs_format_parse_row(lmdb_bytes(&value), &r) == OK;
		e = row(arg, k, readable ? &r : NULL);
	}
	mdb_cursor_close(c);
	if (e == OK && rc != MDB_NOTFOUND)
		e = lmdb_err(rc);
	return e;
}
