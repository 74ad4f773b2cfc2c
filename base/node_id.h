/* A node's identity: 128 random bits made at its first start and kept in data_dir. Names and
 * addresses are labels; only this orders, owns and signs.
 */
#ifndef BASE_NODE_ID_H
#define BASE_NODE_ID_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { NODE_ID_BYTES = 16 };

struct node_id {
	uint8_t b[NODE_ID_BYTES];
};

static inline int node_id_cmp(const struct node_id *a, const struct node_id *b)
{
	return memcmp(a->b, b->b, NODE_ID_BYTES);
}

static inline bool node_id_eq(const struct node_id *a, const struct node_id *b)
{
	return node_id_cmp(a, b) == 0;
}

/* One run of a node (R2): a count kept on disk, raised at every start, and a random nonce, so that
 * two runs that read the same disk image still differ. Ordered by count, then nonce.
 */
struct incarnation {
	uint64_t count;
	uint64_t nonce;
};

static inline int incarnation_cmp(struct incarnation a, struct incarnation b)
{
	if (a.count != b.count)
		return a.count < b.count ? -1 : 1;
	return a.nonce < b.nonce ? -1 : a.nonce > b.nonce;
}

#endif
