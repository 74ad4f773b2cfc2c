/* How long to wait before trying again. Pure. */
#ifndef RPC_BACKOFF_H
#define RPC_BACKOFF_H

#include "base/prng.h"

/* min_ms after the first failure, twice that after each further one, at most max_ms; of that a random
 * part of at least a half, so that those who failed together do not return together. */
uint64_t backoff_ms(struct prng *r, unsigned failures, uint64_t min_ms, uint64_t max_ms);

#endif
