/* The rows of the view: names (owner and stream -> slot), rows (slot -> record), bundles (entries).
 *
 * A row that is dropped loses its slot at once, whatever its size: its entries are no row's from then on, and
 * are swept out a little in every later transaction (lmdb_view_sweep).
 *
 * All within a write transaction that the caller begins and ends. The row written last is kept in memory
 * until another one comes: lmdb_view_flush before a commit, lmdb_view_ended after it and after an abort.
 */
#ifndef KVS_LMDB_VIEW_H
#define KVS_LMDB_VIEW_H

#include "kvs/lmdb_bundles.h"

struct lmdb_sweep {
	bool on, again; /* again: more was dropped since it began */
	struct kvs_bundle_key at;
};

struct lmdb_view {
	MDB_dbi meta, names, rows;
	struct lmdb_bundles bundles;
	struct lmdb_sweep sweep, sweep_before; /* before: as of the last commit */
	bool dropped;                          /* a row, in this transaction */
	/* The row written last. */
	bool cached, dirty;
	uint32_t slot;
	struct kvs_row_record record;
	uint8_t scratch[KVS_FORMAT_VALUE_MAX];
};

/* Opens the tables, making those that are missing. */
MUST_USE enum err lmdb_view_open(struct lmdb_view *v, MDB_txn *txn);

MUST_USE enum err lmdb_view_set(struct lmdb_view *v, MDB_txn *txn, const struct kvs_row_meta *m);
/* The row with all its entries; one that is not there is fine. */
MUST_USE enum err lmdb_view_drop(
    struct lmdb_view *v, MDB_txn *txn, const struct node_id *owner, enum rpc_stream stream);
/* ERR_TOO_BIG when the key or the value is past what a frame can carry. */
MUST_USE enum err lmdb_view_put(struct lmdb_view *v, MDB_txn *txn, const struct node_id *owner,
    enum rpc_stream stream, const struct rpc_entry *e);
/* One entry; one that is not there is fine. */
MUST_USE enum err lmdb_view_remove(
    struct lmdb_view *v, MDB_txn *txn, const struct node_id *owner, enum rpc_stream stream, struct bytes key);
MUST_USE enum err lmdb_view_flush(struct lmdb_view *v, MDB_txn *txn);
/* Looks at `max` bundles for what dropped rows left. After a flush. */
MUST_USE enum err lmdb_view_sweep(struct lmdb_view *v, MDB_txn *txn, unsigned max);
void lmdb_view_ended(struct lmdb_view *v, bool committed);

/* -- reading; in any transaction, nothing cached -- */

/* ERR_NOT_FOUND when there is none. */
MUST_USE enum err lmdb_view_slot(const struct lmdb_view *v, MDB_txn *txn, const struct node_id *owner,
    enum rpc_stream stream, uint32_t *slot);
/* The encoded record. */
MUST_USE enum err lmdb_view_row(const struct lmdb_view *v, MDB_txn *txn, uint32_t slot, struct bytes *record);

#endif
