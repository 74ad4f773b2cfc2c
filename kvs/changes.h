/* Which rows changed, in the order of their last change, one list a stream.
 *
 * This list and a number on each link are all that spreading needs (R7): what a link still has to carry
 * are the rows behind its number. A row that changes again moves to the end, so a slow link coalesces by
 * itself and nothing is ever queued for it.
 */
#ifndef KVS_CHANGES_H
#define KVS_CHANGES_H

#include "kvs/state.h"

/* Where a row stands, to be told from where it stood. */
struct row_mark {
	struct incarnation incarnation;
	uint32_t epoch;
	uint64_t have;
};

struct row_mark changes_mark(const struct replica *r);
/* The live row may have changed since the mark: moves it to the end if so, and makes sure that each
 * neighbour's link knows what the peer was told before. */
void changes_note(struct kvs *k, struct replica *r, const struct row_mark *before);

/* The oldest row that changed after `seq`; NULL: none. Then on by replica->newer. */
struct replica *changes_after(const struct kvs *k, enum rpc_stream stream, uint64_t seq);

#endif
