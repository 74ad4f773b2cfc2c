/* Records of the replica on disk, and how they are checked.
 *
 * Pure. Numbers are little-endian in values and big-endian in keys, so that keys sort as numbers. A
 * record begins with a keyed hash of the rest; what fails it, or is too short, is ERR_CORRUPT, never
 * believed. Growth (V4): fields are appended; a reader takes what it knows and ignores what follows.
 * What an older reader could not understand raises the format of its side, which it refuses.
 */
#ifndef KVS_FORMAT_H
#define KVS_FORMAT_H

#include "kvs/kvs.h"

enum {
	KVS_SELF_FORMAT = 1,
	KVS_VIEW_FORMAT = 2,         /* 1 had a record an entry: dropped, for peers have all of it */
	KVS_FORMAT_BOOT_ID_MAX = 64, /* bytes of a boot id that are kept */
	/* Bounds of the encoded records in bytes. */
	KVS_FORMAT_ROW_KEY = 5,
	KVS_FORMAT_KEY_MAX = KVS_FORMAT_ROW_KEY + RPC_KEY_MAX,
	KVS_FORMAT_ROW_MAX = 8 + NODE_ID_BYTES + 1 + 8 * 8 + 1 + RPC_ANCESTORS_MAX * 24,
	KVS_FORMAT_VALUE_MAX = 9 + RPC_VALUE_MAX,
	KVS_FORMAT_IDENTITY_MAX = 8 + NODE_ID_BYTES + 16 + 2 + KVS_FORMAT_BOOT_ID_MAX,
	KVS_FORMAT_SLOT = 4,
	KVS_FORMAT_ROW_NAME = NODE_ID_BYTES + 1,
};

/* In `self`; the only owner has number 0. */
struct kvs_row_key {
	uint32_t owner;
	enum rpc_stream stream;
};

/* A row's meta with what its entries must add up to. Owner and stream stand in it as well as in the key: a
 * row whose key, or whose owner's index, was damaged is known by that. */
struct kvs_row_record {
	struct kvs_row_meta meta;
	uint64_t entries_n; /* tombstones too */
	uint64_t sum;       /* of kvs_format_entry_hash over them, modulo 2^64 */
};

/* Who this data_dir is (R2), and under which boot, cleanly closed or not, the view was last written. */
struct kvs_identity_record {
	struct node_id id;
	struct incarnation incarnation;
	bool clean;
	char boot_id[KVS_FORMAT_BOOT_ID_MAX + 1];
};

void kvs_format_put_u32(uint8_t out[4], uint32_t v); /* big-endian */
uint32_t kvs_format_u32(const uint8_t in[4]);

void kvs_format_row_key(struct kvs_row_key k, uint8_t out[KVS_FORMAT_ROW_KEY]);
/* ERR_CORRUPT too for a stream that this build does not know. */
MUST_USE enum err kvs_format_parse_row_key(struct bytes in, struct kvs_row_key *out);
/* The key of an entry: its row's key and its own. `out` has room for KVS_FORMAT_KEY_MAX; key.n <=
 * RPC_KEY_MAX. */
struct bytes kvs_format_entry_key(struct kvs_row_key k, struct bytes key, uint8_t *out);

struct bytes kvs_format_row(const struct kvs_row_record *r, uint8_t out[KVS_FORMAT_ROW_MAX]);
MUST_USE enum err kvs_format_parse_row(struct bytes in, struct kvs_row_record *out);

/* `out` has room for KVS_FORMAT_VALUE_MAX; e->value.n <= RPC_VALUE_MAX. */
struct bytes kvs_format_entry(const struct rpc_entry *e, uint8_t *out);
/* Slices point into `in`; the key is not part of it and stays as it is. */
MUST_USE enum err kvs_format_parse_entry(struct bytes in, struct rpc_entry *e);
/* Of a key (without its row's): where its bundle stands, and half of the following. */
uint64_t kvs_format_key_hash(struct bytes key);
/* Of an entry under a key with that hash, `encoded` as by kvs_format_entry. */
uint64_t kvs_format_entry_hash(uint64_t key_hash, struct bytes encoded);

struct bytes kvs_format_identity(const struct kvs_identity_record *r, uint8_t out[KVS_FORMAT_IDENTITY_MAX]);
MUST_USE enum err kvs_format_parse_identity(struct bytes in, struct kvs_identity_record *out);

/* In `view` a row has a slot, a number under which its entries stand. It is never given out again: a row that
 * is dropped takes none of its entries along, they are no row's. */
void kvs_format_row_name(
    const struct node_id *owner, enum rpc_stream stream, uint8_t out[KVS_FORMAT_ROW_NAME]);
/* ERR_CORRUPT too for a stream that this build does not know. */
MUST_USE enum err kvs_format_parse_row_name(struct bytes in, struct node_id *owner, enum rpc_stream *stream);
/* Who a row's record is of, without a look at the rest of it. */
MUST_USE enum err kvs_format_row_whose(struct bytes in, struct node_id *owner, enum rpc_stream *stream);

#endif
