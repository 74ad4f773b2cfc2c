/* The api node's purse: what each delivery node lent it, and when to ask for more (rule A3).
 *
 * A delivery node is known by its slot (lease_slots.h); the purse publishes and withdraws batches there
 * itself, reads from it how many places were taken and missed, and tells the caller what to send.
 *
 * Protocol. One request a node is pending at a time; a retry keeps its id and the time of its first send.
 * Only the answer to the pending id is accepted, once. Its places may be taken while now < first send +
 * 0.98 x life_ms: the node's book cannot have closed the batch before (lease_book.h says why, drifting
 * clocks included). A request not answered by then is given up, the next has another id. A new batch
 * replaces the one before, of which CLOSE gives back the rest; so does a batch that is over, and a node
 * that takes nobody. A broken link changes nothing about a batch: viewers may reach whom we do not. CLOSE
 * is sent once and may be lost.
 * When a node restarted (its link says so) the old batch is worthless, and gone without a word.
 *
 * How much is asked for. The target is 3 s of what was lately taken and missed (mean over about 1 s
 * upwards, 4 s downwards), at least LEASE_WANT_MIN and twice what came since the mean was taken, so that
 * a jump in demand is met within a few round trips (from nothing to 467 a second: 6 viewers missed a place
 * at 2 ms there and back, 26 at 20 ms). It is asked ahead: when a third of the batch is left, and 1 s before
 * it ends. At most one request in 20 ms to a node, in 100 ms when it last gave less than wanted, and after
 * a grant of nothing in 100, 200, ... 1,000 ms.
 *
 * Whom is asked. A node gets a first, small request when it appears, so that its first viewer finds a
 * place; a node that nobody was sent to for LEASE_IDLE_MS is not asked any more and what it lent lapses,
 * until a viewer misses a place there. That viewer is placeless: an idle node has room for him.
 * So an idle pair costs nothing, 0 B/s, after the first batch (about 200 B with frames, once); one
 * that sees a viewer now and then costs three small messages in 9 s: some 20 B/s. A busy one asks about
 * every 2 s.
 *
 * Pure and single-threaded (control), but for the slots' atomics. Event in, commands out: give all that
 * happened, then call lease_purse_step and send what it says. Bounds: 260 kB, and 152 B for each of at
 * most LEASE_SLOTS nodes, each of which a step looks at once; at most `max` commands a step, the rest comes
 * with the next (wake_at says at once); CLOSEs wait in a ring of LEASE_CLOSES_MAX (two a node, as many as
 * events between two steps can make), past it one is dropped and counted: the book closes by itself.
 */
#ifndef ASSIGN_LEASE_PURSE_H
#define ASSIGN_LEASE_PURSE_H

#include "assign/lease_slots.h"

enum {
	LEASE_WANT_MIN = 4,
	LEASE_IDLE_MS = 30000,
	LEASE_CLOSES_MAX = 8192,
};

struct lease_purse;

/* The slots are borrowed and must live longer. `own` is this api node's incarnation: request ids count
 * from a number made of its nonce, so that an answer to a former run is not taken for one to this.
 * Aborts when out of memory. */
struct lease_purse *lease_purse_new(struct lease_slots *slots, struct incarnation own);
void lease_purse_free(struct lease_purse *p);

/* -- events; slots of LEASE_SLOTS and above are ignored -- */

/* Whether that node takes new viewers (ready or joining, and not suspected, draining, down, left). At the
 * first true it is asked; at false its batch is withdrawn and closed. */
void lease_purse_node(struct lease_purse *p, uint64_t now_ms, uint32_t slot, bool takes);
/* A direct link to it opened (its hello named that count of its incarnation), or the last one closed. */
void lease_purse_link_up(struct lease_purse *p, uint64_t now_ms, uint32_t slot, uint64_t incarnation);
void lease_purse_link_down(struct lease_purse *p, uint64_t now_ms, uint32_t slot);
/* GRANT. Refused (false, nothing changed) when it is no answer to the pending request or out of range: a
 * repeat, a late one, a broken peer. True also when it lends nothing. What it says of the node's load is the
 * caller's to use either way, as long as it is in time order. */
bool lease_purse_grant(struct lease_purse *p, uint64_t now_ms, uint32_t slot, const struct lease_grant *g);

/* -- step -- */

struct lease_command {
	enum { LEASE_SEND_ASK, LEASE_SEND_CLOSE } kind;
	uint32_t slot; /* to that node's direct link, which is up; lost when it breaks */
	union {
		struct {
			uint64_t req_id;
			uint32_t want;
		} ask;
		struct lease_close close;
	};
};
/* Returns how many commands were written. Call after events, when wake_at is reached, and when a worker
 * said LEASE_DRY_WAKE. */
size_t lease_purse_step(struct lease_purse *p, uint64_t now_ms, struct lease_command *out, size_t max);
/* When to step next: at once (0) after an event; within 100 ms while viewers are sent to anyone. */
uint64_t lease_purse_wake_at(const struct lease_purse *p);

/* -- to show (A5) -- */

struct lease_purse_view {
	bool takes, linked;
	uint32_t batch, limit, used; /* of the batch that is there; limit 0: none */
	uint64_t until_ms;
	bool pending;
	uint64_t asked_ms;    /* first send of the pending request */
	uint64_t granted_ms;  /* when it last answered; 0: never */
	uint32_t granted;     /* how many places, then */
	uint32_t per_s_milli; /* taken and missed, in thousandths a second */
	uint32_t weight_kbps; /* as last told */
};
/* False: nothing is known of that slot. */
bool lease_purse_look(const struct lease_purse *p, uint32_t slot, struct lease_purse_view *v);

struct lease_purse_stats {
	uint64_t asks, retries, closes; /* sent */
	uint64_t grants, empty_grants;  /* accepted; of them with nothing */
	uint64_t refused_grants;        /* not the answer to the pending request, or out of range */
	uint64_t places, unused;        /* lent; of them given back or lapsed */
	uint64_t missed;                /* viewers who found no place */
	uint64_t dropped_closes;
};
const struct lease_purse_stats *lease_purse_stats(const struct lease_purse *p);

#endif
