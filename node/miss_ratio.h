/* Of the requests of about the last minute, how many the cache did not have (D9). Pure. */
#ifndef NODE_MISS_RATIO_H
#define NODE_MISS_RATIO_H

#include <stdint.h>

/* Both fade by 1/64 a second. */
struct miss_ratio {
	double requests, misses;
};

/* Once a second: what came since the last call. */
void miss_ratio_add(struct miss_ratio *m, uint64_t requests, uint64_t hits);
/* 0 while hardly anything was asked for: unknown. */
uint32_t miss_ratio_permille(const struct miss_ratio *m);

#endif
