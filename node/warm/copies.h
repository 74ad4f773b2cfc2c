/* The copies that a drain makes before its viewers go (V5): of each content that is watched here and that
 * nobody else holds, in which state its copy is. Pure: who looks at replicas and orders copies is
 * node/ev_copying.
 *
 * A content that was watched while the node drained stays in it until somebody else holds it: its viewers may
 * be somewhere by then where it is not yet. Bounded: COPIES_MAX contents, those with the most viewers; what
 * is left out counts as failed. Of each, COPIES_TRIES_MAX nodes are tried.
 *
 * Threading: one caller at a time.
 */
#ifndef NODE_WARM_COPIES_H
#define NODE_WARM_COPIES_H

#include "base/node_id.h"
#include "node/delivery/audience.h"
#include "rpc/entries.h"

enum {
	COPIES_MAX = 4096,
	COPIES_AT_ONCE = 8, /* ordered and not over */
	COPIES_TRIES_MAX = 3,
	COPIES_NO_NODE_MS = 10 * 1000,      /* no node has room for so long: it is given up */
	COPIES_STILL_MS = 60 * 1000,        /* a node that fetches nothing for so long is given up */
	COPIES_GIVE_UP_MS = 15 * 60 * 1000, /* and then all that is left: viewers are led away without */
};

enum copy_state {
	COPY_NEW,     /* whether another node holds it is not known yet */
	COPY_NEEDED,  /* none does */
	COPY_ORDERED, /* a node is fetching it */
	COPY_HELD,    /* another node holds it */
	COPY_FAILED,
};

struct copy {
	struct bytes origin, content;
	uint32_t viewers;
	enum copy_state state;
	unsigned tries;
	uint64_t since_ms; /* in that state; of an order: when it last moved on */
	uint64_t progress; /* of an order: rises as it moves on */
	struct node_id node;
	struct rpc_warm_id order;
	char why[RPC_TEXT_MAX + 1]; /* it failed */
};

struct copies;

struct copies *copies_new(uint64_t now_ms);
void copies_free(struct copies *c); /* NULL is fine */

/* What is watched now; sorts it. */
void copies_watch(struct copies *c, struct watched *w, size_t n, uint64_t now_ms);

/* Those that may be looked at, in a stable order. */
size_t copies_n(const struct copies *c);
struct copy *copies_at(struct copies *c, size_t i);

void copy_ordered(struct copy *c, const struct node_id *node, const struct rpc_warm_id *id, uint64_t now_ms);
/* The order's node has told how far it is. */
void copy_moves(struct copy *c, uint64_t progress, uint64_t now_ms);
/* That node will not do it: another one, or none any more. */
void copy_refused(struct copy *c, const char *why, uint64_t now_ms);
/* No node has room for one more copy; those that are needed are given up when that stays so. */
void copies_without_node(struct copies *c, uint64_t now_ms);
/* One has. */
void copies_with_node(struct copies *c);
/* The order has stood still for too long. */
bool copy_is_stuck(const struct copy *c, uint64_t now_ms);
void copy_settle(struct copy *c, enum copy_state state, const char *why, uint64_t now_ms);
/* Whether the time for all of them is over; what is left has failed then. */
bool copies_give_up(struct copies *c, uint64_t now_ms);

struct copies_count {
	uint32_t left; /* new, needed and ordered */
	uint32_t ordered, held, failed;
};
struct copies_count copies_count(const struct copies *c);

/* Whether what another node says that it holds will do in place of one's own (A1's measure). */
bool copy_is_enough(const struct rpc_location *own, const struct rpc_location *other);

#endif
