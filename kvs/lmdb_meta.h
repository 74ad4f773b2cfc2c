/* The table "meta" of both environments: the format; in `self` the identity, in `view` the slots.
 */
#ifndef KVS_LMDB_META_H
#define KVS_LMDB_META_H

#include "kvs/format.h"

#include <lmdb.h>

enum lmdb_age { LMDB_FRESH /* nothing was ever written to it */, LMDB_OLDER, LMDB_CURRENT };

/* Looks at a file that was opened just now. ERR_VERSION: by a newer build than knows `format`; ERR_CORRUPT:
 * not by us. */
MUST_USE enum err lmdb_format_get(MDB_txn *txn, uint32_t format, enum lmdb_age *age);
MUST_USE enum err lmdb_format_put(MDB_txn *txn, MDB_dbi meta, uint32_t format);

/* ERR_CORRUPT too when there is none. */
MUST_USE enum err lmdb_identity_get(MDB_txn *txn, MDB_dbi meta, struct kvs_identity_record *out);
MUST_USE enum err lmdb_identity_put(MDB_txn *txn, MDB_dbi meta, const struct kvs_identity_record *r);

/* The first slot that no row ever had. */
MUST_USE enum err lmdb_next_slot_get(MDB_txn *txn, MDB_dbi meta, uint32_t *slot);
MUST_USE enum err lmdb_next_slot_put(MDB_txn *txn, MDB_dbi meta, uint32_t slot);

#endif
