#include "node/miss_ratio.h"

/* Fewer say nothing. */
enum { REQUESTS_MIN = 20 };

static const double kept = 63.0 / 64.0;

void miss_ratio_add(struct miss_ratio *m, uint64_t requests, uint64_t hits)
{
	m->requests = m->requests * kept + (double)requests;
	m->misses = m->misses * kept + (double)(requests > hits ? requests - hits : 0);
}

uint32_t miss_ratio_permille(const struct miss_ratio *m)
{
	return m->requests < REQUESTS_MIN ? 0 : (uint32_t)(m->misses * 1000.0 / m->requests);
}
