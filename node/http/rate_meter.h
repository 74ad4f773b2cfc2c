/* How fast a count grows, over about the last second, and whether that is past a bound: fed now and then.
 * Pure.
 */
#ifndef NODE_HTTP_RATE_METER_H
#define NODE_HTTP_RATE_METER_H

#include <stdbool.h>
#include <stdint.h>

enum { RATE_METER_STEP_MS = 250 };

struct rate_meter {
	uint64_t at_ms, count; /* of the last feed that counted; at_ms 0: none yet */
	uint64_t per_s;
	bool over;
};

/* The count so far; feeds that come sooner than RATE_METER_STEP_MS after the last one are left out. Past the
 * bound it is over until it has fallen 5 % below; a bound of 0 is none. */
void rate_meter_feed(struct rate_meter *m, uint64_t now_ms, uint64_t count, uint64_t bound_per_s);

#endif
