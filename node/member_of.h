/* A member of the cluster by its id. Pure. */
#ifndef NODE_MEMBER_OF_H
#define NODE_MEMBER_OF_H

#include "kvs/kvs.h"

/* False, and *out untouched, when the replica knows no such node. Valid until the replica's next step. */
bool member_of(const struct kvs *kvs, const struct node_id *id, struct kvs_member *out);

#endif
