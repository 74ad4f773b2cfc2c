#include "kvs/lmdb_store_impl.h"

#include <string.h>

enum err lmdb_owner_find(const struct kvs_store *s, MDB_txn *txn, const struct node_id *id, uint32_t *out)
{
	MDB_val key = lmdb_val(bytes_of(id->b, NODE_ID_BYTES)), value;
	int rc = mdb_get(txn, s->owners, &key, &value);
	if (rc != 0)
		return lmdb_err(rc);
	if (value.mv_size != KVS_FORMAT_OWNER)
		return ERR_CORRUPT;
	*out = kvs_format_u32(value.mv_data);
	return OK;
}

enum err lmdb_owner_id(const struct kvs_store *s, MDB_txn *txn, uint32_t index, struct node_id *out)
{
	uint8_t index_bytes[KVS_FORMAT_OWNER];
	kvs_format_put_u32(index_bytes, index);
	MDB_val key = lmdb_val(bytes_of(index_bytes, sizeof(index_bytes))), value;
	int rc = mdb_get(txn, s->ids, &key, &value);
	if (rc != 0)
		return lmdb_err(rc);
	if (value.mv_size != NODE_ID_BYTES)
		return ERR_CORRUPT;
	memcpy(out->b, value.mv_data, NODE_ID_BYTES);
	return OK;
}

static enum err add_owner(struct kvs_store *s, MDB_txn *txn, const struct node_id *id, uint32_t *out)
{
	MDB_stat stat;
	int rc = mdb_stat(txn, s->ids, &stat);
	if (rc != 0)
		return lmdb_err(rc);
	if (stat.ms_entries >= UINT32_MAX)
		return ERR_FULL;
	/* Owners are never taken out, so the count is the first free index. */
	uint32_t index = (uint32_t)stat.ms_entries;
	uint8_t index_bytes[KVS_FORMAT_OWNER];
	kvs_format_put_u32(index_bytes, index);
	MDB_val id_val = lmdb_val(bytes_of(id->b, NODE_ID_BYTES));
	MDB_val index_val = lmdb_val(bytes_of(index_bytes, sizeof(index_bytes)));
	rc = mdb_put(txn, s->ids, &index_val, &id_val, MDB_NOOVERWRITE);
	if (rc == 0)
		rc = mdb_put(txn, s->owners, &id_val, &index_val, 0);
	if (rc == MDB_KEYEXIST)
		return ERR_CORRUPT;
	if (rc == 0)
		*out = index;
	return lmdb_write_err(s->view.env, rc);
}

enum err lmdb_owner_index(struct kvs_store *s, MDB_txn *txn, const struct node_id *id, uint32_t *out)
{
	if (!s->owner_cached || !node_id_eq(&s->owner, id)) {
		uint32_t index;
		enum err e = lmdb_owner_find(s, txn, id, &index);
		if (e == ERR_NOT_FOUND)
			e = add_owner(s, txn, id, &index);
		if (e != OK)
			return e;
		s->owner = *id;
		s->owner_index = index;
		s->owner_cached = true;
	}
	*out = s->owner_index;
	return OK;
}

static enum err check_owners(struct kvs_store *s, MDB_txn *txn)
{
	MDB_stat owners, ids;
	int rc = mdb_dbi_open(txn, "owners", 0, &s->owners);
	if (rc == 0)
		rc = mdb_dbi_open(txn, "ids", 0, &s->ids);
	if (rc == 0)
		rc = mdb_stat(txn, s->owners, &owners);
	if (rc == 0)
		rc = mdb_stat(txn, s->ids, &ids);
	if (rc != 0)
		return lmdb_err(rc);
	if (owners.ms_entries != ids.ms_entries || ids.ms_entries > UINT32_MAX)
		return ERR_CORRUPT;
	for (uint32_t i = 0; i < ids.ms_entries; i++) {
		struct node_id id;
		uint32_t back;
		enum err e = lmdb_owner_id(s, txn, i, &id);
		if (e == OK)
			e = lmdb_owner_find(s, txn, &id, &back);
		if (e != OK)
			return e;
		if (back != i)
			return ERR_CORRUPT;
	}
	return OK;
}

enum err lmdb_owners_check(struct kvs_store *s)
{
	MDB_txn *txn;
	int rc = mdb_txn_begin(s->view.env, NULL, MDB_RDONLY, &txn);
	if (rc != 0)
		return lmdb_err(rc);
	enum err e = check_owners(s, txn);
	mdb_txn_abort(txn);
	return e == ERR_NOT_FOUND ? ERR_CORRUPT : e;
}
