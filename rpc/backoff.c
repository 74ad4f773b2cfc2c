#include "rpc/backoff.h"

uint64_t backoff_ms(struct prng *r, unsigned failures, uint64_t min_ms, uint64_t max_ms)
{
	uint64_t full = min_ms;
	for (unsigned i = 1; i < failures && full < max_ms; i++)
		full *= 2;
	if (full > max_ms)
		full = max_ms;
	return full / 2 + prng_below(r, full - full / 2 + 1);
}
