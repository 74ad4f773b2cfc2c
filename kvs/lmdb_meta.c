#include "kvs/lmdb_meta.h"

#include "kvs/lmdb_env.h"

static const char key_format[] = "format", key_identity[] = "identity";

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

enum err lmdb_format_get(MDB_txn *txn, bool *fresh)
{
	MDB_dbi root, meta;
	MDB_stat stat;
	int rc = mdb_dbi_open(txn, NULL, 0, &root);
	if (rc == 0)
		rc = mdb_stat(txn, root, &stat);
	if (rc != 0)
		return lmdb_err(rc);
	*fresh = stat.ms_entries == 0;
	if (*fresh)
		return OK;
	rc = mdb_dbi_open(txn, "meta", 0, &meta);
	struct bytes value;
	enum err e = rc != 0 ? lmdb_err(rc) : meta_get(txn, meta, key_format, &value);
	if (e == ERR_NOT_FOUND || (e == OK && value.n < 4))
		return ERR_CORRUPT;
	if (e != OK)
		return e;
	uint32_t format = kvs_format_u32(value.p);
	return format == 0 ? ERR_CORRUPT : format > KVS_FORMAT_VERSION ? ERR_VERSION : OK;
}

enum err lmdb_format_put(MDB_txn *txn, MDB_dbi meta)
{
	uint8_t format[4];
	kvs_format_put_u32(format, KVS_FORMAT_VERSION);
	return meta_put(txn, meta, key_format, bytes_of(format, sizeof(format)));
}
