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

struct rendezvous_score rendezvous_score(uint64_t seed, const struct node_id *id, uint32_t weight)
{
	uint8_t in[8 + NODE_ID_BYTES];
	for (unsigned i = 0; i < 8; i++)
		in[i] = (uint8_t)(seed >> (8 * i));
	memcpy(in + 8, id->b, NODE_ID_BYTES);
	uint64_t h = hash64(&rank_key, bytes_of(in, sizeof(in)));
	return (struct rendezvous_score){ .log = minus_log2(h | 1), .weight = weight, .id = *id };
}

int rendezvous_cmp(const struct rendezvous_score *a, const struct rendezvous_score *b)
{
	/* log / weight, multiplied across: nothing is rounded. */
	u128 left = (u128)a->log * b->weight, right = (u128)b->log * a->weight;
	if (left != right)
		return left < right ? -1 : 1;
	return node_id_cmp(&a->id, &b->id);
}
