#include "kvs/lmdb_meta.h"

#include "kvs/lmdb_env.h"

static const char key_format[] = "format", key_identity[] = "identity", key_slots[] = "slots";

static enum err meta_get(MDB_txn *txn, MDB_dbi meta, const char *name, struct bytes *out)
{
	MDB_val key = lmdb_val(bytes_str(name)), value;
	int rc = mdb_get(txn, meta, &key, &value);
	if (rc == 0)
		*out = lmdb_bytes(&value);
	return lmdb_err(rc);
}

static enum err meta_put(MDB_txn *txn, MDB_dbi meta, const char *name, struct bytes value)
{
	MDB_val k = lmdb_val(bytes_str(name)), v = lmdb_val(value);
	return lmdb_write_err(mdb_txn_env(txn), mdb_put(txn, meta, &k, &v, 0));
}

enum err lmdb_identity_get(MDB_txn *txn, MDB_dbi meta, struct kvs_identity_record *out)
{
	struct bytes value;
	enum err e = meta_get(txn, meta, key_identity, &value);
	if (e == ERR_NOT_FOUND)
		return ERR_CORRUPT;
	return e == OK ? kvs_format_parse_identity(value, out) : e;
}

enum err lmdb_identity_put(MDB_txn *txn, MDB_dbi meta, const struct kvs_identity_record *r)
{
	uint8_t encoded[KVS_FORMAT_IDENTITY_MAX];
	return meta_put(txn, meta, key_identity, kvs_format_identity(r, encoded));
}

static enum err put_u32(MDB_txn *txn, MDB_dbi meta, const char *name, uint32_t v)
{
	uint8_t encoded[4];
	kvs_format_put_u32(encoded, v);
	return meta_put(txn, meta, name, bytes_of(encoded, sizeof(encoded)));
}

enum err lmdb_format_get(MDB_txn *txn, uint32_t known, enum lmdb_age *age)
{
	MDB_dbi root, meta;
	MDB_stat stat;
	int rc = mdb_dbi_open(txn, NULL, 0, &root);
	if (rc == 0)
		rc = mdb_stat(txn, root, &stat);
	if (rc != 0)
		return lmdb_err(rc);
	*age = LMDB_FRESH;
	if (stat.ms_entries == 0)
		return OK;
	rc = mdb_dbi_open(txn, "meta", 0, &meta);
	struct bytes value;
	enum err e = rc != 0 ? lmdb_err(rc) : meta_get(txn, meta, key_format, &value);
	if (e == ERR_NOT_FOUND || (e == OK && value.n < 4))
		return ERR_CORRUPT;
	if (e != OK)
		return e;
	uint32_t format = kvs_format_u32(value.p);
	*age = format < known ? LMDB_OLDER : LMDB_CURRENT;
	return format == 0 ? ERR_CORRUPT : format > known ? ERR_VERSION : OK;
}

enum err lmdb_format_put(MDB_txn *txn, MDB_dbi meta, uint32_t format)
{
	return put_u32(txn, meta, key_format, format);
}

enum err lmdb_next_slot_get(MDB_txn *txn, MDB_dbi meta, uint32_t *slot)
{
	struct bytes value;
	enum err e = meta_get(txn, meta, key_slots, &value);
	if (e == OK && value.n < 4)
		return ERR_CORRUPT;
	if (e == OK || e == ERR_NOT_FOUND)
		*slot = e == OK ? kvs_format_u32(value.p) : 0;
	return e == ERR_NOT_FOUND ? OK : e;
}

enum err lmdb_next_slot_put(MDB_txn *txn, MDB_dbi meta, uint32_t slot)
{
	return put_u32(txn, meta, key_slots, slot);
}
