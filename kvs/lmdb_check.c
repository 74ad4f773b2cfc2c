#include "kvs/lmdb_check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
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
	DB_DEPTH = 6,
	DB_ROOT = 40,
	META_VERSION = 4, /* from the page's end of header on: u32 magic, u32 version ... */
	META_DBS = 24,
	META_LAST_PAGE = META_DBS + 2 * DB_RECORD,
	META_TXN = META_LAST_PAGE + 8,
	META_BYTES = META_TXN + 8,
	DEPTH_MAX = 32,
};

enum { PAGE_BRANCH = 1, PAGE_LEAF = 2, PAGE_OVERFLOW = 4, PAGE_META = 8, PAGE_LEAF2 = 0x20, PAGE_SUB = 0x40 };
enum { NODE_BIG = 1, NODE_SUBDATA = 2, NODE_DUP = 4 };

#define MAGIC 0xBEEFC0DEu
#define NO_ROOT UINT64_MAX

struct walk {
	const uint8_t *p;
	uint64_t size;
	uint64_t page_size;
	uint64_t last;    /* number of the last page in use */
	uint64_t visited; /* a tree cannot have more pages than the file */
	bool free_list;   /* walking the list of free pages: its values are page numbers */
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

/* The page with its number and kind checked, or NULL. `pages` > 1 for an overflow run. */
static const uint8_t *page_at(struct walk *w, uint64_t number, uint64_t pages)
{
	if (number < 2 || number > w->last || pages > w->last - number + 1) {
		bad(w, "a page number past the end");
		return NULL;
	}
	if ((number + pages) * w->page_size > w->size) {
		bad(w, "the file is truncated");
		return NULL;
	}
	const uint8_t *page = w->p + number * w->page_size;
	w->visited += pages;
	if (u64_at(page, 0) != number || w->visited > w->last) {
		bad(w, "a page that is not what is referred to");
		return NULL;
	}
	return page;
}

static bool walk_tree(struct walk *w, const uint8_t *db);

static bool check_free_list(struct walk *w, const uint8_t *ids, uint64_t n)
{
	if (n < 8 || u64_at(ids, 0) > n / 8 - 1)
		return bad(w, "a damaged list of free pages");
	for (uint64_t i = 1; i <= u64_at(ids, 0); i++)
		if (u64_at(ids, i * 8) < 2 || u64_at(ids, i * 8) > w->last)
			return bad(w, "a damaged list of free pages");
	return true;
}

static bool check_overflow(struct walk *w, uint64_t number, uint64_t data_n)
{
	uint64_t pages = (PAGE_HEADER + data_n + w->page_size - 1) / w->page_size;
	const uint8_t *page = page_at(w, number, pages);
	if (page == NULL)
		return false;
	if ((u16_at(page, PAGE_FLAGS) & PAGE_OVERFLOW) == 0 || u32_at(page, PAGE_LOWER) < pages)
		return bad(w, "a damaged overflow page");
	return !w->free_list || check_free_list(w, page + PAGE_HEADER, data_n);
}

/* Offsets of a page, or of a page within a node, of `size` bytes: count of its nodes, or -1. */
static int count_nodes(struct walk *w, const uint8_t *page, uint64_t size)
{
	unsigned lower = u16_at(page, PAGE_LOWER), upper = u16_at(page, PAGE_UPPER);
	if (lower < PAGE_HEADER || lower > upper || upper > size || lower % 2 != 0) {
		bad(w, "damaged bounds of a page");
		return -1;
	}
	unsigned n = (lower - PAGE_HEADER) / 2;
	if ((u16_at(page, PAGE_FLAGS) & PAGE_LEAF2) != 0) {
		if ((uint64_t)n * u16_at(page, PAGE_PAD) > size - PAGE_HEADER) {
			bad(w, "damaged bounds of a page");
			return -1;
		}
		return (int)n;
	}
	for (unsigned i = 0; i < n; i++) {
		unsigned off = u16_at(page, PAGE_HEADER + 2 * i);
		if (off < upper || off + NODE_HEADER > size || off + NODE_HEADER + u16_at(page, off + 6) > size) {
			bad(w, "a damaged offset in a page");
			return -1;
		}
	}
	return (int)n;
}

/* Duplicates of one key that fit into its node. */
static bool check_sub_page(struct walk *w, const uint8_t *page, uint64_t size)
{
	if (size < PAGE_HEADER || (u16_at(page, PAGE_FLAGS) & PAGE_SUB) == 0)
		return bad(w, "a damaged page of duplicates");
	int n = count_nodes(w, page, size);
	if (n < 0)
		return false;
	for (int i = 0; i < n && (u16_at(page, PAGE_FLAGS) & PAGE_LEAF2) == 0; i++) {
		unsigned off = u16_at(page, PAGE_HEADER + 2 * (unsigned)i);
		uint64_t data_n = u16_at(page, off) | (uint64_t)u16_at(page, off + 2) << 16;
		if (off + NODE_HEADER + u16_at(page, off + 6) + data_n > size)
			return bad(w, "a damaged page of duplicates");
	}
	return true;
}

static bool check_leaf_node(struct walk *w, const uint8_t *page, unsigned off)
{
	unsigned flags = u16_at(page, off + 4), key_n = u16_at(page, off + 6);
	uint64_t data_n = u16_at(page, off) | (uint64_t)u16_at(page, off + 2) << 16;
	uint64_t data = off + NODE_HEADER + key_n;
	uint64_t here = (flags & NODE_BIG) != 0 ? 8 : data_n;
	if (data + here > w->page_size)
		return bad(w, "a value that leaves its page");
	if ((flags & NODE_BIG) != 0)
		return check_overflow(w, u64_at(page, data), data_n);
	if ((flags & NODE_SUBDATA) != 0)
		return data_n == DB_RECORD ? walk_tree(w, page + data) : bad(w, "a damaged table");
	if ((flags & NODE_DUP) != 0)
		return check_sub_page(w, page + data, data_n);
	return !w->free_list || check_free_list(w, page + data, data_n);
}

static bool walk_page(struct walk *w, uint64_t number, unsigned depth)
{
	const uint8_t *page = page_at(w, number, 1);
	if (page == NULL)
		return false;
	unsigned flags = u16_at(page, PAGE_FLAGS);
	bool leaf = (flags & PAGE_LEAF) != 0;
	if (leaf != (depth == 1) || leaf == ((flags & PAGE_BRANCH) != 0) ||
	    (flags & (PAGE_OVERFLOW | PAGE_META | PAGE_SUB)) != 0)
		return bad(w, "a page of another kind than expected");
	int n = count_nodes(w, page, w->page_size);
	if (n < 0)
		return false;
	if (n == 0 && !leaf)
		return bad(w, "a branch without leaves");
	if ((flags & PAGE_LEAF2) != 0)
		return leaf ? true : bad(w, "a page of another kind than expected");
	for (unsigned i = 0; i < (unsigned)n; i++) {
		unsigned off = u16_at(page, PAGE_HEADER + 2 * i);
		uint64_t child =
		    u16_at(page, off) | (uint64_t)u16_at(page, off + 2) << 16 | (uint64_t)u16_at(page, off + 4) << 32;
		if (leaf ? !check_leaf_node(w, page, off) : !walk_page(w, child, depth - 1))
			return false;
	}
	return true;
}

static bool walk_tree(struct walk *w, const uint8_t *db)
{
	uint64_t root = u64_at(db, DB_ROOT);
	unsigned depth = u16_at(db, DB_DEPTH);
	if (root == NO_ROOT)
		return depth == 0 ? true : bad(w, "a damaged table");
	if (depth == 0 || depth > DEPTH_MAX)
		return bad(w, "a damaged table");
	return walk_page(w, root, depth);
}

/* Both meta pages must be sound: LMDB refuses the file otherwise. The one of the newer txn counts. */
static const uint8_t *find_meta(struct walk *w)
{
	if (w->size < PAGE_HEADER + META_BYTES) {
		bad(w, "the file is truncated");
		return NULL;
	}
	w->page_size = u32_at(w->p, PAGE_HEADER + META_DBS);
	if (w->page_size < 512 || w->page_size > 65536 || (w->page_size & (w->page_size - 1)) != 0) {
		bad(w, "no LMDB file");
		return NULL;
	}
	if (w->size < 2 * w->page_size) {
		bad(w, "the file is truncated");
		return NULL;
	}
	const uint8_t *newest = NULL;
	for (unsigned i = 0; i < 2; i++) {
		const uint8_t *page = w->p + i * w->page_size, *meta = page + PAGE_HEADER;
		if ((u16_at(page, PAGE_FLAGS) & PAGE_META) == 0 || u32_at(meta, 0) != MAGIC ||
		    u32_at(meta, META_VERSION) != 1 || u32_at(meta, META_DBS) != w->page_size) {
			bad(w, "a damaged meta page");
			return NULL;
		}
		if (newest == NULL || u64_at(meta, META_TXN) > u64_at(newest, META_TXN))
			newest = meta;
	}
	return newest;
}

static bool walk_file(struct walk *w)
{
	const uint8_t *meta = find_meta(w);
	if (meta == NULL)
		return false;
	w->last = u64_at(meta, META_LAST_PAGE);
	if (w->last < 1 || w->last > UINT64_MAX / w->page_size - 1)
		return bad(w, "a damaged meta page");
	w->free_list = true;
	if (!walk_tree(w, meta + META_DBS))
		return false;
	w->free_list = false;
	return walk_tree(w, meta + META_DBS + DB_RECORD);
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
