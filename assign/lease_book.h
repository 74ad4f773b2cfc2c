/* The delivery node's book: who may still come, and who is here (rule A3).
 *
 * Protocol. The book lends batches of places to api nodes; each place is a bit that its viewer sets by
 * arriving. A batch is {limit, bits, close_at}; its outstanding places are the unset bits below its
 * limit. A place is given back by its arrival (it becomes an active session), by CLOSE (limit =
 * min(limit, used)), or when the batch closes at close_at = time of the grant + life + start_within;
 * never because an api node is said to be dead, since its viewers may be on their way.
 *
 * What is guaranteed:
 * - active + outstanding <= capacity at every instant, in sessions; CHECKed after each call. (When an
 *   operator lowers the capacity below that, the sum only falls until it fits.)
 * - A place taken within the grant's time, whose viewer comes within start_within of that, is admitted.
 * - No place (batch, index) is admitted twice: a second arrival with it is placeless.
 * - Capacity that was lent and never used is free again within life + start_within.
 * - In kbit/s: nothing is granted, and nobody admitted without a place, when that would take the sum of
 *   (active sessions at their weights) + (outstanding places at the weight of their grant) over the
 *   capacity. A session that turns out heavier than that (it comes with more kbps, or
 *   lease_book_reweigh) may take the sum over it; then later headroom is smaller, and nobody is put out.
 *
 * Clocks. Only durations cross the link, but the two ends may count them differently. A grant tells
 * life_ms = life - start_within / 50, and the purse uses 0.98 of it: 2 % of both life and start_within
 * are left over, enough for clocks that are each up to 1 % off. Time runs from the first send of the
 * request at the api node, from the grant here; the first is never later.
 *
 * Fair shares. An asker never gets more than its max-min share of what can be lent at all (capacity -
 * reserve - active): everybody who asked within life / 2 counts with what it holds and wants, small
 * wishes are met whole, and the rest is split evenly. So one asker that asks fast or much cannot take
 * all from others that ask too, nobody who asks gets nothing while there is room but for what others
 * are still due, and an asker that is alone gets everything.
 *
 * Repeats. The last answer to each asker is kept: an equal req_id gets it again, a lower one nothing.
 * An asker that has to be forgotten (LEASE_ASKERS_MAX) could at worst get a second batch for a repeat,
 * which costs places until it closes and breaks nothing.
 *
 * Threading: none of its own; every call under one mutex of the caller's (arrivals come from all
 * workers), times of which may be out of order by what the lock took: the latest seen counts. All
 * calls are O(log open batches) at worst, lease_book_ask is also O(askers x log of the greatest wish).
 * Memory: 144 kB, 112 B an asker, 56 B and limit / 8 bytes of bits a batch, both bounded by the enum below.
 */
#ifndef ASSIGN_LEASE_BOOK_H
#define ASSIGN_LEASE_BOOK_H

#include "assign/lease_types.h"

enum {
	LEASE_ASKERS_MAX = 1024,   /* past it, the longest silent one without an open batch is forgotten */
	LEASE_BATCHES_EACH = 128,  /* open, of one asker; past it limit 0 is answered */
	LEASE_BATCHES_MAX = 16384, /* open, of all; past it limit 0 is answered */
};

struct lease_book;

struct lease_book_config {
	uint64_t incarnation;       /* count of this run; batches of other runs are not known here */
	uint32_t capacity_sessions; /* 0 takes nobody */
	uint32_t reserve_sessions;  /* of them never lent: for who comes without a place; <= capacity */
	uint64_t capacity_kbps;     /* 0: unlimited */
	uint32_t life_ms;           /* LEASE_LIFE_MS */
	uint32_t start_within_ms;   /* at most 40 x life_ms */
	uint32_t weight_kbps;       /* of a session nothing is known of; 0: weighs nothing */
};

struct lease_book *lease_book_new(const struct lease_book_config *c); /* aborts when out of memory */
void lease_book_free(struct lease_book *b);

/* -- lending -- */

/* ASK. True: *grant is the answer (its limit may be 0). False, *grant untouched: no answer, because the
 * request is older than one answered before, or there are too many askers. `want` above LEASE_LIMIT_MAX
 * counts as that. */
bool lease_book_ask(struct lease_book *b, uint64_t now_ms, const struct lease_asker *asker, uint64_t req_id,
    uint32_t want, struct lease_grant *grant);
/* CLOSE; idempotent. Ignored: another incarnation's, an unknown batch, another api node's. */
void lease_book_close(
    struct lease_book *b, uint64_t now_ms, const struct node_id *api, const struct lease_close *c);
/* Closes what is due. Every call above and below that has a time does it too. */
void lease_book_expire(struct lease_book *b, uint64_t now_ms);
uint64_t lease_book_wake_at(const struct lease_book *b); /* TIMER_NEVER: no batch is open */

/* -- sessions -- */

enum lease_admission {
	LEASE_BY_BATCH,  /* the place was kept for it */
	LEASE_PLACELESS, /* no place was kept, there was room */
	LEASE_FULL,      /* not admitted; nothing changed */
};
/* A session that is not active here sends a request (the caller knows which are, and calls once for
 * each). `place`: what its token says, NULL when it says none. `placed_here`: whether the token names
 * this node as the one that lent it; else `place` is another book's and not looked at. kbps: what the
 * session weighs; 0 when unknown and nothing is to be counted. */
enum lease_admission lease_book_arrive(
    struct lease_book *b, uint64_t now_ms, const struct lease_place *place, bool placed_here, uint32_t kbps);
/* An active session ended or moved; kbps as at its arrival or its last reweigh. */
void lease_book_leave(struct lease_book *b, uint32_t kbps);
/* An active session, or several together, weigh something else now. */
void lease_book_reweigh(struct lease_book *b, uint64_t was_kbps, uint64_t is_kbps);

/* -- the node -- */

/* What a session that is still to come is counted with, from the next grant on. */
void lease_book_set_weight(struct lease_book *b, uint32_t kbps);
/* As in the configuration; the reserve is cut to the capacity. */
void lease_book_set_capacity(
    struct lease_book *b, uint32_t capacity_sessions, uint32_t reserve_sessions, uint64_t capacity_kbps);
/* Draining: no new batch, nobody without a place; open batches are honoured. */
void lease_book_set_draining(struct lease_book *b, bool draining);
/* Mute (R5: the disk is full): no new batch; all else goes on. */
void lease_book_set_lending(struct lease_book *b, bool lending);

struct lease_book_view {
	uint32_t capacity, reserve; /* sessions */
	uint32_t active, outstanding;
	uint64_t capacity_kbps, active_kbps, outstanding_kbps;
	uint32_t weight_kbps;
	uint32_t batches, askers; /* open; remembered */
	bool draining;
	bool drained; /* draining, and active = outstanding = 0 */
	/* Counted since the start. granted = by_batch + closed + expired + outstanding. */
	uint64_t asks, grants; /* answered, repeats not counted; with a limit above 0 */
	uint64_t granted;      /* places */
	uint64_t by_batch, placeless, full;
	uint64_t closed, expired; /* places given back by CLOSE; at close_at */
};
void lease_book_look(const struct lease_book *b, struct lease_book_view *v);

#endif
