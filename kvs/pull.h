/* Asking for what a peer showed to have and this node has not (R6): after a moment, since it may still be
 * pushed; one question a row at a time; elsewhere when no answer comes. What that does not bring in a few
 * tries is left to repair.
 */
#ifndef KVS_PULL_H
#define KVS_PULL_H

#include "kvs/state.h"

/* The link's peer has the row up to there. No-op when this node has it too. */
void pull_want(
    struct kvs *k, struct kvs_link *link, struct replica *r, struct incarnation incarnation, uint64_t have);
/* A frame of the row was applied. */
void pull_on_applied(struct kvs *k, struct replica *r, bool repair);
void pull_on_timer(struct kvs *k, struct pull *p);
/* A peer asks. */
void pull_on_message(struct kvs *k, struct kvs_link *link, const struct rpc_pull *m);
void pull_free(struct kvs *k, struct pull *p);

#endif
