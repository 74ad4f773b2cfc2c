/* Who is to take no viewers: of an operator's orders to drain a node and to take that back, the latest
 * counts, by the order of commands (R1). What the node makes of it is the daemon's.
 *
 * The latest order about a node is kept for ever when it says drain. What a later one stands against is
 * deleted by who wrote it, and so is an undrain after KVS_PURGE_KEPT_MS: a node that was away for longer can
 * bring back an old drain with it, which is seen, and said again.
 */
#ifndef KVS_DRAINS_H
#define KVS_DRAINS_H

#include "kvs/state.h"

void drains_fini(struct kvs *k);
/* A drain or an undrain whose time has come; one known already changes nothing. */
void drains_add(struct kvs *k, const struct rpc_command_id *id, const struct rpc_command *c);
/* Whether its writer may delete it now. */
bool drains_is_over(
    const struct kvs *k, const struct rpc_command_id *id, const struct rpc_command *c, uint64_t wall_ms);

#endif
