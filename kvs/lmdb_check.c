#include "kvs/lmdb_check.h"

#include "kvs/lmdb_page.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a tree is decides what its leaves may hold. */
enum kind {
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
	const char *why;
};

struct tree {
	enum kind kind;
	unsigned pad;      /* of TREE_SET: bytes of a duplicate */
	struct bytes last; /* key, or what separates the pages; p is NULL before the first */
	bool separator;    /* it is the latter: a key may equal it */
};

static bool bad(struct walk *w, const char *why)
{
	w->why = why;
	return false;
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

/* The page, claimed and with its number checked, or NULL. */
static const uint8_t *page_at(struct walk *w, uint64_t number)
{
	if (!claim(w, number))
		return NULL;
	if ((number + 1) * w->page_size > w->size) {
		bad(w, "the file is truncated");
		return NULL;
	}
	const uint8_t *page = w->p + number * w->page_size;
	if (u64_at(page, 0) != number) {
		bad(w, "a page that is not what is referred to");
		return NULL;
	}
	return page;
}

static bool walk_tree(struct walk *w, const uint8_t *db, enum kind kind);

static bool check_free_list(struct walk *w, const uint8_t *ids, uint64_t n)
{
	if (n < 8 || u64_at(ids, 0) > n / 8 - 1)
		return bad(w, "a damaged list of free pages");
	for (uint64_t i = 1; i <= u64_at(ids, 0); i++)
		if ((i > 1 && u64_at(ids, i * 8) >= u64_at(ids, i * 8 - 8)) || !claim(w, u64_at(ids, i * 8)))
			return bad(w, "a damaged list of free pages");
	return true;
}

static bool check_overflow(struct walk *w, uint64_t number, uint64_t data_n, enum kind kind)
{
	uint64_t needed = (PAGE_HEADER - 1 + data_n) / w->page_size + 1;
	const uint8_t *page = page_at(w, number);
	if (page == NULL)
		return false;
	/* A value that shrank within one transaction keeps its run. */
	uint64_t pages = u32_at(page, PAGE_LOWER);
	if (u16_at(page, PAGE_FLAGS) != PAGE_OVERFLOW || pages < needed || pages > w->last)
		return bad(w, "a damaged overflow page");
	if ((number + pages) * w->page_size > w->size)
		return bad(w, "the file is truncated");
	for (uint64_t i = 1; i < pages; i++)
		if (!claim(w, number + i))
			return false;
	return kind != TREE_FREE || check_free_list(w, page + PAGE_HEADER, data_n);
}

/* Keys ascend through the whole tree, with the separators between its pages. */
static bool check_order(struct walk *w, struct tree *t, struct bytes key, bool separator)
{
	bool sound = true;
	if (t->kind == TREE_FREE && key.n != 8)
		sound = false;
	else if (t->last.p != NULL) {
		int c = bytes_cmp(t->last, key);
		if (t->kind == TREE_FREE)
			c = u64_at(t->last.p, 0) < u64_at(key.p, 0) ? -1 : u64_at(t->last.p, 0) > u64_at(key.p, 0);
		sound = c < 0 || (c == 0 && t->separator && !separator);
	}
	t->last = key;
	t->separator = separator;
	return sound || bad(w, "keys out of order");
}

static bool check_packed(struct walk *w, struct tree *t, const uint8_t *page, int n)
{
	for (unsigned i = 0; i < (unsigned)n; i++)
		if (!check_order(w, t, lmdb_packed_key(page, i), false))
			return false;
	return true;
}

/* Duplicates of one key that fit into its node. */
static bool check_sub_page(struct walk *w, const uint8_t *page, uint64_t size)
{
	if (size < PAGE_HEADER ||
	    (u16_at(page, PAGE_FLAGS) | PAGE_DIRTY) != (PAGE_DIRTY | PAGE_LEAF | PAGE_LEAF2 | PAGE_SUB))
		return bad(w, "a damaged page of duplicates");
	int n = lmdb_page_count(page, size, &w->why);
	struct tree t = { .kind = TREE_SET };
	return n > 0 ? check_packed(w, &t, page, n) : bad(w, "a damaged page of duplicates");
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

static bool check_leaf_node(struct walk *w, const uint8_t *page, const struct lmdb_node *n, enum kind kind)
{
	const uint8_t *data = page + n->data;
	if (kind == TREE_ROOT)
		return n->flags == NODE_SUBDATA && n->data_n == DB_RECORD ? check_table(w, data)
		                                                          : bad(w, "a damaged table");
	if (kind == TREE_DUPS && n->flags == (NODE_DUP | NODE_SUBDATA))
		return n->data_n == DB_RECORD ? check_set(w, data) : bad(w, "a damaged table");
	if (kind == TREE_DUPS && n->flags == NODE_DUP)
		return check_sub_page(w, data, n->data_n);
	if (kind != TREE_DUPS && n->flags == NODE_BIG)
		return check_overflow(w, u64_at(data, 0), n->data_n, kind);
	if (n->flags != 0)
		return bad(w, "a value of another kind than expected");
	if (kind == TREE_FREE)
		return check_free_list(w, data, n->data_n);
	return true;
}

static bool walk_page(struct walk *w, uint64_t number, unsigned depth, struct tree *t)
{
	const uint8_t *page = page_at(w, number);
	if (page == NULL)
		return false;
	bool leaf = depth == 1, packed = leaf && t->kind == TREE_SET;
	unsigned expected = !leaf ? PAGE_BRANCH : packed ? PAGE_LEAF | PAGE_LEAF2 : PAGE_LEAF;
	if (u16_at(page, PAGE_FLAGS) != expected)
		return bad(w, "a page of another kind than expected");
	int n = lmdb_page_count(page, w->page_size, &w->why);
	if (n < 0)
		return false;
	if (n < (leaf ? 1 : 2))
		return bad(w, "an empty page");
	if (packed)
		return u16_at(page, PAGE_PAD) == t->pad ? check_packed(w, t, page, n)
		                                        : bad(w, "a damaged page of duplicates");
	if (!lmdb_page_check_nodes(page, w->page_size, (unsigned)n, leaf, &w->why))
		return false;
	for (unsigned i = 0; i < (unsigned)n; i++) {
		struct lmdb_node node = lmdb_node_at(page, i);
		/* A branch needs no key before its first child. */
		if ((leaf || i > 0) && !check_order(w, t, node.key, !leaf))
			return false;
		if (leaf ? !check_leaf_node(w, page, &node, t->kind) : !walk_page(w, node.child, depth - 1, t))
			return false;
	}
	return true;
}

static bool walk_tree(struct walk *w, const uint8_t *db, enum kind kind)
{
	uint64_t root = u64_at(db, DB_ROOT);
	unsigned depth = u16_at(db, DB_DEPTH);
	struct tree t = { .kind = kind, .pad = u32_at(db, 0) };
	if (root == NO_ROOT)
		return depth == 0 || bad(w, "a damaged table");
	if (depth == 0 || depth > DEPTH_MAX)
		return bad(w, "a damaged table");
	return walk_page(w, root, depth, &t);
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
		if (u16_at(page, PAGE_FLAGS) != PAGE_META || u32_at(meta, 0) != MAGIC ||
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
