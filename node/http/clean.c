#include "node/http/clean.h"

#include <string.h>

#define EACH_BYTE(c) (UINT64_C(0x0101010101010101) * (c))

/* A loop that compilers turn into a few instructions for all of them. */
enum { BLOCK_BYTES = 32 };

static bool is_control(uint8_t c)
{
	return c < 0x20 || c == 0x7f;
}

/* Borrows between bytes can hide none, and invent some only above one that is there. */
static bool has_control(uint64_t word)
{
	uint64_t delete = word ^ EACH_BYTE(0x7f);
	uint64_t below_space = (word - EACH_BYTE(0x20)) & ~word;
	uint64_t is_delete = (delete - EACH_BYTE(1)) & ~delete;
	return ((below_space | is_delete) & EACH_BYTE(0x80)) != 0;
}

static bool block_has_control(const uint8_t *block)
{
	uint8_t any = 0;
	for (unsigned i = 0; i < BLOCK_BYTES; i++)
		any |= (uint8_t)((block[i] < 0x20) | (block[i] == 0x7f));
	return any != 0;
}

size_t http_clean_run(struct bytes s)
{
	size_t n = 0;
	while (s.n - n >= BLOCK_BYTES && !block_has_control(s.p + n))
		n += BLOCK_BYTES;
	uint64_t word;
	for (; s.n - n >= sizeof(word); n += sizeof(word)) {
		memcpy(&word, s.p + n, sizeof(word));
		if (has_control(word))
			break;
	}
	if (s.n - n < sizeof(word) && s.n >= sizeof(word)) { /* the rest with what stands before it */
		memcpy(&word, s.p + s.n - sizeof(word), sizeof(word));
		if (!has_control(word))
			return s.n;
	}
	while (n < s.n && !is_control(s.p[n]))
		n++;
	return n;
}
