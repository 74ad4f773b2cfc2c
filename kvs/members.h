/* Who is in the cluster: registers and loads as the rows say them, and each member's liveness (R8).
 *
 * Two axes. What a node says of itself is its register's state; whether others reach it is its liveness:
 *
 *   down      the verdict on the claims of its watchers (claims.h), or it has left
 *   suspect   a claim stands, or this node itself does not hear it
 *   alive     else
 */
#ifndef KVS_MEMBERS_H
#define KVS_MEMBERS_H

#include "kvs/state.h"

/* This node, and those whose register was loaded. */
void members_start(struct kvs *k, const struct rpc_register *self);
void members_free(struct member *m);
/* NULL when there is none. */
struct member *members_find(const struct kvs *k, const struct node_id *id);
/* Own register, copied. */
void members_set_self(struct kvs *k, const struct rpc_register *reg);

/* The member a link leads to; NULL when there are too many owners. */
struct member *members_link_up(struct kvs *k, const struct node_id *id);
void members_link_down(struct kvs *k, struct member *m, bool bye);
/* Nobody listens at that address. */
void members_on_refused(struct kvs *k, const char *address);

/* A row changed: register, claims or load are read anew. */
void members_on_row(struct kvs *k, struct replica *r);

/* What its liveness is made of changed. */
void members_review(struct kvs *k, struct member *m);
/* The verdict on it. */
void members_judged(struct kvs *k, struct member *m, unsigned claims, bool down);
/* At the end of a step: those whose change could not be said before. */
void members_review_due(struct kvs *k);
/* Claims of nodes that are down stand on this one: it begins a new life, and they are void. */
void members_on_life_timer(struct kvs *k);

/* It was expelled, or is no more: in or out of the ring, dialled or not. */
void members_set_expelled(struct kvs *k, struct member *m, bool expelled);

#endif
