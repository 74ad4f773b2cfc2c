/* What the index keeps of a unit: its whole key, what the origin store said, and how to check the file.
 *
 * Format (law V4): one format byte, then fields of (tag u8, length u32 little-endian, bytes). A reader skips
 * tags it does not know, so a newer version adds fields without a new format byte; tags are never reused.
 *
 * Pure. Slices of a decoded record point into what was decoded.
 */
#ifndef NODE_CACHE_RECORD_H
#define NODE_CACHE_RECORD_H

#include "node/cache/cache.h"
#include "node/cache/slices.h"

enum { UNIT_ID_BYTES = 16, FILE_ID_BYTES = 16, RECORD_BYTES_MAX = 4096 };

/* BLAKE2b-128 of (origin NUL object NUL slice): the key of the index. */
struct unit_id {
	uint8_t b[UNIT_ID_BYTES];
};

/* Names one file of a disk, never used twice. */
struct file_id {
	uint8_t b[FILE_ID_BYTES];
};

struct record {
	struct cache_key key;
	struct bytes content, etag;
	uint64_t length; /* bytes */
	uint64_t total;  /* of a slice: of the object; else 0 */
	int64_t modified_s;
	uint64_t answered_wall_ms, ttl_ms;
	struct file_id file;
	uint8_t checksum[CACHE_CHECKSUM_BYTES]; /* BLAKE2b-128 of the object's bytes */
	uint64_t sequence; /* of its disk: what was stored up to which is known to be synced */
};

/* Whether a key and a meta keep the limits of cache.h. */
bool record_key_fits(const struct cache_key *k);
bool record_meta_fits(const struct cache_meta *m);
/* Whether it is a slice that an object of that length has, or none. */
bool record_slice_fits(const struct cache_key *k, uint64_t length, uint64_t total);
/* `k` fits. */
void record_unit_id(const struct cache_key *k, struct unit_id *out);

/* `out` takes up to RECORD_BYTES_MAX. */
void record_encode(const struct record *r, struct buf *out);
/* ERR_VERSION: a format byte of a later time. ERR_CORRUPT: cut short, over a limit, or a field is missing. */
MUST_USE enum err record_decode(struct bytes in, struct record *out);

#endif
