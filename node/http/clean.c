#include "node/http/clean.h"

#include <endian.h>
#include <string.h>

enum { GROUP = 16 };
typedef uint8_t octets __attribute__((vector_size(GROUP)));

#define EACH_BYTE(c) (UINT64_C(0x0101010101010101) * (c))

static bool is_control(uint8_t c)
{
	return c < 0x20 || c == 0x7f;
}

static size_t first_set(uint64_t word)
{
	return (size_t)__builtin_ctzll(word) / 8;
}

/* How many of so many bytes stand before the first control character. */
static size_t run_of_group(const uint8_t *p)
{
	octets o;
	uint64_t halves[2];
	memcpy(&o, p, sizeof(o));
	o = (octets)((o < 0x20) | (o == 0x7f));
	memcpy(halves, &o, sizeof(halves));
	if ((halves[0] | halves[1]) == 0)
		return GROUP;
	return halves[0] != 0 ? first_set(le64toh(halves[0])) : 8 + first_set(le64toh(halves[1]));
}

/* The same of eight. Borrows between bytes can hide none, and invent some only above one that is there. */
static size_t run_of_word(const uint8_t *p)
{
	uint64_t word;
	memcpy(&word, p, sizeof(word));
	word = le64toh(word);
	uint64_t delete = word ^ EACH_BYTE(0x7f);
	uint64_t found = ((word - EACH_BYTE(0x20)) & ~word) | ((delete - EACH_BYTE(1)) & ~delete);
	found &= EACH_BYTE(0x80);
	return found == 0 ? sizeof(word) : first_set(found);
}

size_t http_clean_run(struct bytes s)
{
	size_t n = 0, run;
	for (; s.n - n >= GROUP; n += GROUP)
		if ((run = run_of_group(s.p + n)) < GROUP)
			return n + run;
	if (s.n - n >= sizeof(uint64_t)) {
		run = run_of_word(s.p + n);
		n += run;
		if (run < sizeof(uint64_t))
			return n;
	}
	while (n < s.n && !is_control(s.p[n]))
		n++;
	return n;
}
