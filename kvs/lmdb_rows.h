/* Own rows and their entries in the tables of `self`, each row with the count and checksum of its entries.
 *
 * All within a write transaction that the caller begins and ends. The row written last is kept in memory
 * until another one comes: lmdb_rows_flush before a commit, lmdb_rows_forget after an abort.
 */
#ifndef KVS_LMDB_ROWS_H
#define KVS_LMDB_ROWS_H

#include "kvs/format.h"
#include "kvs/lmdb_env.h"

struct lmdb_rows {
	MDB_dbi rows, entries;
	/* The row written last. */
	bool cached, dirty;
	struct kvs_row_key key;
	struct kvs_row_record record;
	uint8_t scratch[KVS_FORMAT_VALUE_MAX];
};

/* Opens the tables, making those that are missing. */
MUST_USE enum err lmdb_rows_open(struct lmdb_rows *t, MDB_txn *txn);

MUST_USE enum err lmdb_rows_set(
    struct lmdb_rows *t, MDB_txn *txn, struct kvs_row_key k, const struct kvs_row_meta *m);
/* The row with all its entries; one that is not there is fine. */
MUST_USE enum err lmdb_rows_drop(struct lmdb_rows *t, MDB_txn *txn, struct kvs_row_key k);
/* ERR_TOO_BIG when the key or the value is past what a frame can carry. */
MUST_USE enum err lmdb_rows_put(
    struct lmdb_rows *t, MDB_txn *txn, struct kvs_row_key k, const struct rpc_entry *e);
/* One entry; one that is not there is fine. */
MUST_USE enum err lmdb_rows_remove(struct lmdb_rows *t, MDB_txn *txn, struct kvs_row_key k, struct bytes key);
MUST_USE enum err lmdb_rows_flush(struct lmdb_rows *t, MDB_txn *txn);
void lmdb_rows_forget(struct lmdb_rows *t);

/* -- reading; in any transaction, nothing cached -- */

/* ERR_NOT_FOUND when there is none. */
MUST_USE enum err lmdb_rows_get(
    const struct lmdb_rows *t, MDB_txn *txn, struct kvs_row_key k, struct kvs_row_record *out);

/* Entries of a row in memory; slices point into the transaction's pages. */
struct lmdb_row_entries {
	struct rpc_entry *e;
	size_t n, cap;
};

/* All entries, in version order. ERR_CORRUPT when they do not add up to the record, or when that is of
 * another owner or stream. */
MUST_USE enum err lmdb_rows_read(const struct lmdb_rows *t, MDB_txn *txn, struct kvs_row_key k,
    const struct node_id *owner, const struct kvs_row_record *r, struct lmdb_row_entries *out);
void lmdb_row_entries_fini(struct lmdb_row_entries *l);

/* Calls `row` for each row, in order of key, until it returns an error. An unreadable record is passed on
 * as NULL. */
MUST_USE enum err lmdb_rows_each(const struct lmdb_rows *t, MDB_txn *txn,
    enum err (*row)(void *arg, struct kvs_row_key k, const struct kvs_row_record *r), void *arg);

#endif
