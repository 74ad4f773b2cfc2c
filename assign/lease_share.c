#include "assign/lease_share.h"

static uint64_t filled_to(uint32_t level, const uint32_t *wishes, size_t n)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += wishes[i] < level ? wishes[i] : level;
	return sum;
}

uint32_t lease_share(uint32_t pool, const uint32_t *wishes, size_t n, size_t mine)
{
	/* The lowest level at which the pool is used up, up to my own wish: above that I have all. */
	uint32_t low = 0, high = wishes[mine];
	while (low < high) {
		uint32_t level = low + (high - low) / 2;
		if (filled_to(level, wishes, n) < pool)
			low = level + 1;
		else
			high = level;
	}
	return low;
}
