/* Which neighbours are pushed what changes, and which are only told of it: one broadcast tree for each
 * bucket of owners.
 *
 * Source: Plumtree (Leitao, Pereira, Rodrigues: "Epidemic Broadcast Trees", 2007), with three changes. A
 * bucket of owners has its own tree, since one tree is poor for many senders. Two duplicates in a row
 * prune, one may be chance. A pull is not a graft: only the second change in a row that had to be pulled
 * makes one.
 *
 * In a full mesh owners push to everybody, and others relay only what somebody grafted, since a link of his
 * is missing.
 */
#ifndef KVS_TREE_H
#define KVS_TREE_H

#include "kvs/state.h"

/* The buckets that a new neighbour is pushed. */
uint64_t tree_first(const struct kvs *k);
unsigned tree_bucket(const struct node_id *owner);
/* Whether the row's changes are pushed on that link. */
bool tree_pushes(const struct kvs *k, const struct kvs_link *link, const struct replica *r);

/* A frame that was pushed here brought something, or nothing, new. */
void tree_on_news(struct kvs *k, struct kvs_link *link, const struct node_id *owner);
void tree_on_duplicate(struct kvs *k, struct kvs_link *link, const struct node_id *owner);
/* What ought to have been pushed is pulled from that link. */
void tree_on_miss(struct kvs *k, struct kvs_link *link, const struct node_id *owner);
/* The peer prunes and grafts. */
void tree_on_message(struct kvs_link *link, uint64_t prune, uint64_t graft);

#endif
