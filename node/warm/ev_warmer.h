/* Fetches contents into this node's cache ahead of their audience: one content after the other, what its
 * playlists name, through the node's own fills (node/origin/fill.h), so that nothing is fetched twice and
 * viewers who come meanwhile join.
 *
 * Gentle: at most WARMER_AT_ONCE fills at once, and none is begun while a viewer's fill waits for a thread.
 * Bounded: WARMER_ORDERS_MAX orders, the ended ones that are still told included; of one content
 * PLAN_OBJECTS_MAX objects and half of the cache. What fails is tried PLAN_TRIES_MAX times.
 * HLS is followed to its segments; of DASH only the manifest is fetched. Keys are not stored by this node, so
 * they are not fetched.
 *
 * Threading: a thread with a loop of its own; every call from any thread but that.
 */
#ifndef NODE_WARM_EV_WARMER_H
#define NODE_WARM_EV_WARMER_H

#include "node/origin/fill.h"
#include "rpc/entries.h"

enum { WARMER_ORDERS_MAX = 64, WARMER_AT_ONCE = 4, WARMER_PLAYLIST_MAX_BYTES = 8 << 20 };

struct warmer;

struct warmer_config {
	struct fills *fills;
	struct cache *cache;
	const struct config *config;
	uint64_t (*now_wall_ms)(void);
	uint64_t (*now_mono_ms)(void);
	/* An order's state has changed; from any thread, cheap, calls nothing of the warmer. */
	void (*changed)(void *ctx);
	void *ctx;
	uint32_t retry_ms, yield_ms; /* 0 = default 1000, 50 */
};

struct warmer_status {
	struct rpc_warm_id id;
	struct node_id from; /* the api node that ordered it */
	char content[RPC_CONTENT_MAX + 1];
	char by[RPC_OPERATOR_MAX + 1]; /* of the operator; "" when nobody said it */
	enum rpc_warm_state state;
	uint32_t objects, remaining, failed; /* here; known and not here yet; given up */
	uint64_t bytes;                      /* of the objects */
	char detail[RPC_TEXT_MAX + 1];       /* for people; "" mostly */
	uint64_t number;                     /* of the order, rising, from 1 */
	uint32_t slot;                       /* below WARMER_ORDERS_MAX; no two orders that are known share one */
	uint64_t changes;                    /* rises with every change of the above */
	uint64_t elapsed_ms;                 /* of the run, so far or in all */
};

MUST_USE enum err warmer_start(const struct warmer_config *c, struct warmer **out);
/* Before the fills, and when nobody purges any more. NULL is fine. */
void warmer_stop(struct warmer *w);

/* ERR_FULL: there are too many; ERR_NOT_FOUND: no origin store of that name. The same id again is the same
 * order: OK. */
MUST_USE enum err warmer_order(struct warmer *w, const struct node_id *from, const struct rpc_warm *order);
/* The content is purged: what is ordered of it ends, before this returns. Before the fills and the cache are
 * purged. */
void warmer_purge(struct warmer *w, struct bytes content);
/* All orders that are known, the oldest first. */
size_t warmer_look(struct warmer *w, struct warmer_status out[WARMER_ORDERS_MAX]);

struct warmer_counters {
	uint64_t waiting, running; /* now */
	uint64_t done, stopped, refused;
	uint64_t objects, present, failed; /* fetched; that were there already; given up */
	uint64_t bytes;                    /* of those fetched */
};
void warmer_count(struct warmer *w, struct warmer_counters *out);

#endif
