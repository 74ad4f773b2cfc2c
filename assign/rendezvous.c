#include "assign/rendezvous.h"

#include "base/hash.h"

#include <string.h>

enum { LOG_BITS = 40 };

__extension__ typedef unsigned __int128 u128;

static const struct hash_key rank_key = { "warmcast rank 1." };

/* -log2(h / 2^64) for h > 0. A square doubles the logarithm, so each yields one more binary digit; the
 * mantissa is kept in [1, 2) with 63 fractional bits. */
static uint64_t minus_log2(uint64_t h)
{
	unsigned msb = 63 - (unsigned)__builtin_clzll(h);
	uint64_t mantissa = h << (63 - msb);
	uint64_t fraction = 0;
	for (unsigned i = 0; i < LOG_BITS; i++) {
		u128 square = (u128)mantissa * mantissa; /* in [1, 4), 126 fractional bits */
		unsigned digit = (unsigned)(square >> 127);
		mantissa = (uint64_t)(square >> (63 + digit));
		fraction = fraction << 1 | digit;
	}
	return ((uint64_t)(64 - msb) << LOG_BITS) - fraction;
}

/* Bounds of the same. With h / 2^msb = 1 + x, log2(1 + x) = x + g x (1 - x), where g falls from 0.4427 to
 * 0.2787 and lies 0 to 0.0232 below the straight line between them. In 32 fractional bits. */
void rendezvous_bound(struct rendezvous_score *s)
{
	static const uint64_t g_first = 1901383214, g_fall = 704406000, g_sag = 99700000;
	unsigned msb = 63 - (unsigned)__builtin_clzll(s->hash);
	uint64_t x = (s->hash << (63 - msb) & ~(1ull << 63)) >> 31, one = 1ull << 32;
	uint64_t g = g_first - (x * g_fall >> 32), bow = x * (one - x) >> 32;
	uint64_t whole = ((uint64_t)(64 - msb) << 32) - x;
	uint64_t low = whole - (bow * g >> 32), high = whole - (bow * (g - g_sag) >> 32);
	/* What was cut off above is less than four in the last digit. */
	s->low = low > 4 ? (low - 4) << (LOG_BITS - 32) : 0;
	s->high = (high + 4) << (LOG_BITS - 32);
}

enum err rendezvous_seed(struct bytes origin, struct bytes content, struct arena *a, uint64_t *seed)
{
	size_t n = origin.n + 1 + content.n;
	uint8_t *name = arena_alloc(a, n);
	if (name == NULL)
		return ERR_NO_MEMORY;
	if (origin.n > 0)
		memcpy(name, origin.p, origin.n);
	if (content.n > 0)
		memcpy(name + origin.n + 1, content.p, content.n);
	*seed = hash64(&rank_key, bytes_of(name, n));
	return OK;
}

struct rendezvous_score rendezvous_score(uint64_t seed, const struct node_id *id, uint64_t weight)
{
	uint8_t in[8 + NODE_ID_BYTES];
	for (unsigned i = 0; i < 8; i++)
		in[i] = (uint8_t)(seed >> (8 * i));
	memcpy(in + 8, id->b, NODE_ID_BYTES);
	uint64_t h = hash64(&rank_key, bytes_of(in, sizeof(in)));
	struct rendezvous_score s = { .hash = h | 1, .weight = weight, .id = *id };
	rendezvous_bound(&s);
	return s;
}

uint64_t rendezvous_log(const struct rendezvous_score *s)
{
	return s->low == s->high ? s->low : minus_log2(s->hash);
}

int rendezvous_cmp(const struct rendezvous_score *a, const struct rendezvous_score *b)
{
	/* log / weight, multiplied across: nothing is rounded. */
	if ((u128)a->high * b->weight < (u128)b->low * a->weight)
		return -1;
	if ((u128)b->high * a->weight < (u128)a->low * b->weight)
		return 1;
	u128 left = (u128)rendezvous_log(a) * b->weight, right = (u128)rendezvous_log(b) * a->weight;
	if (left != right)
		return left < right ? -1 : 1;
	return node_id_cmp(&a->id, &b->id);
}
