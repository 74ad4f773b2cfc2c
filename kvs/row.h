/* The entries of one row, by key and in version order, and where the row stands.
 *
 * Pure container: it knows no peer, no disk and no time. Entries stand in an array of slots in
 * version order, so that an interval is found by binary search; an overwritten or collected entry
 * leaves an empty slot behind until half of them are empty. A hash index leads from key to slot; a row of few
 * slots has none, since looking at each is as fast.
 *
 * Memory: 112 B, 16-32 B of slots and one allocation of 12 B + key + value an entry, 4-11 B of index an
 * entry past ROW_SCAN_MAX, 24 B an ancestor. A cluster of n nodes has 3 n rows on each of them, most with
 * one entry or none.
 */
#ifndef KVS_ROW_H
#define KVS_ROW_H

#include "rpc/msg.h"

struct row_entry {
	uint32_t hash;
	uint16_t key_n, value_n;
	bool deleted;
	uint8_t data[]; /* key, value */
};

struct row_slot {
	uint64_t version;
	struct row_entry *e; /* NULL: overwritten or collected */
};

enum { ROW_SCAN_MAX = 8 };

struct row {
	struct incarnation incarnation;
	struct rpc_ancestor *ancestors; /* newest first; NULL: none */
	uint64_t have, horizon, floor, base;
	struct row_slot *slots;
	uint32_t *index; /* slot + 1; 0: free. NULL: at most ROW_SCAN_MAX slots */
	uint32_t slots_n, slots_cap, index_cap;
	uint32_t live, tombstones, ancestors_n;
	uint64_t bytes;       /* of the entries */
	uint64_t fingerprint; /* order-independent, of all entries */
};

void row_init(struct row *r);
void row_fini(struct row *r);
/* Drops the entries, keeps where the row stands. */
void row_clear(struct row *r);
/* What the row is of: at most RPC_ANCESTORS_MAX ancestors, copied. */
void row_set_history(
    struct row *r, struct incarnation incarnation, const struct rpc_ancestor *ancestors, size_t ancestors_n);
/* Its ancestors into an array as frames and rows on disk have them; returns how many. */
size_t row_ancestors(const struct row *r, struct rpc_ancestor out[RPC_ANCESTORS_MAX]);

/* Sets key at `version`, which is above every version in the row. Copies. */
void row_put(struct row *r, uint64_t version, struct bytes key, struct bytes value, bool deleted);
/* False when the key is not there; a tombstone is found too. Slices are valid until the row changes. */
bool row_get(const struct row *r, struct bytes key, struct rpc_entry *e);

/* Iteration in version order: the first place above `version`, then the entries from there on.
 *
 *     for (size_t at = row_after(r, 10); row_next(r, &at, &e);)
 */
size_t row_after(const struct row *r, uint64_t version);
bool row_next(const struct row *r, size_t *at, struct rpc_entry *e);

/* R4: raises the floor and takes out the tombstones at or below it. `gone` is called with each and
 * owns it from then on (free); NULL frees them. */
void row_collect(struct row *r, uint64_t floor, void (*gone)(void *arg, struct row_entry *e), void *arg);
/* The version of the n-th oldest tombstone (n from 1), or of the newest when there are fewer; 0: none. */
uint64_t row_nth_tombstone(const struct row *r, size_t n);

/* Takes over from `other` each entry whose version is above that under the same key here. */
void row_merge(struct row *r, const struct row *other);

#endif
