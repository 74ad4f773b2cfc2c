/* Which holders of a content are asked for an object of it (D7, its first level). Pure.
 *
 * Those that are alive, not suspected and not this node; also one that drains, for it still has what it
 * holds. The least loaded for its capacity first (A1); one that has not told its load comes behind those that
 * have; equal ones in an order of the object's, so that a crowd's objects are spread over them.
 */
#ifndef NODE_ORIGIN_PEER_CHOICE_H
#define NODE_ORIGIN_PEER_CHOICE_H

#include "node/origin/rests.h"
#include "node/snapshot.h"

#include <stddef.h>

enum { PEERS_ASKED_MAX = 2 };

struct peer_pick {
	struct node_id id;
	char url[RPC_ADDRESS_MAX + 1]; /* without a slash at its end */
};

/* The key of a node in `resting`. */
uint64_t peer_rest_key(const struct node_id *id);
void peer_pick_of(const struct view_node *n, struct peer_pick *out);
/* Returns how many of `out` it filled. `object_hash`: any even hash of the object. */
size_t peer_choose(const struct cluster_view *view, const struct node_id *holders, size_t holders_n,
    const struct rests *resting, uint64_t now_ms, uint64_t object_hash,
    struct peer_pick out[PEERS_ASKED_MAX]);

#endif
