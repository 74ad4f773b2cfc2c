/* The store's inside, shared by lmdb_store.c (writing), lmdb_store_open.c, lmdb_owners.c,
 * lmdb_load.c and lmdb_reader.c.
 */
#ifndef KVS_LMDB_STORE_IMPL_H
#define KVS_LMDB_STORE_IMPL_H

#include "base/obj.h"
#include "kvs/format.h"
#include "kvs/lmdb_env.h"
#include "kvs/lmdb_meta.h"
#include "kvs/lmdb_reader.h"
#include "kvs/lmdb_rows.h"

#include <stdatomic.h>

#define KVS_STORE_MAGIC 0x73746f72u

/* Rows of `self` stand under this owner index. */
enum { LMDB_OWN_INDEX = 0 };

struct lmdb_side {
	MDB_env *env;
	MDB_dbi meta;
	struct lmdb_rows rows;
	MDB_txn *txn; /* the group's, NULL when it has not touched this side */
};

struct kvs_store {
	unsigned magic;
	char *folder;
	int lock_fd;
	struct lmdb_side self, view;
	MDB_dbi owners; /* of the view: node id -> index */
	MDB_dbi ids;    /* and back */
	struct kvs_identity_record identity;
	/* Written by the open group, believed when it is committed. */
	struct kvs_identity_record next_identity;
	bool inherits;
	bool grouped;    /* between begin and commit or abort */
	enum err failed; /* of the group: it can only be aborted */
	/* The owner looked up last in this group. */
	bool owner_cached;
	struct node_id owner;
	uint32_t owner_index;
	atomic_uint readers;
};

/* The index of an owner in the view, given out when it is new. */
MUST_USE enum err lmdb_owner_index(
    struct kvs_store *s, MDB_txn *txn, const struct node_id *id, uint32_t *out);
/* ERR_NOT_FOUND when it has none. */
MUST_USE enum err lmdb_owner_find(
    const struct kvs_store *s, MDB_txn *txn, const struct node_id *id, uint32_t *out);
/* The way back. */
MUST_USE enum err lmdb_owner_id(const struct kvs_store *s, MDB_txn *txn, uint32_t index, struct node_id *out);
/* Whether the two tables of an existing view agree; ERR_CORRUPT. A wrong id there would put words into the
 * mouth of a node that never was. */
MUST_USE enum err lmdb_owners_check(struct kvs_store *s);

#endif
