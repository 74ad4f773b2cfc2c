#include "node/http/warm_known.h"

#include "base/hash.h"

static uint64_t row_of(uint64_t file, uint64_t step)
{
	return hash_mix(file + step) % WARM_KNOWN_ROWS;
}

bool warm_known_has(const struct warm_known *k, uint64_t file, uint64_t step)
{
	uint64_t row = row_of(file, step);
	return k->rows[row].file == file && k->rows[row].step == step && k->now_ms < k->rows[row].until_ms;
}

void warm_known_add(struct warm_known *k, uint64_t file, uint64_t step)
{
	uint64_t row = row_of(file, step);
	k->rows[row].file = file;
	k->rows[row].step = step;
	k->rows[row].until_ms = k->now_ms + WARM_KNOWN_MS;
}
