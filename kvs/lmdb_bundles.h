/* The view's table of bundles (format_bundle.h): looked up, changed, split.
 *
 * Two keys with one hash stand in bundles of their own, told apart by `which` and compared in full: a
 * collision costs a step of a cursor and is never a wrong answer.
 *
 * Threading: the store thread's, within its write transaction.
 */
#ifndef KVS_LMDB_BUNDLES_H
#define KVS_LMDB_BUNDLES_H

#include "kvs/format_bundle.h"
#include "kvs/lmdb_env.h"

struct lmdb_bundles {
	MDB_dbi table;
	uint64_t hash_mask; /* all ones; tests leave few, so that keys collide */
	MDB_cursor *cursor; /* of the transaction that runs; ends with it */

	/* The bundle where lmdb_bundles_find ended. Values point into the file and into `built`. */
	struct kvs_bundle_key at;
	bool exists;
	struct bytes key;
	struct kvs_bundle_entry e[KVS_BUNDLE_ENTRIES_MAX + 1];
	size_t n;
	size_t i; /* the entry of that slot, or where it belongs */
	bool found;

	struct kvs_bundle_reader reader;
	struct buf out;
	uint8_t built[KVS_BUNDLE_ENTRIES_MAX * KVS_BUNDLE_SHARED_MAX];
	size_t built_n;
};

void lmdb_bundles_init(struct lmdb_bundles *t);
void lmdb_bundles_fini(struct lmdb_bundles *t);
/* The transaction has ended. */
void lmdb_bundles_forget(struct lmdb_bundles *t);

/* Where the entry of `slot` under `key` is, or belongs. `hash` is kvs_format_key_hash(key). `key` must last
 * until the change. */
MUST_USE enum err lmdb_bundles_find(
    struct lmdb_bundles *t, MDB_txn *txn, struct bytes key, uint64_t hash, uint32_t slot);
/* After a find, once: the entry there becomes `e`, or goes (NULL). */
MUST_USE enum err lmdb_bundles_set(struct lmdb_bundles *t, MDB_txn *txn, const struct kvs_bundle_entry *e);

/* Takes out the entries of slots that `dead` says are, in at most `max` bundles from *from on, and
 * moves it on. *end: behind the last bundle. One that cannot be read is taken out whole. */
MUST_USE enum err lmdb_bundles_sweep(struct lmdb_bundles *t, MDB_txn *txn, struct kvs_bundle_key *from,
    unsigned max, enum err (*dead)(void *arg, uint32_t slot, bool *dead), void *arg, bool *end);

#endif
