#include "node/http/clean.h"

#include <endian.h>
#include <string.h>

#define EACH_BYTE(c) (UINT64_C(0x0101010101010101) * (c))

static bool is_control(uint8_t c)
{
	return c < 0x20 || c == 0x7f;
}

/* The high bit of each byte that is a control character. Borrows between bytes can hide none, and invent some
 * only above one that is there. */
static uint64_t controls(uint64_t word)
{
	uint64_t delete = word ^ EACH_BYTE(0x7f);
	uint64_t below_space = (word - EACH_BYTE(0x20)) & ~word;
	uint64_t is_delete = (delete - EACH_BYTE(1)) & ~delete;
	return (below_space | is_delete) & EACH_BYTE(0x80);
}

size_t http_clean_run(struct bytes s)
{
	size_t n = 0;
	for (uint64_t word; s.n - n >= sizeof(word); n += sizeof(word)) {
		memcpy(&word, s.p + n, sizeof(word));
		uint64_t found = controls(le64toh(word));
		if (found != 0)
			return n + (size_t)__builtin_ctzll(found) / 8;
	}
	while (n < s.n && !is_control(s.p[n]))
		n++;
	return n;
}
