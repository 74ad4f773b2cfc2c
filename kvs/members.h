/* Who is in the cluster and who can be reached: registers and loads as the rows say them, liveness by
 * silence, and whom to dial (seeds and every member: a full mesh).
 *
 * A member is heard by any message on a link to it; one that never had a link to this node also by
 * news of it through others, with three times the patience. Silent for silence_beats heartbeats: down. A link
 * that closes with BYE: down at once; without: suspect until it is silent for long enough or back.
 */
#ifndef KVS_MEMBERS_H
#define KVS_MEMBERS_H

#include "kvs/state.h"

/* This node, and those whose register was loaded: presumed alive until proven silent. */
void members_start(struct kvs *k, const struct rpc_register *self);
void members_free(struct member *m);
/* Own register, copied. */
void members_set_self(struct kvs *k, const struct rpc_register *reg);

/* The member a link leads to; NULL when there are too many owners. */
struct member *members_link_up(struct kvs *k, const struct node_id *id, struct incarnation incarnation);
void members_link_down(struct kvs *k, struct member *m, bool bye);
void members_heard(struct kvs *k, struct member *m);
/* Nobody listens at that address: who was linked from there and is not any more is down. */
void members_on_refused(struct kvs *k, const char *address);
/* The silence of a member may have lasted long enough. False: no room for the event, ask again. */
bool members_on_silence(struct kvs *k, struct member *m);

/* A row changed: register and load are read anew, the owner was heard. */
void members_on_row(struct kvs *k, struct replica *r);

#endif
