/* How a worker thread takes a place without a lock: one slot a delivery node, each with the batch that
 * places are taken from (rule A3).
 *
 * A slot's `state` is one atomic word: batch id (32 bits) | next index (16) | limit (16); 0 is no batch.
 * Beside it stand `until_ms` (take only before) and `incarnation` (of the book that lent the batch).
 * Taking is: load state, load incarnation and until_ms, compare-and-swap state to next + 1. Control
 * withdraws by exchanging state with 0, which tells how many were taken, and only then writes another
 * incarnation, until_ms and, last, state.
 *
 * Why a place that was taken has the incarnation and the deadline of its own batch. Let s be the state
 * that the taker loaded, written by publish P.
 * - Not older ones: P stores state with release after both; the taker loads state with acquire, and the
 *   takers' own swaps in between are read-modify-writes, which continue P's release sequence.
 * - Not newer ones: those are stored after the withdrawal of P's batch. When the swap succeeds it stands
 *   before that withdrawal in the order of `state`; it has release, the withdrawal acquire, so the
 *   taker's loads happened before the newer stores and cannot have seen them.
 * - No ABA: a state repeats only when a book incarnation counts 2^32 batches round while one taker is
 *   between two instructions.
 * After the withdrawal no place of that batch can be taken any more, so CLOSE {used} is final.
 *
 * Running dry. A take that finds nothing counts as missed, and the one that finds the count at 0 is told
 * to wake control (LEASE_DRY_WAKE), once until control has read the count: however many viewers come to a
 * dry slot, control is woken once a batch or a pause between two requests (lease_purse.h).
 *
 * Threading: lease_slots_take, _miss and _left from any thread; the rest on control only. Pure but for C11
 * atomics: time comes in, monotonic, from one clock for all threads and read no earlier than the request
 * was (a cached time as old as a loop's turn eats into the margins of the protocol: some ms are fine).
 * A slot's number is the node's number in node/tally.h.
 */
#ifndef ASSIGN_LEASE_SLOTS_H
#define ASSIGN_LEASE_SLOTS_H

#include "assign/lease_types.h"

enum { LEASE_SLOTS = 4096 };

struct lease_slots;

struct lease_slots *lease_slots_new(void); /* aborts when out of memory; 256 KiB */
void lease_slots_free(struct lease_slots *s);

/* -- workers -- */

enum lease_take {
	LEASE_TAKEN,
	LEASE_DRY,      /* no batch, all of it taken, or too late: *place untouched */
	LEASE_DRY_WAKE, /* the same, and control has to be woken (lease_purse_step) */
};
/* A slot of LEASE_SLOTS or above (a node without a slot) is dry, and nobody need be woken. */
enum lease_take lease_slots_take(
    struct lease_slots *s, uint32_t slot, uint64_t now_ms, struct lease_place *place);
/* What the dry take above notes, for who would have taken a place and did not try since none was left.
 * True: wake control. */
bool lease_slots_miss(struct lease_slots *s, uint32_t slot);
/* How many could be taken now: a hint, others take too. */
uint32_t lease_slots_left(const struct lease_slots *s, uint32_t slot, uint64_t now_ms);
/* Viewers who found nothing since control last looked. */
bool lease_slots_ran_dry(const struct lease_slots *s, uint32_t slot);

/* -- control -- */

struct lease_batch {
	uint64_t incarnation; /* of the book */
	uint32_t batch;       /* above 0 */
	uint32_t limit;       /* 1 .. LEASE_LIMIT_MAX */
	uint64_t until_ms;
};
/* The slot must be empty: withdraw first. */
void lease_slots_publish(struct lease_slots *s, uint32_t slot, const struct lease_batch *b);
/* Empties the slot; returns how many places were taken from its batch, for good. 0 when it was empty. */
uint32_t lease_slots_withdraw(struct lease_slots *s, uint32_t slot);
/* Taken so far from the batch that is there. */
uint32_t lease_slots_used(const struct lease_slots *s, uint32_t slot);
/* How many missed since the last call; starts anew. */
uint32_t lease_slots_hear(struct lease_slots *s, uint32_t slot);

#endif
