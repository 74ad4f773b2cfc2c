/* What a rollout is planned from: the answers of one node's admin listener, as the planner wants them. Pure.
 *
 * What is held by a node that does not tell what is watched there counts as watched, and so does everything
 * where the asked node knows nothing of that: a plan is never less careful for it.
 */
#ifndef CTL_ROLLOUT_KNOWN_H
#define CTL_ROLLOUT_KNOWN_H

#include "ctl/rollout.h"

#include <jansson.h>

/* Contents with the same holders. */
struct known_set {
	size_t from; /* in `holders` */
	uint32_t n;
	size_t contents;
};

struct known_id {
	const char *id;
	uint32_t node;
};

struct rollout_known {
	json_t *answer;      /* of /v1/nodes */
	const json_t **said; /* of each node; borrowed from the answer */
	struct rollout_node *nodes;
	struct known_id *ids; /* in order */
	size_t nodes_n;
	uint32_t *holders;
	size_t holders_n, holders_cap;
	struct known_set *sets;
	size_t sets_n, sets_cap;
	struct rollout_content *contents; /* one a set, after known_settle */
	bool holders_known, watched_known;
	uint64_t *watched; /* contents that have viewers, in order */
	size_t watched_n;
	bool *untold;              /* of each node: what it holds may be watched; NULL: nobody tells */
	uint64_t sessions, places; /* of the delivery nodes that are there */
};

struct known_wish {
	const char *to; /* the version whose nodes are done; NULL: none is */
	bool back;      /* nodes that are away count as back: to see what remains while a batch is away */
};

/* Takes over an answer of /v1/nodes; false: it is no such. known_free ends both. Who was expelled is left
 * out. */
MUST_USE bool known_take_nodes(struct rollout_known *k, json_t *answer, const struct known_wish *w);
/* How many holders a content has at most that a batch could take all away. */
size_t known_most(const struct rollout_known *k, unsigned batch_permille);
/* An answer of /v1/watched, before those of /v1/holders; false: it is no such, and all counts as watched. */
MUST_USE bool known_take_watched(struct rollout_known *k, const json_t *answer);
/* Whether a content, as /v1/holders calls it (NULL: not at all), that these hold has viewers as far as is
 * known. */
bool known_is_watched(
    const struct rollout_known *k, const char *content, const uint32_t *holders, size_t holders_n);
/* An answer of /v1/holders; false: it is no such. */
MUST_USE bool known_take_holders(struct rollout_known *k, const json_t *piece);
/* All pieces are there. */
void known_settle(struct rollout_known *k);
void known_free(struct rollout_known *k);

/* For bsearch in `ids`. */
int known_by_id(const void *a, const void *b);
/* Its name; its id where that is not known. */
const char *known_name(const struct rollout_known *k, uint32_t node);
extern const char *const known_roles[ROLLOUT_ROLES];

#endif
