/* What the files of control share: private to ev_control*.c. */
#ifndef NODE_EV_CONTROL_STATE_H
#define NODE_EV_CONTROL_STATE_H

#include "assign/lease_purse.h"
#include "base/obj.h"
#include "node/ev_control.h"
#include "node/ev_session_news.h"
#include "node/fs_locations.h"
#include "node/load_damping.h"
#include "node/miss_ratio.h"

#define CONTROL_MAGIC 0x6374726cu

struct peer_link {
	link_id link;
	struct node_id node;
	struct incarnation incarnation;
	uint64_t features;
	uint32_t slot;               /* of node/tally.h */
	uint64_t book;               /* the incarnation that its lease book was begun in, as far as is known */
	char name[RPC_NAME_MAX + 1]; /* as its hello said: before its register has come */
};

struct control {
	unsigned magic;
	struct control_config c;
	struct kvs *kvs;
	struct nng_links *links;
	struct store *store;
	struct locations locations;
	struct session_news news;
	struct peer_link peers[RPC_LINKS_MAX];
	size_t peers_n;
	enum node_state wanted; /* by this process; an operator's drain stands above `ready` */
	enum node_state state;
	bool mute, stepping, closing, duplicate;
	struct arena step_arena;
	struct kvs_outputs out;
	struct control_watcher watcher; /* zeros: none */
	struct {
		void (*changed)(void *ctx);
		void *ctx;
	} listeners[CONTROL_LISTENERS_MAX];
	bool expelled; /* said, and done */
	ev_timer wake, second, news_timer;
	struct letter cache_letter;
	struct rpc_load last_load;
	struct load_damping damping;
	uint64_t last_bytes, last_requests, last_hits, last_hits_ahead;
	struct miss_ratio misses;
	struct lease_purse *purse; /* NULL without the api role */
	uint32_t own_slot;
	ev_timer lease_wake;
	struct letter dry_letter;
	struct control_warm_hearer {
		void (*hear)(void *ctx, const struct node_id *from, const struct rpc_msg *m);
		void *ctx;
	} warm[2]; /* of orders; of how far they are */
	struct {
		void (*hear)(void *ctx, const struct node_id *from, const struct rpc_watched_told *told);
		void *ctx;
	} watched;
	uint32_t copies_left, copies_failed; /* of a drain, as its node last told */
};

uint64_t control_now_ms(void);
uint64_t control_now_wall_ms(void);
/* One event into the replica, and all that it commands carried out. */
void control_step(struct control *c, const struct kvs_input *in);

/* A message that finds the window full, the link gone or no memory is lost: the next digest makes up for rows
 * (R7), media requests and idleness for what was said of sessions. One over the frame's limits is a bug. */
void control_send(struct control *c, link_id link, struct rpc_msg *m);

/* -- own entries (ev_control_own.c) -- */

void control_own_start(struct control *c);
void control_own_stop(struct control *c);
/* The load entry, now; else it is told once a second. */
void control_tell_load(struct control *c);
/* What a peer, or a worker of this node, said of sessions here. */
void control_take_session_news(struct control *c, const struct rpc_session_news *n);

/* -- leases (ev_control_leases.c) -- */

void control_leases_start(struct control *c);
void control_leases_stop(struct control *c);
/* The view is about to be published. */
void control_leases_members(struct control *c, const struct cluster_view *v);
void control_leases_link_up(struct control *c, const struct peer_link *p);
void control_leases_link_down(struct control *c, const struct peer_link *p);
/* False: the message is none of theirs. */
bool control_leases_hear(struct control *c, link_id link, const struct rpc_msg *m);

/* Its link, or NULL. */
const struct peer_link *control_peer(const struct control *c, const struct node_id *node);

/* -- what is watched where (ev_control_watched.c) -- */

/* False: the message is none of theirs. */
bool control_watched_hear(struct control *c, link_id link, const struct rpc_msg *m);

/* -- warm orders (ev_control_warm.c) -- */

/* False: the message is none of theirs. */
bool control_warm_hear(struct control *c, link_id link, const struct rpc_msg *m);

#endif
