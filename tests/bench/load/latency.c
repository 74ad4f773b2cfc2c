#include "tests/bench/load/latency.h"

/* The first two powers have a bucket a value; from there on the bucket is the power and the 6 bits below the
 * leading one. */
static size_t bucket_of(uint64_t us)
{
	if (us < 2u << LATENCY_SUB_BITS)
		return (size_t)us;
	unsigned shift = 63u - (unsigned)__builtin_clzll(us) - LATENCY_SUB_BITS;
	return ((size_t)shift << LATENCY_SUB_BITS) + (size_t)(us >> shift);
}

/* The largest value of a bucket. */
static uint64_t bucket_end(size_t bucket)
{
	if (bucket < 2u << LATENCY_SUB_BITS)
		return bucket;
	size_t shift = (bucket >> LATENCY_SUB_BITS) - 1;
	uint64_t mantissa = bucket - (shift << LATENCY_SUB_BITS);
	return ((mantissa + 1) << shift) - 1;
}

void latency_add(struct latency *l, uint64_t us)
{
	const uint64_t most = (UINT64_C(1) << LATENCY_MAX_BITS) - 1;
	if (us > most)
		us = most;
	l->buckets[bucket_of(us)]++;
	l->n++;
	l->sum_us += us;
	if (us > l->max_us)
		l->max_us = us;
}

uint64_t latency_at(const struct latency *l, unsigned per_mille)
{
	uint64_t wanted = (l->n / 1000) * per_mille + ((l->n % 1000) * per_mille + 999) / 1000;
	uint64_t seen = 0;
	for (size_t i = 0; i < LATENCY_BUCKETS && wanted > 0; i++) {
		seen += l->buckets[i];
		if (seen >= wanted)
			return bucket_end(i) < l->max_us ? bucket_end(i) : l->max_us;
	}
	return wanted > 0 ? l->max_us : 0;
}

uint64_t latency_mean(const struct latency *l)
{
	return l->n > 0 ? l->sum_us / l->n : 0;
}
