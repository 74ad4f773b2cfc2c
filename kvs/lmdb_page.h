/* Pages of an LMDB file, and whether what lies within one is sound.
 *
 * The layout of LMDB 0.9 (MDB_DATA_VERSION 1, 64 bits), read without <lmdb.h> from bytes that may be
 * anything: nothing is read outside of the page. A check that fails leaves its reason, a literal, in *why.
 */
#ifndef KVS_LMDB_PAGE_H
#define KVS_LMDB_PAGE_H

#include "base/bytes.h"

#include <string.h>

/* Layout, in bytes. */
enum {
	PAGE_HEADER = 16, /* u64 number, u16 pad (key size of LEAF2), u16 flags, u16 lower, u16 upper */
	PAGE_PAD = 8,
	PAGE_FLAGS = 10,
	PAGE_LOWER = 12, /* of an overflow page: u32 count of pages */
	PAGE_UPPER = 14,
	NODE_HEADER = 8, /* u16 lo, u16 hi, u16 flags, u16 key size */
	DB_RECORD = 48,  /* u32 pad, u16 flags, u16 depth, 4 x u64, u64 root */
	DB_FLAGS = 4,
	DB_DEPTH = 6,
	DB_ROOT = 40,
	META_VERSION = 4, /* from the page's end of header on: u32 magic, u32 version ... */
	META_DBS = 24,
	META_LAST_PAGE = META_DBS + 2 * DB_RECORD,
	META_TXN = META_LAST_PAGE + 8,
	META_BYTES = META_TXN + 8,
	DEPTH_MAX = 32,
	KEY_MAX = 511,
	PAGE_SIZE_MAX = 65536,
	/* Pages may be numbered, then dropped before they were ever written: as many as one transaction can hold.
	 */
	UNWRITTEN_MAX = 1 << 18,
};

enum {
	PAGE_BRANCH = 1,
	PAGE_LEAF = 2,
	PAGE_OVERFLOW = 4,
	PAGE_META = 8,
	PAGE_LEAF2 = 0x20,
	PAGE_SUB = 0x40,
	PAGE_DIRTY = 0x10
};
enum { NODE_BIG = 1, NODE_SUBDATA = 2, NODE_DUP = 4 };
/* Flags of tables. */
enum { TABLE_INTEGERKEY = 8, TABLE_DUPS = 0x14, TABLE_DUPFIXED = 0x10 };

static inline uint16_t u16_at(const uint8_t *p, size_t off)
{
	uint16_t v;
	memcpy(&v, p + off, sizeof(v));
	return v;
}

static inline uint32_t u32_at(const uint8_t *p, size_t off)
{
	uint32_t v;
	memcpy(&v, p + off, sizeof(v));
	return v;
}

static inline uint64_t u64_at(const uint8_t *p, size_t off)
{
	uint64_t v;
	memcpy(&v, p + off, sizeof(v));
	return v;
}

/* A node as it stands in its page. */
struct lmdb_node {
	unsigned off, flags;
	struct bytes key;
	uint64_t data;   /* where the value begins */
	uint64_t data_n; /* of the value, here or on overflow pages */
	uint64_t child;  /* of a branch */
};

/* Checks the bounds of a page, or of a page within a node, of `size` bytes: count of its nodes, or -1. */
int lmdb_page_count(const uint8_t *page, uint64_t size, const char **why);
/* Whether the `n` nodes fill the page from `upper` to its end, without gap or overlap: LMDB moves them by
 * their sizes. */
bool lmdb_page_check_nodes(const uint8_t *page, uint64_t size, unsigned n, bool leaf, const char **why);
/* After these two only. */
struct lmdb_node lmdb_node_at(const uint8_t *page, unsigned i);
/* Key i of a page of keys of one size. */
struct bytes lmdb_packed_key(const uint8_t *page, unsigned i);

#endif
