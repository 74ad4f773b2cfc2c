/* Who is down, as a pure function of the claims that stand: the same for all who know the same (I7).
 *
 * Every node is watched by its neighbours in the overlay over all members not expelled (kvs/ring.h, nobody
 * skipped), and watches them. A watcher that does not hear a node says so by a claim on that node's present
 * life; it withdraws it when it hears the node again, and claims on a former life do not stand. Down is the
 * least set, grown from the empty one, that has every node X for which
 *
 *     c >= 2 and c >= min(3, ceil(l / 2)),  or  c >= 1 and X has no witness
 *
 *   c  the claims on X that stand, whether who made them is down or not
 *   l  X's watchers that are not down: a dead watcher lowers the threshold, it never accuses
 *   witness   a watcher of X that is not down, does not claim X, and is beyond suspicion: all claims on it
 *             that stand are X's own, or are answered by its own claim on who made it, be it on a former
 * life: the answer to a new one is on its way, or goes when the node is heard
 *
 * Suspicion tells "my only other watchers died with me" from "one link is cut": a claim that is answered says
 * that two nodes do not hear each other, and both live. Without witnesses a survivor of a mesh in which more
 * than half died at once would wait for claims that nobody is left to make; without the second claim one cut
 * link would take both its ends down wherever only two watchers live.
 *
 * What follows, for a mesh of 2 to 6 nodes with any of them dead and up to two links cut, by the claims of
 * those who reach each other (held by an exhaustive test):
 *
 * - every dead node is down, and so is every living one that none of them reaches;
 * - no living node is down that has at most one cut link to a living one. With two it may be.
 *
 * Not told apart: a sole survivor, and a node that hears nobody while all others hear it. The latter makes a
 * small mesh down until it is answered, or until the others raise their lives: a node that is down in its own
 * view has to.
 *
 * Not found: the dead whose watchers are all dead, or whose disks are full: what those claim may not be told
 * (R5), and they seem to be witnesses. The dead remain witnesses, for others with a single claim.
 *
 * Monotone in the set itself (more that are down never save one), hence one least set, found in any order.
 * Not in the claims: an answer can clear a witness. Pure: no allocation, no threads.
 */
#ifndef KVS_VERDICT_H
#define KVS_VERDICT_H

#include "kvs/ring.h"

struct verdict_node {
	uint32_t watchers[RING_NEIGHBOURS_MAX]; /* indices of nodes; the relation is symmetric */
	uint16_t claims;                        /* bit i: watchers[i] claims this node */
	uint16_t former;                        /* the same for its former life: no claim, but it answers one */
	uint8_t watchers_n;
	bool down; /* out; false for a node that nobody claims */

	/* verdict_all's own */
	bool waiting;
	uint8_t unanswered;
	uint32_t next;
};

/* Computes `down` of the listed nodes from scratch. Every node with a claim must be listed. One without
 * becomes not down, and need not be listed when it says so already: list what has a claim now or had one
 * before. CHECKs what it is given: indices below n, no claim without a watcher. O(listed x watchers^3) at
 * worst, whatever n is. */
void verdict_all(struct verdict_node *nodes, size_t n, const uint32_t *listed, size_t listed_n);

#endif
