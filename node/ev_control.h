/* The control loop: the one place where the cluster's cores meet the world.
 *
 * Owns the replica (kvs), the links and the store thread; turns what one yields into input of the
 * others: commands of the core become frames, batches, dials and log lines; changes of the cache become
 * location entries; the count of sessions becomes the load entry; members become the published view.
 *
 * Threading: everything on control's libev loop, except control_tell_node (any thread).
 */
#ifndef NODE_EV_CONTROL_H
#define NODE_EV_CONTROL_H

#include "kvs/lmdb_store.h"
#include "node/config.h"
#include "node/ev_store.h"
#include "node/snapshot.h"
#include "node/tally.h"
#include "rpc/nng_link.h"

struct cache;
struct lease_purse_stats;
struct lease_purse_view;
struct lease_slots;
struct places;
struct sessions;
struct delivery;
struct control;

struct control_config {
	const struct config *config;
	struct ev_loop *loop;
	struct mailbox *mailbox; /* control's own */
	struct kvs_store *store;
	const struct kvs_store_identity *identity;
	struct view_publisher *views;
	struct tally *tally;
	struct cache *cache;       /* NULL without the delivery role */
	struct sessions *sessions; /* the same */
	struct delivery *delivery; /* the same */
	struct places *places;     /* the same */
	struct lease_slots *slots; /* NULL without the api role */
	uint64_t seed;
	const struct cluster_keys *cluster_keys; /* used until control_new returns */
	struct nng_cert *cert;                   /* the same; NULL: no TLS */
	void (*random)(void *out, size_t n);     /* unguessable; on control's thread */
	/* This node was expelled, once: it writes and hears nothing any more. Not from inside of a step. */
	void (*expelled)(void *ctx);
	/* Another process has this node's id: nothing that this one writes is told any more. Once; not from
	 * inside of a step. */
	void (*on_duplicate)(void *ctx);
	void *ctx;
};

/* Loads the replica from the store, publishes a first view, listens and dials. ERR_BUSY: the rpc port is in
 * use. */
MUST_USE enum err control_new(const struct control_config *c, struct control **out);
/* Says BYE to the peers and ends the store thread. NULL is fine. */
void control_free(struct control *c);

/* What this node says of itself (register). Ready is draining as long as an operator wants it to drain. */
void control_set_state(struct control *c, enum node_state state);
enum node_state control_state(const struct control *c);
/* Draining since an operator wants it, and not because the process ends. */
bool control_drain_ordered(const struct control *c);
/* How far the copies are that such a drain makes first; told with the load. */
void control_set_copies(struct control *c, uint32_t left, uint32_t failed);
/* Everything that was said is on disk, and so may be told to peers. */
bool control_flushed(struct control *c);
/* The store cannot write: no new version leaves this node. */
bool control_mute(const struct control *c);
/* To give them new keys. */
struct nng_links *control_links(struct control *c);
const struct kvs *control_kvs(const struct control *c);

struct control_counters {
	struct kvs_counters kvs;
	struct store_counters store;
	struct nng_links_counters links;
	uint64_t news_dropped; /* heartbeats and ends that found the batch full */
};
void control_count(const struct control *c, struct control_counters *out);

/* Who is told of probe entries (node/admin/probe.h). Called on control's loop, from inside of a step: neither
 * may put anything. */
struct control_watcher {
	void (*applied)(void *ctx, const struct kvs_watched *w); /* one that a peer's frame brought */
	void (*stored)(void *ctx);                               /* own rows may stand further than before */
	void *ctx;
};
/* One at a time; NULL: none any more. */
void control_watch(struct control *c, const struct control_watcher *w);
/* An own write into stream locations. Not from inside of a step. */
void control_put(struct control *c, struct bytes key, struct bytes value);
void control_delete(struct control *c, struct bytes key);

/* -- operators' orders (R1) -- */
/* As kvs_command_check; *id names it from now on. What it says of its time and of this node is filled in. Not
 * from inside of a step. */
MUST_USE enum err control_order(struct control *c, const struct rpc_command *what, struct rpc_command_id *id);
/* Which purges this node's cache has applied lately, for all to see. Not from inside of a step. */
void control_tell_applied(struct control *c, const struct rpc_applied *applied);
enum { CONTROL_LISTENERS_MAX = 3 };
/* Called on control's loop, from inside of a step, when commands came to stand in some row: it may order
 * nothing. CONTROL_LISTENERS_MAX at most; changed NULL: not any more, for that ctx. */
void control_on_commands(struct control *c, void (*changed)(void *ctx), void *ctx);

/* For a session's node: a heartbeat, or an end (any thread). Sent in one batch a second; false when it is
 * full. */
bool control_tell_node(
    void *control, const struct node_id *node, const struct rpc_session_id *id, bool ended);

/* A worker found no place in a slot, and was told to wake control (any thread). */
void control_places_dry(void *control);
/* Zeros without the api role. */
void control_lease_stats(const struct control *c, struct lease_purse_stats *s);
/* What this api node was lent by the node of that slot (A5); false: nothing is known of it. */
bool control_lease_look(const struct control *c, uint32_t slot, struct lease_purse_view *v);

/* -- what is watched where (node/admin/ev_watched.h) -- */
/* Who hears what a node answers; hear NULL: nobody. On control's loop. */
void control_on_watched(struct control *c,
    void (*hear)(void *ctx, const struct node_id *from, const struct rpc_watched_told *told), void *ctx);
/* Asks a delivery node which contents have viewers there; question and answer may be lost. Errors as
 * control_warm_able. This node itself is heard before it returns. */
enum err control_ask_watched(struct control *c, const struct node_id *node, uint64_t request);

/* -- warm orders (node/warm, node/admin/ev_warm_orders.h) -- */
/* Who hears RPC_WARM, and who RPC_WARM_TOLD: one each, NULL for nobody. On control's loop, never from inside
 * of a step. */
void control_on_warm(struct control *c, enum rpc_kind kind,
    void (*hear)(void *ctx, const struct node_id *from, const struct rpc_msg *m), void *ctx);
/* Whether that can be said to the node: ERR_NOT_FOUND: there is no link to it; ERR_VERSION: it does not know
 * such messages. */
enum err control_warm_able(const struct control *c, const struct node_id *node);
/* The same, and it is said; it may be lost on its way all the same. To this node itself it is passed at once.
 */
enum err control_say_warm(struct control *c, const struct node_id *to, struct rpc_msg *m);

#endif
