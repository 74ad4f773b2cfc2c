/* What a player says of itself with a request (CTA-5004, Common Media Client Data): as the query argument
 * CMCD or the fields CMCD-Request and CMCD-Status. Of all of it three things: how much it has buffered,
 * whether its picture stood still for want of data, and what it will ask for next. Pure.
 *
 * Another's word: any bytes are fine, and what makes no sense says nothing.
 */
#ifndef NODE_DELIVERY_CMCD_H
#define NODE_DELIVERY_CMCD_H

#include "node/http/http.h"

enum { CMCD_MAX_BYTES = 4096, CMCD_BUFFER_MAX_MS = 3600 * 1000 };

struct cmcd {
	bool said;    /* anything that CMCD has */
	bool starved; /* bs: the buffer ran empty since the request before this one */
	bool has_buffer;
	uint32_t buffer_ms; /* bl; at most CMCD_BUFFER_MAX_MS */
	struct bytes next;  /* nor: a reference relative to the object asked for; empty: not said */
};

/* Slices live in the arena or in the request. */
void cmcd_read(const struct http_request *r, struct arena *a, struct cmcd *out);

#endif
