/* One object brought into the cache through the node's own fills (node/origin/fill.h), to its last byte, a
 * large one slice after slice: what the warmer and the prefetcher do, of which nobody streams.
 *
 * Threading: one loop's, that of the mailbox. Part of its owner's struct, which may be freed when it is idle.
 */
#ifndef NODE_WARM_EV_BRING_H
#define NODE_WARM_EV_BRING_H

#include "node/origin/fill.h"

enum bring_outcome {
	BRING_WHOLE, /* length; fd has all of it, during the call, or is -1 where it came in slices */
	BRING_NOT_FOUND,
	BRING_FAILED,  /* error; ERR_TOO_BIG: it is larger than max_bytes, and is not fetched */
	BRING_DROPPED, /* it was forgotten, and is idle from now on */
};

struct bring_end {
	enum bring_outcome outcome;
	enum err error;
	int fd;
	uint64_t length;
};

enum bring_state { BRING_IDLE, BRING_ASKED, BRING_GROWING, BRING_FORGOTTEN };

struct bring {
	struct fills *fills;
	struct cache *cache;
	struct mailbox *mailbox;
	/* Never from inside of the calls below; the fetch is idle, and may begin anew. */
	void (*ended)(struct bring *f, const struct bring_end *end);
	bool is_ahead; /* of a viewer who has not asked for it, and may never (fill_waiter) */
	enum bring_state state;
	struct fill_waiter waiter;
	struct growing_waiter growing_waiter;
	struct growing *growing;
	uint64_t length;
	uint64_t max_bytes; /* of what is cut, the owner's to set; 0: any */
	/* What is brought. */
	const struct config_origin *origin;
	struct bytes content, object;
	uint32_t slice;
	uint64_t total; /* 0: it is one unit */
	char etag[CACHE_VALIDATOR_MAX + 1];
};

void bring_init(struct bring *f, struct fills *fills, struct cache *cache, struct mailbox *mailbox,
    void (*ended)(struct bring *f, const struct bring_end *end));
/* Of an idle one. Slices are the caller's until it is idle again. */
void bring_begin(
    struct bring *f, const struct config_origin *origin, struct bytes content, struct bytes object);
/* Nobody wants it any more; the fill goes on. It is idle afterwards, or BRING_FORGOTTEN until `ended`. */
void bring_forget(struct bring *f);

#endif
