#include "kvs/lmdb_check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

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
	PAGE_KINDS = 0x6f
};
enum { NODE_BIG = 1, NODE_SUBDATA = 2, NODE_DUP = 4 };
enum { TABLE_INTEGERKEY = 8, TABLE_DUPS = 0x14, TABLE_DUPFIXED = 0x10 };

/* What a tree is decides what its leaves may hold. */
enum tree {
	TREE_FREE,  /* the list of free pages: values are page numbers */
	TREE_ROOT,  /* tables by name */
	TREE_PLAIN, /* a table */
	TREE_DUPS,  /* a table of MDB_DUPSORT | MDB_DUPFIXED */
	TREE_SET,   /* the duplicates of one of its keys */
};

#define MAGIC 0xBEEFC0DEu
#define NO_ROOT UINT64_MAX

struct walk {
	const uint8_t *p;
	uint64_t size;
	uint64_t page_size;
	uint64_t last; /* number of the last page in use */
	uint8_t *used; /* a bit a page: none may be used twice, nor used and free */
	/* Of the page that is looked at: which bytes nodes take, a bit for two, and how many. */
	uint8_t taken[PAGE_SIZE_MAX / 16];
	uint64_t taken_n;
	const char *why;
};

static bool bad(struct walk *w, const char *why)
{
	w->why = why;
	return false;
}

static uint16_t u16_at(const uint8_t *p, size_t off)
{
	uint16_t v;
	memcpy(&v, p + off, sizeof(v));
	return v;
}

static uint32_t u32_at(const uint8_t *p, size_t off)
{
	uint32_t v;
	memcpy(&v, p + off, sizeof(v));
	return v;
}

static uint64_t u64_at(const uint8_t *p, size_t off)
{
	uint64_t v;
	memcpy(&v, p + off, sizeof(v));
	return v;
}

/* Each page has one place. */
static bool claim(struct walk *w, uint64_t number)
{
	if (number < 2 || number > w->last)
		return bad(w, "a page number past the end");
	uint8_t bit = (uint8_t)(1u << number % 8);
	if ((w->used[number / 8] & bit) != 0)
		return bad(w, "a page that is used twice");
	w->used[number / 8] |= bit;
	return true;
}

/* The page, claimed and with its number checked, or NULL. `pages` > 1 for an overflow run. */
static const uint8_t *page_at(struct walk *w, uint64_t number, uint64_t pages)
{
	if (number > w->last || pages > w->last - number + 1) {
		bad(w, "a page number past the end");
		return NULL;
	}
	if ((number + pages) * w->page_size > w->size) {
		bad(w, "the file is truncated");
		return NULL;
	}
	for (uint64_t i = 0; i < pages; i++)
		if (!claim(w, number + i))
			return NULL;
	const uint8_t *page = w->p + number * w->page_size;
	if (u64_at(page, 0) != number) {
		bad(w, "a page that is not what is referred to");
		return NULL;
	}
	return page;
}

static bool walk_tree(struct walk *w, const uint8_t *db, enum tree tree);

static bool check_free_list(struct walk *w, const uint8_t *ids, uint64_t n)
{
	if (n < 8 || u64_at(ids, 0) > n / 8 - 1)
		return bad(w, "a damaged list of free pages");
	for (uint64_t i = 1; i <= u64_at(ids, 0); i++)
		if ((i > 1 && u64_at(ids, i * 8) >= u64_at(ids, i * 8 - 8)) || !claim(w, u64_at(ids, i * 8)))
			return bad(w, "a damaged list of free pages");
	return true;
}

static bool check_overflow(struct walk *w, uint64_t number, uint64_t data_n, enum tree tree)
{
	/* LMDB takes the run's length from its first page when it frees it. */
	uint64_t pages = (PAGE_HEADER - 1 + data_n) / w->page_size + 1;
	const uint8_t *page = page_at(w, number, pages);
	if (page == NULL)
		return false;
	if ((u16_at(page, PAGE_FLAGS) & PAGE_KINDS) != PAGE_OVERFLOW || u32_at(page, PAGE_LOWER) != pages)
		return bad(w, "a damaged overflow page");
	return tree != TREE_FREE || check_free_list(w, page + PAGE_HEADER, data_n);
}

/* Bounds of a page, or of a page within a node, of `size` bytes: count of its nodes, or -1. */
static int count_nodes(struct walk *w, const uint8_t *page, uint64_t size)
{
	unsigned lower = u16_at(page, PAGE_LOWER), upper = u16_at(page, PAGE_UPPER);
	if (lower < PAGE_HEADER || lower > upper || upper > size || lower % 2 != 0) {
		bad(w, "damaged bounds of a page");
		return -1;
	}
	unsigned n = (lower - PAGE_HEADER) / 2;
	bool packed = (u16_at(page, PAGE_FLAGS) & PAGE_LEAF2) != 0;
	/* Of keys of one size each takes the room of its offset too. */
	if (packed &&
	    (u16_at(page, PAGE_PAD) < 2 || size - upper != (uint64_t)n * (u16_at(page, PAGE_PAD) - 2u))) {
		bad(w, "damaged bounds of a page");
		return -1;
	}
	return (int)n;
}

/* A node as it stands in its page. */
struct node {
	unsigned off, flags, key_n;
	uint64_t data_n; /* of the value, here or on overflow pages */
	uint64_t child;  /* of a branch */
	uint64_t data;   /* where the value begins */
};

/* Takes a node's bytes within its page; LMDB keeps nodes side by side, and moves them by their sizes. */
static bool claim_node(struct walk *w, const struct node *n, uint64_t here)
{
	uint64_t end = (n->data + here + 1) / 2 * 2;
	if (end > w->page_size)
		return bad(w, "a value that leaves its page");
	for (uint64_t at = n->off / 2; at < end / 2; at++) {
		uint8_t bit = (uint8_t)(1u << at % 8);
		if ((w->taken[at / 8] & bit) != 0)
			return bad(w, "values that overlap");
		w->taken[at / 8] |= bit;
	}
	w->taken_n += end - n->off;
	return true;
}

static struct node node_at(const uint8_t *page, unsigned i)
{
	unsigned off = u16_at(page, PAGE_HEADER + 2 * i);
	uint32_t low = u16_at(page, off) | (uint32_t)u16_at(page, off + 2) << 16;
	return (struct node){
		.off = off,
		.flags = u16_at(page, off + 4),
		.key_n = u16_at(page, off + 6),
		.data_n = low,
		.child = low | (uint64_t)u16_at(page, off + 4) << 32,
		.data = (uint64_t)off + NODE_HEADER + u16_at(page, off + 6),
	};
}

/* The nodes of a page fill it from `upper` to its end, without gap or overlap. */
static bool check_nodes(struct walk *w, const uint8_t *page, unsigned n, bool leaf)
{
	memset(w->taken, 0, w->page_size / 16);
	w->taken_n = 0;
	for (unsigned i = 0; i < n; i++) {
		unsigned off = u16_at(page, PAGE_HEADER + 2 * i);
		if (off < u16_at(page, PAGE_UPPER) || off % 2 != 0 || off + NODE_HEADER > w->page_size)
			return bad(w, "a damaged offset in a page");
		struct node node = node_at(page, i);
		if (node.key_n > KEY_MAX)
			return bad(w, "a key that is too long");
		if (!claim_node(w, &node, !leaf ? 0 : node.flags == NODE_BIG ? 8 : node.data_n))
			return false;
	}
	return w->taken_n == w->page_size - u16_at(page, PAGE_UPPER) || bad(w, "damaged bounds of a page");
}

/* Duplicates of one key that fit into its node. */
static bool check_sub_page(struct walk *w, const uint8_t *page, uint64_t size)
{
	if (size < PAGE_HEADER ||
	    (u16_at(page, PAGE_FLAGS) & PAGE_KINDS) != (PAGE_LEAF | PAGE_LEAF2 | PAGE_SUB) ||
	    u16_at(page, PAGE_PAD) == 0)
		return bad(w, "a damaged page of duplicates");
	return count_nodes(w, page, size) > 0 || bad(w, "a damaged page of duplicates");
}

static bool check_table(struct walk *w, const uint8_t *db)
{
	unsigned flags = u16_at(db, DB_FLAGS);
	if (flags != 0 && flags != TABLE_DUPS)
		return bad(w, "a damaged table");
	return walk_tree(w, db, flags == 0 ? TREE_PLAIN : TREE_DUPS);
}

static bool check_set(struct walk *w, const uint8_t *db)
{
	return u16_at(db, DB_FLAGS) == TABLE_DUPFIXED ? walk_tree(w, db, TREE_SET) : bad(w, "a damaged table");
}

static bool check_leaf_node(struct walk *w, const uint8_t *page, const struct node *n, enum tree tree)
{
	const uint8_t *data = page + n->data;
	if (tree == TREE_ROOT)
		return n->flags == NODE_SUBDATA && n->data_n == DB_RECORD ? check_table(w, data)
		                                                          : bad(w, "a damaged table");
	if (tree == TREE_DUPS && n->flags == (NODE_DUP | NODE_SUBDATA))
		return n->data_n == DB_RECORD ? check_set(w, data) : bad(w, "a damaged table");
	if (tree == TREE_DUPS && n->flags == NODE_DUP)
		return check_sub_page(w, data, n->data_n);
	if (tree != TREE_DUPS && n->flags == NODE_BIG)
		return check_overflow(w, u64_at(data, 0), n->data_n, tree);
	if (n->flags != 0)
		return bad(w, "a value of another kind than expected");
	if (tree == TREE_FREE)
		return n->key_n == 8 ? check_free_list(w, data, n->data_n) : bad(w, "a damaged list of free pages");
	return true;
}

static bool walk_page(struct walk *w, uint64_t number, unsigned depth, enum tree tree, unsigned pad)
{
	const uint8_t *page = page_at(w, number, 1);
	if (page == NULL)
		return false;
	bool leaf = depth == 1;
	unsigned expected = !leaf ? PAGE_BRANCH : tree == TREE_SET ? PAGE_LEAF | PAGE_LEAF2 : PAGE_LEAF;
	if ((u16_at(page, PAGE_FLAGS) & PAGE_KINDS) != expected)
		return bad(w, "a page of another kind than expected");
	int n = count_nodes(w, page, w->page_size);
	if (n < 0)
		return false;
	if (n < (leaf ? 1 : 2))
		return bad(w, "an empty page");
	if (leaf && tree == TREE_SET)
		return u16_at(page, PAGE_PAD) == pad || bad(w, "a damaged page of duplicates");
	if (!check_nodes(w, page, (unsigned)n, leaf))
		return false;
	for (unsigned i = 0; i < (unsigned)n; i++) {
		struct node node = node_at(page, i);
		if (leaf ? !check_leaf_node(w, page, &node, tree) : !walk_page(w, node.child, depth - 1, tree, pad))
			return false;
	}
	return true;
}

static bool walk_tree(struct walk *w, const uint8_t *db, enum tree tree)
{
	uint64_t root = u64_at(db, DB_ROOT);
	unsigned depth = u16_at(db, DB_DEPTH), pad = u32_at(db, 0);
	if (tree == TREE_SET && (pad == 0 || pad > w->page_size))
		return bad(w, "a damaged table");
	if (root == NO_ROOT)
		return depth == 0 ? true : bad(w, "a damaged table");
	if (depth == 0 || depth > DEPTH_MAX)
		return bad(w, "a damaged table");
	return walk_page(w, root, depth, tree, pad);
}

/* Both meta pages must be sound: LMDB refuses the file otherwise. The one of the newer txn counts. */
static const uint8_t *find_meta(struct walk *w)
{
	if (w->size < PAGE_HEADER + META_BYTES) {
		bad(w, "the file is truncated");
		return NULL;
	}
	w->page_size = u32_at(w->p, PAGE_HEADER + META_DBS);
	if (w->page_size < 512 || w->page_size > PAGE_SIZE_MAX || (w->page_size & (w->page_size - 1)) != 0) {
		bad(w, "no LMDB file");
		return NULL;
	}
	if (w->size < 2 * w->page_size) {
		bad(w, "the file is truncated");
		return NULL;
	}
	const uint8_t *metas[2];
	for (unsigned i = 0; i < 2; i++) {
		const uint8_t *page = w->p + i * w->page_size, *meta = page + PAGE_HEADER;
		if ((u16_at(page, PAGE_FLAGS) & PAGE_META) == 0 || u32_at(meta, 0) != MAGIC ||
		    u32_at(meta, META_VERSION) != 1 || u32_at(meta, META_DBS) != w->page_size) {
			bad(w, "a damaged meta page");
			return NULL;
		}
		metas[i] = meta;
	}
	/* Transactions write them in turns: n, n + 1. */
	uint64_t even = u64_at(metas[0], META_TXN), odd = u64_at(metas[1], META_TXN);
	if ((even != odd + 1 && odd != even + 1 && even + odd != 0) || even % 2 != 0) {
		bad(w, "meta pages that do not belong together");
		return NULL;
	}
	return metas[odd > even];
}

static bool walk_file(struct walk *w)
{
	const uint8_t *meta = find_meta(w);
	if (meta == NULL)
		return false;
	const uint8_t *free_list = meta + META_DBS, *root = free_list + DB_RECORD;
	w->last = u64_at(meta, META_LAST_PAGE);
	if (w->last < 1 || w->last > w->size / w->page_size + UNWRITTEN_MAX ||
	    u16_at(free_list, DB_FLAGS) != TABLE_INTEGERKEY || u16_at(root, DB_FLAGS) != 0)
		return bad(w, "a damaged meta page");
	w->used = calloc(w->last / 8 + 1, 1);
	if (w->used == NULL)
		return bad(w, "too large to be checked");
	bool good = walk_tree(w, free_list, TREE_FREE) && walk_tree(w, root, TREE_ROOT);
	free(w->used);
	return good;
}

static enum err check_open_file(int fd, const char **why)
{
	struct stat st;
	if (fstat(fd, &st) != 0)
		return err_from_errno(errno);
	if (st.st_size == 0) {
		*why = "the file is empty";
		return ERR_CORRUPT;
	}
	size_t size = (size_t)st.st_size;
	uint8_t *p = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return err_from_errno(errno);
	struct walk w = { .p = p, .size = size };
	bool good = walk_file(&w);
	munmap(p, size);
	if (good)
		return OK;
	*why = w.why;
	return ERR_CORRUPT;
}

enum err lmdb_check_file(const char *path, const char **why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_from_errno(errno);
	enum err e = check_open_file(fd, why);
	close(fd);
	return e;
}
