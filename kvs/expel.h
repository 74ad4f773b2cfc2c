/* Who was expelled: out of the overlay, not dialled, its links closed, its entries hidden; for ever.
 *
 * An expel has no effect when whom it was said to was expelled before, by the order of commands: of two nodes
 * that expel each other the one that did so first stays, on all who know of both. The rows of an expelled
 * node are kept and passed on, or replicas would differ; since nobody links to it they grow no more.
 */
#ifndef KVS_EXPEL_H
#define KVS_EXPEL_H

#include "kvs/state.h"

/* An expel whose time has come; one known already changes nothing. */
void expel_add(struct kvs *k, const struct rpc_command_id *id, const struct rpc_command *c);
bool expel_has(const struct kvs *k, const struct node_id *node);
/* A peer refused this node for being expelled. Not believed of one that is expelled itself. */
void expel_hear(struct kvs *k, const struct node_id *by);
/* Closes what links there are to expelled members: a new one when both sides have compared what they have, so
 * that the other hears of the order, and is heard if it has an older one. */
void expel_flush(struct kvs *k);

#endif
