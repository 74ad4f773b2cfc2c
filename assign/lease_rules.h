/* The rules of the lease protocol as pure predicates (rule A3): each decides one thing that the proof of
 * "never over capacity" and "a place that was taken is kept" rests on, and nothing else decides it. The
 * simulator links broken copies of this file (tests/sim/mutants_lease) to prove that it would notice.
 *
 * Pure: no state.
 */
#ifndef ASSIGN_LEASE_RULES_H
#define ASSIGN_LEASE_RULES_H

#include <stdbool.h>
#include <stdint.h>

/* -- the book's -- */

enum lease_answer {
	LEASE_ANSWER_NEW,  /* a new batch */
	LEASE_ANSWER_SAME, /* the answer that was lost, or is under way */
	LEASE_ANSWER_NONE, /* the asker has asked something else since */
};
/* What a request gets from a book whose last answer to that asker was to `last_id` (if any was). */
enum lease_answer lease_rule_answer(bool answered, uint64_t last_id, uint64_t id);

/* When a batch lent now closes: its last place may be taken `life` from now, and come start_within later. */
uint64_t lease_rule_close_at(uint64_t now_ms, uint32_t life_ms, uint32_t start_within_ms);
/* The life that the grant tells: less 2 % of start_within, which is for the clocks' drift meanwhile. */
uint32_t lease_rule_told_life(uint32_t life_ms, uint32_t start_within_ms);

/* An arrival in an open batch: is the place kept for it? `came`: somebody came with that index before. */
bool lease_rule_admits(uint32_t index, uint32_t limit, bool came);
/* An arrival without a place. */
bool lease_rule_admits_placeless(uint32_t active, uint32_t outstanding, uint32_t capacity);

/* -- the purse's -- */

/* Is this grant the answer that is waited for? */
bool lease_rule_accepts(bool pending, uint64_t pending_id, uint64_t id);
/* Until when its places may be taken: counted from the first send of the request, since the book cannot
 * have counted from earlier; an answer may be as late as a retry. 2 % of it are for the clocks' drift. */
uint64_t lease_rule_until(uint64_t first_sent_ms, uint64_t now_ms, uint32_t told_life_ms);

#endif
