/* When a holder that is slow to answer is given up for the next one before its second is over. Pure.
 *
 * Dean and Barroso ("The tail at scale", CACM 2013) send a second request when the first is slower than the
 * 95th percentile of such, which costs some per cent of requests and cuts the tail. Here the first request is
 * dropped then, since what it would still bring is paid for twice, and is asked again in full when the
 * next holder does not have it. At most one in HEDGE_PER fills: each fill earns a part of a token, a hedge
 * costs one, and none are there at the start.
 *
 * Of requests to caches alone: what one fills for others takes as long as the origin store does, and a second
 * request would be one to that.
 */
#ifndef NODE_ORIGIN_HEDGE_H
#define NODE_ORIGIN_HEDGE_H

#include <stdbool.h>
#include <stdint.h>

enum { HEDGE_SAMPLES = 128, HEDGE_PER = 50, HEDGE_TOKENS_MAX = 10 };

struct hedge {
	uint32_t first_bytes_ms[HEDGE_SAMPLES]; /* a ring of the last ones */
	uint64_t samples;
	uint32_t parts; /* of HEDGE_PER a token */
};

/* A holder answered, after so long. */
void hedge_saw(struct hedge *h, uint32_t first_byte_ms);
/* A fill asks holders: how long the first of them may take; 0: as long as any. */
uint32_t hedge_begin(struct hedge *h);
/* It took longer, and the next one is asked instead. */
void hedge_used(struct hedge *h);

#endif
