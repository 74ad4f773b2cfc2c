/* What operators order (R1): entries of class 'x' in control rows.
 *
 * The node to which it is said writes it (its issuer). So that it outlives that node's disk, a second one
 * writes the same bytes under the same key: the issuer's neighbours in the overlay, in an order that all
 * compute alike from the command's id, the first at once, each further one 2 s later if nothing is seen of
 * it. The same is done for what a row had alone when this node started.
 *
 * Commands are ordered by a hybrid logical clock (Kulkarni et al., "Logical physical clocks", 2014) and their
 * ids. One that is further ahead than KVS_COMMAND_AHEAD_MS of this node's wall clock has no effect here, and
 * is recorded by nobody, until its time has come.
 *
 * Purges are deleted by who wrote them after KVS_PURGE_KEPT_MS. Before that, entry "f" says up to which
 * version: who had read the row less far has missed some, and knows it.
 *
 * Kinds that this build does not know are kept and recorded all the same (V1).
 */
#ifndef KVS_COMMANDS_H
#define KVS_COMMANDS_H

#include "kvs/state.h"

void commands_init(struct kvs *k);
void commands_fini(struct kvs *k);
/* Reads the rows that were loaded. */
void commands_start(struct kvs *k);
void commands_on_clock(struct kvs *k, uint64_t wall_ms);
void commands_issue(struct kvs *k, const struct kvs_input *in);
/* A control row has moved on from `had`; 0: it may be another one. */
void commands_on_row(struct kvs *k, const struct replica *r, uint64_t had);
void commands_on_timer(struct kvs *k);
/* The timer is due then, or before. */
void commands_look_at(struct kvs *k, uint64_t at_ms);

#endif
