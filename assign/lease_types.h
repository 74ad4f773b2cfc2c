/* Words that both ends of a lease share (rule A3).
 *
 * A delivery node's book (lease_book.h) lends batches of places to api nodes; an api node keeps what it
 * was lent in its purse (lease_purse.h), and its workers take single places from slots (lease_slots.h).
 * All of it travels over the direct link: ASK {req_id, want}, GRANT (struct lease_grant) and CLOSE
 * (struct lease_close); a place travels in the viewer's token (struct lease_place).
 *
 * Numbers that come from a peer are never trusted: what is out of range is refused, not CHECKed.
 */
#ifndef ASSIGN_LEASE_TYPES_H
#define ASSIGN_LEASE_TYPES_H

#include "base/node_id.h"

enum {
	LEASE_LIMIT_MAX = 4096, /* places in a batch; also the most that can be wanted at once */
	LEASE_LIFE_MS = 10000,
};

/* One place, as a token carries it: sure of admission at the node that it names, while that node lives. */
struct lease_place {
	uint64_t incarnation; /* count of the delivery node's incarnation whose book lent it */
	uint32_t batch;
	uint32_t index; /* below the batch's limit */
};

/* Who asks. An api node that restarts is another asker with the same id. */
struct lease_asker {
	struct node_id api;
	struct incarnation incarnation;
};

/* The answer to ASK {req_id}. */
struct lease_grant {
	uint64_t req_id;
	uint64_t incarnation; /* the book's */
	uint32_t batch;       /* 0 exactly when limit is 0 */
	uint32_t limit;       /* places 0 .. limit - 1; 0: nothing to lend */
	/* From the first send of the request on, 0.98 of this is the time in which places may be taken. It
	 * is a little below the book's own life_ms: see lease_book.h. */
	uint32_t life_ms;
	uint32_t weight_kbps; /* what one session was counted with; 0: unknown */
	/* The node as it was when it answered, this batch counted in: fresher than its load report. */
	uint32_t active, outstanding, capacity;
};

/* "I shall take nothing more from this batch": of its places only the first `used` may still come.
 * The incarnation stands in it because a new book numbers its batches from 1 again: a CLOSE that was
 * under way when the node restarted would otherwise shut another batch of the same api node. */
struct lease_close {
	uint64_t incarnation; /* the book's */
	uint32_t batch;
	uint32_t used;
};

#endif
