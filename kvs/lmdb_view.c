#include "kvs/lmdb_view.h"

#include "base/check.h"
#include "kvs/lmdb_meta.h"

#include <string.h>

enum err lmdb_view_open(struct lmdb_view *v, MDB_txn *txn)
{
	int rc = mdb_dbi_open(txn, "meta", MDB_CREATE, &v->meta);
	if (rc == 0)
		rc = mdb_dbi_open(txn, "names", MDB_CREATE, &v->names);
	if (rc == 0)
		rc = mdb_dbi_open(txn, "rows", MDB_CREATE, &v->rows);
	if (rc == 0)
		rc = mdb_dbi_open(txn, "bundles", MDB_CREATE, &v->bundles.table);
	lmdb_view_ended(v, false);
	return lmdb_write_err(mdb_txn_env(txn), rc);
}

void lmdb_view_ended(struct lmdb_view *v, bool committed)
{
	v->cached = v->dirty = v->dropped = false;
	if (committed)
		v->sweep_before = v->sweep;
	else
		v->sweep = v->sweep_before;
	lmdb_bundles_forget(&v->bundles);
}

/* -- names and slots -- */

enum err lmdb_view_slot(const struct lmdb_view *v, MDB_txn *txn, const struct node_id *owner,
    enum rpc_stream stream, uint32_t *slot)
{
	uint8_t name[KVS_FORMAT_ROW_NAME];
	kvs_format_row_name(owner, stream, name);
	MDB_val mk = lmdb_val(bytes_of(name, sizeof(name))), mv;
	int rc = mdb_get(txn, v->names, &mk, &mv);
	if (rc != 0)
		return lmdb_err(rc);
	if (mv.mv_size != KVS_FORMAT_SLOT)
		return ERR_CORRUPT;
	*slot = kvs_format_u32(mv.mv_data);
	return OK;
}

enum err lmdb_view_row(const struct lmdb_view *v, MDB_txn *txn, uint32_t slot, struct bytes *record)
{
	uint8_t key[KVS_FORMAT_SLOT];
	kvs_format_put_u32(key, slot);
	MDB_val mk = lmdb_val(bytes_of(key, sizeof(key))), mv;
	int rc = mdb_get(txn, v->rows, &mk, &mv);
	if (rc == 0)
		*record = lmdb_bytes(&mv);
	return lmdb_err(rc);
}

static enum err add_name(
    struct lmdb_view *v, MDB_txn *txn, const struct node_id *owner, enum rpc_stream stream, uint32_t *slot)
{
	uint8_t name[KVS_FORMAT_ROW_NAME], encoded[KVS_FORMAT_SLOT];
	uint32_t next = 0;
	enum err e = lmdb_next_slot_get(txn, v->meta, &next);
	if (e == OK)
		e = next == UINT32_MAX ? ERR_FULL : lmdb_next_slot_put(txn, v->meta, next + 1);
	if (e != OK)
		return e;
	kvs_format_row_name(owner, stream, name);
	kvs_format_put_u32(encoded, next);
	MDB_val mk = lmdb_val(bytes_of(name, sizeof(name))), mv = lmdb_val(bytes_of(encoded, sizeof(encoded)));
	int rc = mdb_put(txn, v->names, &mk, &mv, MDB_NOOVERWRITE);
	if (rc == 0)
		*slot = next;
	return lmdb_write_err(mdb_txn_env(txn), rc);
}

/* -- the row written last -- */

enum err lmdb_view_flush(struct lmdb_view *v, MDB_txn *txn)
{
	if (!v->cached || !v->dirty)
		return OK;
	uint8_t key[KVS_FORMAT_SLOT], value[KVS_FORMAT_ROW_MAX];
	kvs_format_put_u32(key, v->slot);
	MDB_val mk = lmdb_val(bytes_of(key, sizeof(key))), mv = lmdb_val(kvs_format_row(&v->record, value));
	int rc = mdb_put(txn, v->rows, &mk, &mv, 0);
	if (rc == 0)
		v->dirty = false;
	return lmdb_write_err(mdb_txn_env(txn), rc);
}

static bool is_cached(const struct lmdb_view *v, const struct node_id *owner, enum rpc_stream stream)
{
	return v->cached && v->record.meta.stream == stream && node_id_eq(&v->record.meta.owner, owner);
}

/* Makes a row that is there the cached one. ERR_NOT_FOUND. */
static enum err focus(struct lmdb_view *v, MDB_txn *txn, const struct node_id *owner, enum rpc_stream stream)
{
	if (is_cached(v, owner, stream))
		return OK;
	enum err e = lmdb_view_flush(v, txn);
	v->cached = false;
	if (e != OK)
		return e;
	struct bytes record;
	struct kvs_row_record r;
	uint32_t slot;
	e = lmdb_view_slot(v, txn, owner, stream, &slot);
	if (e != OK)
		return e;
	e = lmdb_view_row(v, txn, slot, &record);
	if (e == OK)
		e = kvs_format_parse_row(record, &r);
	if (e == OK && (!node_id_eq(&r.meta.owner, owner) || r.meta.stream != stream))
		e = ERR_CORRUPT;
	if (e != OK)
		return e == ERR_NOT_FOUND ? ERR_CORRUPT : e;
	v->slot = slot;
	v->record = r;
	v->cached = true;
	return OK;
}

static enum err focus_or_add(
    struct lmdb_view *v, MDB_txn *txn, const struct node_id *owner, enum rpc_stream stream)
{
	enum err e = focus(v, txn, owner, stream);
	if (e != ERR_NOT_FOUND)
		return e;
	uint32_t slot;
	e = add_name(v, txn, owner, stream, &slot);
	if (e != OK)
		return e;
	v->slot = slot;
	v->record = (struct kvs_row_record){ .meta = { .owner = *owner, .stream = stream } };
	v->cached = v->dirty = true;
	return OK;
}

/* -- operations -- */

enum err lmdb_view_set(struct lmdb_view *v, MDB_txn *txn, const struct kvs_row_meta *m)
{
	enum err e = focus_or_add(v, txn, &m->owner, m->stream);
	if (e != OK)
		return e;
	v->record.meta = *m;
	v->dirty = true;
	return OK;
}

static uint64_t entry_hash(
    struct lmdb_view *v, uint64_t key_hash, uint64_t version, bool deleted, struct bytes value)
{
	struct rpc_entry e = { .version = version, .deleted = deleted, .value = value };
	return kvs_format_entry_hash(key_hash, kvs_format_entry(&e, v->scratch));
}

/* Takes what find found out of the row's sums. */
static void discount(struct lmdb_view *v, uint64_t key_hash)
{
	const struct kvs_bundle_entry *old = &v->bundles.e[v->bundles.i];
	v->record.entries_n--;
	v->record.sum -= entry_hash(v, key_hash, old->version, old->deleted, old->value);
	v->dirty = true;
}

enum err lmdb_view_put(struct lmdb_view *v, MDB_txn *txn, const struct node_id *owner, enum rpc_stream stream,
    const struct rpc_entry *entry)
{
	if (entry->key.n > RPC_KEY_MAX || entry->value.n > RPC_VALUE_MAX)
		return ERR_TOO_BIG;
	enum err e = focus_or_add(v, txn, owner, stream);
	if (e != OK)
		return e;
	uint64_t hash = kvs_format_key_hash(entry->key);
	e = lmdb_bundles_find(&v->bundles, txn, entry->key, hash, v->slot);
	if (e != OK)
		return e;
	if (v->bundles.found)
		discount(v, hash);
	struct kvs_bundle_entry b = { .slot = v->slot, .version = entry->version, .deleted = entry->deleted };
	if (!entry->deleted)
		b.value = entry->value;
	v->record.entries_n++;
	v->record.sum += entry_hash(v, hash, b.version, b.deleted, b.value);
	v->dirty = true;
	return lmdb_bundles_set(&v->bundles, txn, &b);
}

enum err lmdb_view_remove(
    struct lmdb_view *v, MDB_txn *txn, const struct node_id *owner, enum rpc_stream stream, struct bytes key)
{
	if (key.n > RPC_KEY_MAX)
		return ERR_TOO_BIG;
	enum err e = focus(v, txn, owner, stream);
	if (e != OK)
		return e == ERR_NOT_FOUND ? OK : e;
	uint64_t hash = kvs_format_key_hash(key);
	e = lmdb_bundles_find(&v->bundles, txn, key, hash, v->slot);
	if (e != OK || !v->bundles.found)
		return e;
	discount(v, hash);
	return lmdb_bundles_set(&v->bundles, txn, NULL);
}

enum err lmdb_view_drop(
    struct lmdb_view *v, MDB_txn *txn, const struct node_id *owner, enum rpc_stream stream)
{
	uint32_t slot;
	enum err e = lmdb_view_slot(v, txn, owner, stream, &slot);
	if (e != OK)
		return e == ERR_NOT_FOUND ? OK : e;
	if (is_cached(v, owner, stream))
		v->cached = v->dirty = false;
	uint8_t name[KVS_FORMAT_ROW_NAME], key[KVS_FORMAT_SLOT];
	kvs_format_row_name(owner, stream, name);
	kvs_format_put_u32(key, slot);
	MDB_val mk = lmdb_val(bytes_of(name, sizeof(name)));
	int rc = mdb_del(txn, v->names, &mk, NULL);
	mk = lmdb_val(bytes_of(key, sizeof(key)));
	if (rc == 0)
		rc = mdb_del(txn, v->rows, &mk, NULL);
	if (rc != 0 && rc != MDB_NOTFOUND)
		return lmdb_write_err(mdb_txn_env(txn), rc);
	v->dropped = true;
	v->sweep.again = v->sweep.on;
	v->sweep.on = true;
	return OK;
}

/* -- what dropped rows left -- */

struct deadness {
	const struct lmdb_view *v;
	MDB_txn *txn;
};

static enum err is_dead(void *arg, uint32_t slot, bool *dead)
{
	const struct deadness *d = arg;
	struct bytes record;
	enum err e = lmdb_view_row(d->v, d->txn, slot, &record);
	*dead = e == ERR_NOT_FOUND;
	return *dead ? OK : e;
}

enum err lmdb_view_sweep(struct lmdb_view *v, MDB_txn *txn, unsigned max)
{
	if (!v->sweep.on)
		return OK;
	struct deadness d = { v, txn };
	bool end;
	enum err e = lmdb_bundles_sweep(&v->bundles, txn, &v->sweep.at, max, is_dead, &d, &end);
	if (e == OK && end)
		v->sweep = (struct lmdb_sweep){ .on = v->sweep.again };
	return e;
}
