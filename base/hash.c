#include "base/hash.h"

#include <endian.h>
#include <sodium/crypto_shorthash.h>
#include <string.h>

uint64_t hash64(const struct hash_key *key, struct bytes data)
{
	uint8_t out[crypto_shorthash_BYTES];
	static const uint8_t nothing;
	crypto_shorthash(out, data.n == 0 ? &nothing : data.p, data.n, key->b);
	/* Read as little-endian whatever the machine: hashes stand in files and frames. */
	uint64_t h;
	memcpy(&h, out, sizeof(h));
	return le64toh(h);
}

uint64_t hash_mix(uint64_t x)
{
	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdu;
	x ^= x >> 33;
	x *= 0xc4ceb9fe1a85ec53u;
	return x ^ (x >> 33);
}
