#include "node/fs_random.h"

#include "base/check.h"

#include <sodium.h>
#include <string.h>

void random_pool_init(struct random_pool *r)
{
	CHECK(sodium_init() >= 0);
	r->left = 0;
}

void random_pool_fini(struct random_pool *r)
{
	sodium_memzero(r->bytes, sizeof(r->bytes));
	r->left = 0;
}

void random_take(struct random_pool *r, void *out, size_t n)
{
	CHECK(n <= RANDOM_POOL_BYTES);
	if (n > r->left) {
		randombytes_buf(r->bytes, sizeof(r->bytes));
		r->left = sizeof(r->bytes);
	}
	uint8_t *from = r->bytes + sizeof(r->bytes) - r->left;
	memcpy(out, from, n);
	sodium_memzero(from, n);
	r->left -= n;
}

uint64_t random_u64(struct random_pool *r)
{
	uint64_t v;
	random_take(r, &v, sizeof(v));
	return v;
}
