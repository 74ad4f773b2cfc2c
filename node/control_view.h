/* The members of the replica as the view that workers read. Pure; called on control. */
#ifndef NODE_CONTROL_VIEW_H
#define NODE_CONTROL_VIEW_H

#include "kvs/kvs.h"
#include "node/snapshot.h"
#include "node/tally.h"

/* A new view, for view_publish. Members whose register was never heard are left out. */
struct cluster_view *control_view_new(
    const struct kvs *kvs, struct tally *tally, const struct node_id *self, uint64_t now_mono_ms);

#endif
