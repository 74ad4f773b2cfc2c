/* What one link's peer is known to have or was told of, by row.
 *
 * Only rows that moved while the link was up stand in it. A row that does not is taken to stand at the
 * peer where it stood here before it moved; where that is wrong, the peer sees a gap and pulls, and what
 * nothing here finds, repair does (R6).
 *
 * Sooner or later a peer has been told all that is here of nearly every row. That is one bit a row, so the
 * table holds only what is on its way, and what the peer has and this node lacks.
 *
 * Pure container: a bit a row of the replica, and 24 B a row on its way. The caller says told_expect each
 * time a row has moved: what a bit says is about the row as it stands.
 */
#ifndef KVS_TOLD_H
#define KVS_TOLD_H

#include "kvs/replica.h"

struct told_row {
	uint32_t row;   /* replica->number; 0: free */
	uint32_t epoch; /* of the row's history, replica->epoch */
	uint64_t version;
};

struct told {
	struct told_row *rows; /* in a hash table */
	uint32_t cap, n;
	uint32_t level_words;
	uint64_t *level; /* a bit a row: the peer has all that is here, and the table does not say so */
};

void told_init(struct told *t);
void told_fini(struct told *t);

/* The row moved on from there, which the peer is taken to have unless more is known. */
void told_expect(struct told *t, const struct replica *r, uint32_t epoch, uint64_t version);
/* The peer has, or was sent or told of, the row's present history up to `version`. */
void told_raise(struct told *t, const struct replica *r, uint64_t version);
/* Where frames to that peer continue. False: there is nothing that it was not told. */
bool told_lacks(const struct told *t, const struct replica *r, uint64_t *from);

#endif
