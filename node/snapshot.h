/* The view of the cluster that http workers decide by: made by control, read without a lock.
 *
 * A view is immutable and replaced as a whole. Readers announce what they read in a hazard pointer, one
 * a reader (Michael, "Hazard pointers", IEEE TPDS 2004), and the publisher frees a replaced view when
 * no reader announces it.
 *
 * Threading: one thread publishes; each reader index belongs to one thread. Pure but for C11 atomics.
 */
#ifndef NODE_SNAPSHOT_H
#define NODE_SNAPSHOT_H

#include "kvs/kvs.h"
#include "rpc/entries.h"

#include <stdatomic.h>

struct view_node {
	struct node_id id;
	char name[RPC_NAME_MAX + 1], zone[RPC_NAME_MAX + 1];
	uint32_t roles;                      /* RPC_ROLE_* bits */
	enum node_state state;               /* what it says of itself */
	uint8_t liveness;                    /* enum kvs_liveness: whether it is reached (R8) */
	uint64_t since_ms;                   /* monotonic, since when */
	uint64_t incarnation;                /* its count */
	uint32_t capacity, load;             /* sessions; load also as its Mbit/s amount to */
	uint64_t load_seen_ms;               /* monotonic, when that load came in here */
	uint32_t miss_permille, evict_age_s; /* as in struct rpc_load */
	uint32_t copies_left;                /* the same */
	uint32_t busy_permille; /* of its bound in sessions or in Mbit/s, whichever is nearer; 0: unknown */
	bool has_load;
	char http_url[RPC_ADDRESS_MAX + 1]; /* the first it advertises */
	char api_url[RPC_ADDRESS_MAX + 1];  /* of an api node: its public name, or that of all */
	uint32_t slot;                      /* of node/tally.h */
	bool self;
	uint16_t name_n, zone_n, http_url_n; /* lengths, set by view_publish */
};

struct cluster_view {
	uint64_t made_mono_ms;
	uint32_t other_apis; /* api nodes that are ready and reached, but for this one; set by view_publish */
	size_t nodes_n;
	struct cluster_view *next_retired; /* the publisher's */
	struct view_node nodes[];          /* sorted by id */
};

enum { VIEW_READERS_MAX = 512 };

struct view_reader {
	_Alignas(64) _Atomic(const struct cluster_view *) hazard; /* a cache line each */
};

struct view_publisher {
	_Atomic(struct cluster_view *) current;
	struct cluster_view *retired;
	struct view_reader *readers;
	size_t readers_n;
};

/* Zeroed, on the heap, owned by the caller until it is published; aborts when out of memory. */
struct cluster_view *cluster_view_new(size_t nodes_n);
void cluster_view_free(struct cluster_view *v);
/* The node of that id, or NULL. */
const struct view_node *cluster_view_find(const struct cluster_view *v, const struct node_id *id);

/* Starts with an empty view, so that readers never meet NULL. readers_n <= VIEW_READERS_MAX. */
void view_publisher_init(struct view_publisher *p, size_t readers_n);
/* When no reader is left. */
void view_publisher_fini(struct view_publisher *p);
/* Takes `v`, sorted by id, and completes it. */
void view_publish(struct view_publisher *p, struct cluster_view *v);
/* The newest view; valid until this reader's release. A reader holds one view at a time. */
const struct cluster_view *view_acquire(struct view_publisher *p, size_t reader);
void view_release(struct view_publisher *p, size_t reader);

#endif
