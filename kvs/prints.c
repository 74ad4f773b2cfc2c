#include "kvs/prints.h"

#include "base/hash.h"

#include <string.h>

static const struct hash_key KEY = { "warmcast  prints" };

static void put_u64(uint8_t *to, uint64_t v)
{
	for (unsigned i = 0; i < 8; i++)
		to[i] = (uint8_t)(v >> (56 - 8 * i));
}

static uint64_t print(const struct replica *r)
{
	enum { NUMBERS = 5 };
	const struct row *row = &r->live;
	if (row->incarnation.count == 0)
		return 0;
	uint8_t b[RPC_ROW_ID_BYTES + 8 * NUMBERS];
	const uint64_t numbers[NUMBERS] = { row->incarnation.count, row->incarnation.nonce, row->have, row->floor,
		r->stream == RPC_LOAD ? 0 : row->fingerprint };
	memcpy(b, r->id.b, RPC_ROW_ID_BYTES);
	for (unsigned i = 0; i < NUMBERS; i++)
		put_u64(b + RPC_ROW_ID_BYTES + 8 * i, numbers[i]);
	return hash64(&KEY, bytes_of(b, sizeof(b)));
}

void prints_note(struct kvs *k, struct replica *r)
{
	uint64_t now = print(r);
	k->prints[r->id.b[0] << 4 | r->id.b[1] >> 4] += now - r->print;
	r->print = now;
}

uint64_t prints_of(const struct kvs *k, uint32_t depth, uint32_t prefix)
{
	uint32_t each = KVS_PRINTS >> (4 * depth);
	uint64_t sum = 0;
	for (uint32_t i = 0; i < each; i++)
		sum += k->prints[prefix * each + i];
	return sum;
}

/* Bits of ids beyond the prefix are `rest`. */
static struct row_id bound(uint32_t depth, uint32_t prefix, uint8_t rest)
{
	struct row_id id;
	memset(id.b, rest, sizeof(id.b));
	uint32_t bits = 12 - 4 * depth;
	uint32_t first = prefix << bits | (rest != 0 ? (1u << bits) - 1 : 0);
	id.b[0] = (uint8_t)(first >> 4);
	id.b[1] = (uint8_t)((first & 0xf) << 4 | (rest & 0xf));
	return id;
}

struct row_id prints_first(uint32_t depth, uint32_t prefix)
{
	return bound(depth, prefix, 0);
}

struct row_id prints_last(uint32_t depth, uint32_t prefix)
{
	return bound(depth, prefix, 0xff);
}
