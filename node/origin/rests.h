/* What is left alone for a while, by key: a bounded table. Pure.
 *
 * At the bound what would end first gives way: that may be asked again too early, which costs one wait.
 */
#ifndef NODE_ORIGIN_RESTS_H
#define NODE_ORIGIN_RESTS_H

#include <stdbool.h>
#include <stdint.h>

enum { RESTS_MAX = 64 };

struct rests {
	struct {
		uint64_t key, until_ms; /* monotonic */
	} slots[RESTS_MAX];
};

void rests_put(struct rests *r, uint64_t key, uint64_t until_ms);
bool rests_has(const struct rests *r, uint64_t key, uint64_t now_ms);

#endif
