/* Which nodes may be upgraded at once (rule V5): batches of nodes, taken away one batch after the other, so
 * that
 *
 *   - no role loses more than the stated share of its nodes (those that are away already count), nor its
 * last;
 *   - a batch lies in one zone, so that the failure of another zone meets whole ones;
 *   - what viewers watch keeps a holder outside the batch, unless only one node holds it: such copies are
 *     made when that node drains;
 *   - the delivery nodes outside the batch have the places that are asked for.
 *
 * The rules are checked node by node while batches are filled, first fit, those nodes first whose contents
 * have the fewest other holders; a node that fits no batch of its zone begins one. So a plan is right by its
 * making, and if there is any plan that takes the nodes one at a time, one is found.
 *
 * Pure. Cost: nodes x batches of a zone x what a node holds.
 */
#ifndef CTL_ROLLOUT_H
#define CTL_ROLLOUT_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ROLLOUT_ROLES = 3 };
#define ROLLOUT_NO_BATCH UINT32_MAX

struct rollout_node {
	bool roles[ROLLOUT_ROLES]; /* api, delivery, ingest */
	bool away;                 /* down, left, draining or joining: in no batch, and of no help */
	bool done;                 /* in no batch, and there */
	uint32_t zone;
	uint64_t places; /* of a delivery node: the sessions that it may carry */
};

/* What is watched, and who holds it. */
struct rollout_content {
	const uint32_t *holders; /* indices of nodes, each once */
	size_t holders_n;
};

struct rollout_wish {
	const struct rollout_node *nodes;
	size_t nodes_n;
	const struct rollout_content *contents;
	size_t contents_n;
	unsigned batch_permille; /* 1-1000, of each role */
	uint64_t sessions;       /* that the rest of the delivery nodes must be able to carry at any time */
};

enum rollout_verdict {
	ROLLOUT_PLANNED,
	ROLLOUT_ONLY_NODE,     /* `node` is the only one of `role` */
	ROLLOUT_MANY_AWAY,     /* of `role`, `away` of `all` are away already: as much as a batch may take */
	ROLLOUT_NO_ROOM,       /* without `node` the rest has `places` */
	ROLLOUT_NOTHING_TO_DO, /* no node is there that is not done */
};

struct rollout_plan {
	enum rollout_verdict verdict;
	uint32_t *batch_of; /* of each node; ROLLOUT_NO_BATCH: away or done. NULL unless planned */
	uint32_t batches_n; /* those of a zone follow one another */
	uint32_t node;
	unsigned role;
	size_t away, all;
	uint64_t places;
};

/* Fills *out; rollout_free frees what is in it. */
void rollout_plan(const struct rollout_wish *w, struct rollout_plan *out);
void rollout_free(struct rollout_plan *p);

/* How many nodes of a role may be away at once: the share, rounded down, of those that there are, one at
 * least, and never all. */
size_t rollout_quota(size_t nodes_of_role, unsigned batch_permille);

#endif
