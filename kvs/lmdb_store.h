/* The replica on disk: the store thread's side, and what a start reads back.
 *
 * Two LMDB environments in data_dir. `self`: identity, incarnation, own rows; synced; own data is
 * never lost. `view`: every row of the cluster (own ones too) with the holders' index; not synced,
 * disposable: after a host crash (boot_id changed without a clean mark) or when corrupt it is set
 * aside and fetched again from peers. A lock file keeps a second process out (ERR_BUSY).
 *
 * Threading: kvs_store_* by one thread at a time (the opener, then the store thread, then the
 * closer). Readers (lmdb_reader.h) from any thread, one reader object a thread.
 *
 * Formats carry a version; an older one is read, a newer one refused with ERR_VERSION (V4). Values
 * are kept as the bytes that came.
 */
#ifndef KVS_LMDB_STORE_H
#define KVS_LMDB_STORE_H

#include "kvs/kvs.h"

struct kvs_store;

enum { KVS_STORE_DETAIL_BYTES = 200 };

/* What happened at open, for one clear log line each. */
struct kvs_store_report {
	bool first_start;    /* an identity was made */
	bool self_set_aside; /* `self` was corrupt: kept as self.corrupt-N, new identity and incarnation */
	bool view_set_aside; /* `view` was corrupt, kept as view.corrupt-N */
	bool view_dropped;   /* host crash, or an older format: removed */
	bool map_limited;    /* address space is short: what a file can grow to is in `detail` */
	bool inherits;       /* own rows were proved whole */
	char detail[KVS_STORE_DETAIL_BYTES]; /* what LMDB said, and the path */
};

struct kvs_store_identity {
	struct node_id self;
	struct incarnation incarnation; /* of this run, synced to disk already (R2) */
	struct incarnation inherits;    /* count 0: nothing */
};

struct kvs_store_config {
	const char *data_dir; /* made with mode 0700 when missing */
	/* Bound on `view`: address space, not disk. 0: 64 GiB, or what the process may have; that is more than
	 * the core could keep in memory, so that it never has to grow beside readers. Past it: ERR_NO_SPACE, and
	 * a start with more goes on where it ended. */
	size_t map_bytes;
	/* Random bytes come from the caller (libsodium), so that tests replay. */
	void (*random)(void *p, size_t n);
	const char *boot_id; /* text of this boot */
	unsigned hash_bits;  /* of keys in the view; 0 = 64. Tests take few, so that keys collide */
};

/* ERR_BUSY: another process has the directory; ERR_VERSION: written by a newer format; ERR_NO_SPACE,
 * ERR_DENIED, ERR_IO as they are. `report` is filled on failure too. */
MUST_USE enum err kvs_store_open(const struct kvs_store_config *c, struct kvs_store **out,
    struct kvs_store_identity *id, struct kvs_store_report *report);
/* Feeds what is kept into a new replica: each row, then its entries in version order. Own rows come from
 * `self`, and only when the identity inherits. A row that is damaged, or that the replica refuses, is dropped
 * from disk: a foreign one is fetched again, an own one begins anew without ancestors. Then the view is made
 * to show own rows as `self` has them. Once, before the first reader looks. */
MUST_USE enum err kvs_store_load(struct kvs_store *s, struct kvs *k);
/* A group of batches, one transaction in each environment it touches: begin once, apply many, commit once.
 * After an apply that failed the group can only be aborted (commit then does that, and says why). Commit:
 * `self` first and synced when the group holds own rows, then the view. ERR_NO_SPACE: nothing changed, try
 * the same again later. (If only the view's commit fails, own rows are safe already and readers lag; the
 * same group applied again, or the next start, mends that.) Ops of stream load never come. */
MUST_USE enum err kvs_store_begin(struct kvs_store *s);
MUST_USE enum err kvs_store_apply(struct kvs_store *s, const struct kvs_op *ops, size_t n);
MUST_USE enum err kvs_store_commit(struct kvs_store *s);
void kvs_store_abort(struct kvs_store *s);
/* Why the last group failed, for a person; valid until the next one begins. */
const char *kvs_store_why(const struct kvs_store *s);

/* The view as operators watch it. */
struct kvs_store_gauges {
	uint64_t commits; /* ever, over all runs */
	/* Read transactions that are open at this moment, of other processes too, and the commit that the oldest
	 * of them sees. Pages freed since then are not used again: one that is forgotten makes the file grow
	 * without bound. */
	uint64_t open_readers, oldest_reader;
	uint64_t file_bytes, map_bytes;
};
/* From any thread. */
void kvs_store_gauge(struct kvs_store *s, struct kvs_store_gauges *out);
/* Syncs, marks clean, closes. Readers must be closed before. NULL is fine. */
void kvs_store_close(struct kvs_store *s);
/* Closes for good: another process has this identity. It is kept as self.duplicate-N, and the next open makes
 * a new one; the view stays. What fails leaves the identity as it was. */
MUST_USE enum err kvs_store_retire(struct kvs_store *s);
const struct node_id *kvs_store_self(const struct kvs_store *s);

#endif
