/* The digest exchange: what brings every row everywhere in the end (R3).
 *
 * A node asks a peer with a digest of where its rows stand, a page at a time. The peer sends frames
 * for what is lacking there, control rows first, as far as one exchange's budget goes (R7), and ends
 * with an answering digest: what it lacks itself, which the asker then sends, and in `first` where to
 * ask on when the budget ended before the page did (empty: all was served). The asker asks on at once
 * while that makes progress. A node asks one peer at a time; who was asked by somebody with far more rows
 * than its own leaves it, and asks back instead.
 *
 * An answering digest with `last` set is no answer to a question: it tells where one row stands here
 * (refused frames, a row to be fetched anew), and is served like any other, if there is something.
 */
#ifndef KVS_SYNC_H
#define KVS_SYNC_H

#include "kvs/state.h"

/* The link is up: compare, if it is this node's turn to. */
void sync_on_link(struct kvs *k, struct kvs_link *link);
/* Compares all rows with that peer's, after the comparison that is under way. */
void sync_soon(struct kvs *k, struct kvs_link *link);
/* The comparison with that peer is over; `whole`: it came to its end. */
void sync_ended(struct kvs *k, struct kvs_link *link, bool whole);
/* The peer did not answer in time, or it is time to ask it for more. */
void sync_on_ask_timer(struct kvs *k, struct kvs_link *link);
/* The next that is due, if none is being asked. */
void sync_next(struct kvs *k);
/* This node has compared with enough peers to know what they know. */
bool sync_is_caught_up(const struct kvs *k);
/* Asks one random peer, and plans the next time. */
void sync_on_timer(struct kvs *k);
/* Asks about the rows from `first` to the link's ask_end. */
void sync_ask_range(struct kvs *k, struct kvs_link *link, const struct row_id *first);
void sync_on_digest(struct kvs *k, struct kvs_link *link, const struct rpc_digest *d);
/* Tells a peer where this row stands here. */
void sync_tell(struct kvs *k, struct kvs_link *link, const struct replica *r);

#endif
