/* Token buckets by name, in bounded memory: how often each of very many clients may do something.
 *
 * A bucket is one number, the theoretical arrival time of the generic cell rate algorithm (ITU-T I.371): it
 * stands for the same as a count of tokens and a time, and a full bucket needs none at all. Buckets lie in
 * sets of LIMITS_WAYS, picked by their hash. In a full set the bucket that is nearest to full gives way: who
 * was let in once too often then is the client that asked least, and no flood of clients makes the table
 * grow.
 *
 * Pure: time comes in, and so do hashes, which must be keyed (base/hash.h) where others choose the names. One
 * caller at a time.
 */
#ifndef NODE_API_LIMITS_H
#define NODE_API_LIMITS_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

enum { LIMITS_WAYS = 8 };

struct limits_bucket {
	uint64_t name;    /* hash of whose it is */
	uint64_t full_ns; /* when it will be full again; in the past: it is, and the place is free */
};

struct limits {
	struct limits_bucket *buckets;
	size_t sets; /* a power of two */
};

/* So many a minute on average, and up to `burst` at once. A clock of milliseconds cannot tell more apart:
 * what is due in one millisecond may come in it, whatever burst says. */
struct limits_rate {
	uint32_t per_min; /* > 0 */
	uint32_t burst;   /* > 0 */
};

/* Room for LIMITS_WAYS << sets_log2 buckets; aborts when out of memory. */
void limits_init(struct limits *l, unsigned sets_log2);
void limits_fini(struct limits *l);

/* Takes a token from that bucket, and returns 0; or takes none and returns after how many milliseconds there
 * will be one. The rate may change from call to call: what was taken before counts on at the former one. */
uint64_t limits_take(struct limits *l, uint64_t name, struct limits_rate rate, uint64_t now_mono_ms);
/* Gives back what a call for that name has just taken, when nothing came of it. */
void limits_return(struct limits *l, uint64_t name, struct limits_rate rate);

#endif
