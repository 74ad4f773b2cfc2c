/* Seeded pseudo-random numbers for decisions that a seed must replay (jitter, peer choice, the
 * simulator). Not for secrets: tokens and nonces come from libsodium, passed in as arguments.
 *
 * xoshiro256** by Blackman and Vigna (2018), seeded through splitmix64.
 */
#ifndef BASE_PRNG_H
#define BASE_PRNG_H

#include <stdbool.h>
#include <stdint.h>

struct prng {
	uint64_t s[4];
};

void prng_init(struct prng *r, uint64_t seed);
uint64_t prng_next(struct prng *r);
/* Uniform in [0, n); n > 0. */
uint64_t prng_below(struct prng *r, uint64_t n);
/* True in `per_mille` of 1000 cases. */
bool prng_chance(struct prng *r, unsigned per_mille);

#endif
