/* Random bytes for session ids: one pool a worker, refilled from libsodium in pieces, so that a request
 * costs no system call. Not thread-safe: a pool belongs to one thread. Bytes are given once and wiped.
 */
#ifndef NODE_FS_RANDOM_H
#define NODE_FS_RANDOM_H

#include <stddef.h>
#include <stdint.h>

enum { RANDOM_POOL_BYTES = 4096 };

struct random_pool {
	size_t left; /* unused bytes, at the end */
	uint8_t bytes[RANDOM_POOL_BYTES];
};

void random_pool_init(struct random_pool *r); /* aborts when libsodium cannot start */
void random_pool_fini(struct random_pool *r); /* wipes what is left */
/* n <= RANDOM_POOL_BYTES. */
void random_take(struct random_pool *r, void *out, size_t n);
uint64_t random_u64(struct random_pool *r);

#endif
