#include "node/origin/negative.h"

void negative_put(struct negative *t, uint64_t hash, uint64_t now_ms, uint64_t ttl_ms)
{
	struct negative_entry *row = t->rows[hash % NEGATIVE_ROWS], *to = &row[0];
	for (size_t i = 0; i < NEGATIVE_WAYS; i++) {
		if (row[i].hash == hash) {
			to = &row[i];
			break;
		}
		if (row[i].until_ms < to->until_ms)
			to = &row[i];
	}
	*to = (struct negative_entry){ .hash = hash, .until_ms = now_ms + ttl_ms };
}

uint64_t negative_left_ms(const struct negative *t, uint64_t hash, uint64_t now_ms)
{
	const struct negative_entry *row = t->rows[hash % NEGATIVE_ROWS];
	for (size_t i = 0; i < NEGATIVE_WAYS; i++)
		if (row[i].hash == hash && row[i].until_ms > now_ms)
			return row[i].until_ms - now_ms;
	return 0;
}

bool negative_has(const struct negative *t, uint64_t hash, uint64_t now_ms)
{
	return negative_left_ms(t, hash, now_ms) > 0;
}

void negative_drop(struct negative *t, uint64_t hash)
{
	struct negative_entry *row = t->rows[hash % NEGATIVE_ROWS];
	for (size_t i = 0; i < NEGATIVE_WAYS; i++)
		if (row[i].hash == hash)
			row[i] = (struct negative_entry){ 0, 0 };
}
