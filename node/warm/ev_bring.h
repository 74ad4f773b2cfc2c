/* One object brought into the cache through the node's own fills (node/origin/fill.h), to its last byte: what
 * the warmer and the prefetcher do, of which nobody streams.
 *
 * Threading: one loop's, that of the mailbox. Part of its owner's struct, which may be freed when it is idle.
 */
#ifndef NODE_WARM_EV_BRING_H
#define NODE_WARM_EV_BRING_H

#include "node/origin/fill.h"

enum bring_outcome {
	BRING_WHOLE, /* fd and length: all of it, during the call */
	BRING_NOT_FOUND,
	BRING_FAILED,  /* error */
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
};

void bring_init(struct bring *f, struct fills *fills, struct cache *cache, struct mailbox *mailbox,
    void (*ended)(struct bring *f, const struct bring_end *end));
/* Of an idle one. */
void bring_begin(
    struct bring *f, const struct config_origin *origin, struct bytes content, struct bytes object);
/* Nobody wants it any more; the fill goes on. It is idle afterwards, or BRING_FORGOTTEN until `ended`. */
void bring_forget(struct bring *f);

#endif
