#include "kvs/lmdb_page.h"

/* Which bytes of a page its nodes take: a bit for two bytes, for nodes begin at even offsets. */
struct taken {
	uint8_t bits[PAGE_SIZE_MAX / 16];
	uint64_t n;
};

static bool bad(const char **why, const char *text)
{
	*why = text;
	return false;
}

int lmdb_page_count(const uint8_t *page, uint64_t size, const char **why)
{
	unsigned lower = u16_at(page, PAGE_LOWER), upper = u16_at(page, PAGE_UPPER);
	bool sound = lower >= PAGE_HEADER && lower <= upper && upper <= size && lower % 2 == 0;
	unsigned n = (lower - PAGE_HEADER) / 2;
	/* Of keys of one size each takes the room of its offset too. */
	if (sound && (u16_at(page, PAGE_FLAGS) & PAGE_LEAF2) != 0)
		sound = u16_at(page, PAGE_PAD) >= 2 && (uint64_t)n * (u16_at(page, PAGE_PAD) - 2u) == size - upper;
	if (!sound) {
		bad(why, "damaged bounds of a page");
		return -1;
	}
	return (int)n;
}

static bool take(struct taken *t, uint64_t from, uint64_t to)
{
	for (uint64_t at = from / 2; at < to / 2; at++) {
		uint8_t bit = (uint8_t)(1u << at % 8);
		if ((t->bits[at / 8] & bit) != 0)
			return false;
		t->bits[at / 8] |= bit;
	}
	t->n += to - from;
	return true;
}

struct lmdb_node lmdb_node_at(const uint8_t *page, unsigned i)
{
	unsigned off = u16_at(page, PAGE_HEADER + 2 * i), key_n = u16_at(page, off + 6);
	uint32_t low = u16_at(page, off) | (uint32_t)u16_at(page, off + 2) << 16;
	return (struct lmdb_node){
		.off = off,
		.flags = u16_at(page, off + 4),
		.key = bytes_of(page + off + NODE_HEADER, key_n),
		.data = (uint64_t)off + NODE_HEADER + key_n,
		.data_n = low,
		.child = low | (uint64_t)u16_at(page, off + 4) << 32,
	};
}

struct bytes lmdb_packed_key(const uint8_t *page, unsigned i)
{
	size_t n = u16_at(page, PAGE_PAD);
	return bytes_of(page + PAGE_HEADER + i * n, n);
}

bool lmdb_page_check_nodes(const uint8_t *page, uint64_t size, unsigned n, bool leaf, const char **why)
{
	unsigned upper = u16_at(page, PAGE_UPPER);
	struct taken taken;
	memset(taken.bits, 0, size / 16);
	taken.n = 0;
	for (unsigned i = 0; i < n; i++) {
		unsigned off = u16_at(page, PAGE_HEADER + 2 * i);
		if (off < upper || off % 2 != 0 || off + NODE_HEADER > size)
			return bad(why, "a damaged offset in a page");
		struct lmdb_node node = lmdb_node_at(page, i);
		uint64_t here = !leaf ? 0 : node.flags == NODE_BIG ? 8 : node.data_n;
		uint64_t end = (node.data + here + 1) / 2 * 2;
		if (node.key.n > KEY_MAX || end > size)
			return bad(why, "a value that leaves its page");
		if (!take(&taken, off, end))
			return bad(why, "values that overlap");
	}
	return taken.n == size - upper || bad(why, "damaged bounds of a page");
}
