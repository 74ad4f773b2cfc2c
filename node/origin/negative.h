/* What was seen of late, by hash, each for a short while: first of all what an origin store was asked for and
 * does not have (D6). Pure, bounded: a full row forgets what would be forgotten first. */
#ifndef NODE_ORIGIN_NEGATIVE_H
#define NODE_ORIGIN_NEGATIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NEGATIVE_ROWS = 1024, NEGATIVE_WAYS = 4 };

/* By a keyed 64-bit hash alone: nobody can aim at a collision, and by chance it takes 2^64 tries. */
struct negative {
	struct negative_entry {
		uint64_t hash, until_ms;
	} rows[NEGATIVE_ROWS][NEGATIVE_WAYS];
};

void negative_put(struct negative *t, uint64_t hash, uint64_t now_ms, uint64_t ttl_ms);
bool negative_has(const struct negative *t, uint64_t hash, uint64_t now_ms);
/* How long it will be remembered yet; 0: it is not. */
uint64_t negative_left_ms(const struct negative *t, uint64_t hash, uint64_t now_ms);
void negative_drop(struct negative *t, uint64_t hash);

#endif
