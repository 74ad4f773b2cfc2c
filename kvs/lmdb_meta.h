/* The table "meta" of both environments: the format, and in `self` the identity.
 */
#ifndef KVS_LMDB_META_H
#define KVS_LMDB_META_H

#include "kvs/format.h"

#include <lmdb.h>

/* Looks at a file that was opened just now. *fresh: nothing was ever written to it. ERR_VERSION: by a newer
 * build; ERR_CORRUPT: not by us. */
MUST_USE enum err lmdb_format_get(MDB_txn *txn, bool *fresh);
MUST_USE enum err lmdb_format_put(MDB_txn *txn, MDB_dbi meta);

/* ERR_CORRUPT too when there is none. */
MUST_USE enum err lmdb_identity_get(MDB_txn *txn, MDB_dbi meta, struct kvs_identity_record *out);
MUST_USE enum err lmdb_identity_put(MDB_txn *txn, MDB_dbi meta, const struct kvs_identity_record *r);

#endif
