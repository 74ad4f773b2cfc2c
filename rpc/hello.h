/* Who is let in, and which of two links to one peer stays (V2).
 *
 * Pure. The side that was dialled says hello first; the side that dialled answers with its own only
 * when it wants the link, so that it can give up a second link to a peer before that peer counts it.
 */
#ifndef RPC_HELLO_H
#define RPC_HELLO_H

#include "rpc/msg.h"

#define RPC_NOT_REFUSED ((enum rpc_refusal)0)

/* RPC_NOT_REFUSED and the highest version both speak, or the reason against the peer. One with our own
 * id is RPC_REFUSED_SELF; whether it is this very run, its incarnation tells. One that has no key of the
 * cluster that we have, or that has one where we have none, is RPC_REFUSED_KEY, after all other reasons. */
enum rpc_refusal hello_check(const struct rpc_hello *self, const struct rpc_hello *peer, uint32_t *version);

/* One line for the people on the other side; `peer` may be NULL. Cut at RPC_TEXT_MAX bytes. */
void hello_refusal_text(enum rpc_refusal reason, const struct rpc_hello *self, const struct rpc_hello *peer,
    char out[RPC_TEXT_MAX + 1]);

enum hello_verdict {
	HELLO_NEW_STAYS, /* the old link is closed */
	HELLO_OLD_STAYS, /* the new one is refused: RPC_REFUSED_DUPLICATE */
	HELLO_BOTH_STAY, /* an earlier run speaks yet, on a copy of the disk: the replicas tell both (R2) */
};

/* A link that this node counts already: it is up, or this node has said hello on it. */
struct hello_link {
	struct incarnation peer;
	bool dialled; /* by this node */
	/* A proof of the cluster's key is awaited on it: what its hello said may not be true. */
	bool unproven;
};

/* A hello of `peer` came on a new link, dialled by this node or by the peer, while `old` exists. A newer
 * incarnation wins, unless only an unproven link speaks of it; an older one stays beside it. Else a dialler
 * keeps what it has; a peer that dials again has lost the old link; and of two dials that crossed, that of
 * the lower id stays. */
enum hello_verdict hello_meet(
    const struct node_id *self, const struct rpc_hello *peer, bool dialled, struct hello_link old);

#endif
