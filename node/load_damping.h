/* When a node tells its load (R6: latest only, so that what is left out costs nothing but freshness).
 *
 * Told to everybody once a second it would cost n messages a second and node. So a change of a twentieth of
 * what the node can take goes out with the next second, and anything less only so often that the loads of
 * all nodes together cost a node about LOAD_SHARE_BYTES a second.
 *
 * Pure.
 */
#ifndef NODE_LOAD_DAMPING_H
#define NODE_LOAD_DAMPING_H

#include "rpc/entries.h"

enum {
	LOAD_SHARE_BYTES = 1000,
	LOAD_UPDATE_BYTES = 70,     /* of one load on the wire, once received and once announced */
	LOAD_CHANGE_PER_MILLE = 50, /* of the capacity */
	LOAD_AGE_MAX_MS = 60 * 1000,
};

struct load_damping {
	uint32_t capacity_sessions, capacity_mbps; /* 0: unknown, any change counts */
	bool told;
	struct rpc_load last;
	uint64_t last_ms;
};

/* Whether to tell it now; then it is the last one told. `nodes`: in the cluster. */
bool load_damping_tells(struct load_damping *d, const struct rpc_load *load, size_t nodes, uint64_t now_ms);

#endif
