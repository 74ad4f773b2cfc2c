#include "node/origin/rests.h"

#include <stddef.h>

void rests_put(struct rests *r, uint64_t key, uint64_t until_ms)
{
	size_t at = 0;
	for (size_t i = 0; i < RESTS_MAX; i++) {
		if (r->slots[i].key == key) {
			at = i;
			break;
		}
		if (r->slots[i].until_ms < r->slots[at].until_ms)
			at = i;
	}
	r->slots[at].key = key;
	r->slots[at].until_ms = until_ms;
}

bool rests_has(const struct rests *r, uint64_t key, uint64_t now_ms)
{
	for (size_t i = 0; i < RESTS_MAX; i++)
		if (r->slots[i].key == key)
			return now_ms < r->slots[i].until_ms;
	return false;
}
