/* The one 64-bit hash of the house: SipHash-2-4 (Aumasson and Bernstein, 2012) from libsodium.
 * Keyed, so that no viewer can aim at one bucket. A key that all nodes must agree on (rendezvous,
 * holders' index, fingerprints) is a constant in the file that owns the format.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/bytes.h"

struct hash_key {
	uint8_t b[16];
};

uint64_t hash64(const struct hash_key *key, struct bytes data);
/* A bijective mixer (murmur3's finaliser): spreads a counter or combines two hashes. */
uint64_t hash_mix(uint64_t x);

#endif
