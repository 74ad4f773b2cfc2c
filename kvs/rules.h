/* The rules of replication as pure predicates: each decides one thing that the rest of the room
 * relies on, and nothing else decides it. The simulator links broken copies of this file
 * (tests/sim/mutants) to prove that it would notice.
 *
 * Pure: no state. Source: rules R1-R7 of ARCHITECTURE.md.
 */
#ifndef KVS_RULES_H
#define KVS_RULES_H

#include "rpc/msg.h"

/* R2: (incarnation, version) orders all that an owner ever said; this is the first half. As memcmp. */
int kvs_rule_order(struct incarnation a, struct incarnation b);

/* R2: may a replica that stands at (incarnation, have, horizon) keep its row under an incarnation with
 * these ancestors? Only when all that went into its bytes is history that the ancestor passed on: the
 * horizon counts, not `have` alone, since a write past `have` may already have hidden an older one. */
bool kvs_rule_inherits(const struct rpc_ancestor *ancestors, size_t n, struct incarnation incarnation,
    uint64_t have, uint64_t horizon);

/* R3: the interval (from, to] continues a row that is complete up to `have`, without a gap. */
bool kvs_rule_continues(uint64_t from, uint64_t to, uint64_t have);

/* R3: the row's bytes are those that the owner had at `have`, nothing older stands in. */
bool kvs_rule_exact(uint64_t have, uint64_t horizon);

enum kvs_floor_verdict {
	KVS_FLOOR_FITS,   /* nothing that the sender collected is missing here */
	KVS_FLOOR_RESET,  /* below the sender's floor: only a row built anew from it */
	KVS_FLOOR_REFUSE, /* being built at a higher floor: the sender is behind, and is told */
};
/* R4: may a row at (have, base) take frames from a sender whose floor is `floor`? */
enum kvs_floor_verdict kvs_rule_floor(uint64_t have, uint64_t base, uint64_t floor);

/* R4: a row built anew is shown, and told to others, from here on. */
bool kvs_rule_built(uint64_t have, uint64_t base);

/* R2: this id was jumped over so often within a minute that another process must run under it. */
bool kvs_rule_duplicate_id(unsigned jumps);

/* R6: may a frame that brought nothing new count against the link it came by? Not what was asked for. */
bool kvs_rule_counts_as_copy(bool repair);
/* R6: that many frames in a row brought nothing new, or were missing: the link leaves, or joins, the tree. */
bool kvs_rule_prunes(unsigned duplicates);
bool kvs_rule_grafts(unsigned misses);
/* R6: was asked for in vain that many times; is somebody else to be asked? */
bool kvs_rule_pulls_again(unsigned tries);

/* R7: may entries of that size be sent to a peer that has so much room? */
bool kvs_rule_fits(size_t room_bytes, size_t bytes);

/* R5: may an own write be shown to others when the store has (not) said that it holds it? */
bool kvs_rule_may_tell(bool stored);

#endif
