/* Bundles: what several rows say under one key, in one record of the view.
 *
 * Pure. Contents repeat in the rows of all that hold them: here a key stands once, and an entry tells only
 * where its value differs from the one before. With three holders and names of 40 bytes that is half of
 * what a record an entry takes (tests/bench/kvs), and one lookup finds all holders.
 *
 * Record: length of the key, key, then entries in order of slot: difference of slots, version, flags, and the
 * value: in full, as the one before, or as what lies between a head and a tail shared with it. Numbers are
 * base 128, low groups first. What is malformed is ERR_CORRUPT, never believed.
 *
 * Table key: 8 bytes of hash of the key; and where that does not do, a byte that tells apart keys of one
 * hash, and the lowest slot in it of a bundle that was split. The plain 8 bytes mean (0, 0).
 */
#ifndef KVS_FORMAT_BUNDLE_H
#define KVS_FORMAT_BUNDLE_H

#include "kvs/format.h"

enum {
	KVS_BUNDLE_TABLE_KEY_MAX = 13,
	/* Bytes of entries past which a bundle is split; one whose first entry is larger than that may have
	 * KVS_BUNDLE_EXTRA more. A page holds four. */
	KVS_BUNDLE_MAX = 900,
	KVS_BUNDLE_SPLIT = 576, /* what each part then gets at most */
	KVS_BUNDLE_EXTRA = 256,
	KVS_BUNDLE_ENTRIES_MAX = KVS_BUNDLE_MAX / 3 + 1,
	KVS_BUNDLE_SHARED_MAX = 512, /* bytes of a value that is told by its difference */
};

struct kvs_bundle_key {
	uint64_t hash;
	uint8_t which; /* among keys of one hash */
	uint32_t first;
};

struct bytes kvs_bundle_table_key(struct kvs_bundle_key k, uint8_t out[KVS_BUNDLE_TABLE_KEY_MAX]);
MUST_USE enum err kvs_bundle_parse_table_key(struct bytes in, struct kvs_bundle_key *out);

/* An entry of the row with that slot. */
struct kvs_bundle_entry {
	uint32_t slot;
	bool deleted;
	uint64_t version;
	struct bytes value;
};

struct kvs_bundle_reader {
	struct bytes key;
	struct bytes rest;
	uint64_t slot_min;
	struct bytes last; /* value of the last entry that was not deleted */
	unsigned turn;
	uint8_t built[2][KVS_BUNDLE_SHARED_MAX];
};

MUST_USE enum err kvs_bundle_open(struct kvs_bundle_reader *r, struct bytes in);
/* The next entry, in order of slot; its value lasts until the next call but one, and as long as the record.
 * ERR_NOT_FOUND behind the last. */
MUST_USE enum err kvs_bundle_next(struct kvs_bundle_reader *r, struct kvs_bundle_entry *e);

/* Appends a bundle of the first of `n` entries, in order of slot, to `out`: as many as `limit` bytes hold, at
 * least one. Returns how many. */
size_t kvs_bundle_write(
    struct bytes key, const struct kvs_bundle_entry *e, size_t n, size_t limit, struct buf *out);

#endif
