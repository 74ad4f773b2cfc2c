#include "node/http/warm_known.h"

#include "base/hash.h"

static uint64_t place_of(int fd, uint64_t step)
{
	return (uint64_t)(uint32_t)fd << 32 | (step & UINT32_MAX);
}

bool warm_known_has(const struct warm_known *k, int fd, uint64_t step)
{
	uint64_t place = place_of(fd, step);
	uint64_t row = hash_mix(place) % WARM_KNOWN_ROWS;
	return k->rows[row].place == place && k->now_ms < k->rows[row].until_ms;
}

void warm_known_add(struct warm_known *k, int fd, uint64_t step)
{
	uint64_t place = place_of(fd, step);
	uint64_t row = hash_mix(place) % WARM_KNOWN_ROWS;
	k->rows[row].place = place;
	k->rows[row].until_ms = k->now_ms + WARM_KNOWN_MS;
}
