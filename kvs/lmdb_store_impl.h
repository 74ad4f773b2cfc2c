/* The store's inside, shared by lmdb_store.c (writing), lmdb_store_open.c, lmdb_load.c,
 * lmdb_load_view.c and lmdb_reader.c.
 */
#ifndef KVS_LMDB_STORE_IMPL_H
#define KVS_LMDB_STORE_IMPL_H

#include "base/obj.h"
#include "kvs/format.h"
#include "kvs/lmdb_env.h"
#include "kvs/lmdb_meta.h"
#include "kvs/lmdb_reader.h"
#include "kvs/lmdb_rows.h"
#include "kvs/lmdb_view.h"

#include <stdatomic.h>

#define KVS_STORE_MAGIC 0x73746f72u

/* Rows of `self` stand under this owner index. */
enum { LMDB_OWN_INDEX = 0 };

struct lmdb_side {
	MDB_env *env;
	MDB_txn *txn; /* the group's, NULL when it has not touched this side */
};

struct kvs_store {
	unsigned magic;
	char *folder;
	int lock_fd;
	struct lmdb_side self, view;
	MDB_dbi self_meta;
	struct lmdb_rows own;
	struct lmdb_view rows;
	struct kvs_identity_record identity;
	/* Written by the open group, believed when it is committed. */
	struct kvs_identity_record next_identity;
	bool inherits;
	bool grouped;           /* between begin and commit or abort */
	enum err failed;        /* of the group: it can only be aborted */
	struct lmdb_detail why; /* the last group failed */
	/* Commits that dropped a row: what readers remember of slots is void then. */
	atomic_uint_fast64_t drops;
	atomic_uint readers;
};

/* Keeps what a person is told about a failure; OK: nothing. */
void lmdb_store_say_why(struct kvs_store *s, enum err e);
/* Feeds others' rows into the replica, and drops what is damaged or what it refuses. In a write transaction
 * of the view. */
MUST_USE enum err lmdb_load_view(struct kvs_store *s, MDB_txn *txn, struct kvs *k);

#endif
