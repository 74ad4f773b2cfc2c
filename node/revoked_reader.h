/* Which sessions the replica says are revoked: entries of class "v" in rows of locations, whoever's they are.
 *
 * It remembers how far it has read each row and reads on from there. A row of another incarnation is read
 * from its beginning. What is deleted or missing later is not looked at: a revocation holds until its own
 * end, and its owner deletes it after that.
 *
 * Pure: reads the replica. Control's.
 */
#ifndef NODE_REVOKED_READER_H
#define NODE_REVOKED_READER_H

#include "kvs/kvs.h"

struct revoked_row {
	struct node_id owner;
	struct incarnation incarnation;
	uint64_t have; /* read up to there */
};

struct revoked_reader {
	struct revoked_row *rows; /* sorted by owner */
	size_t n, cap;
};

typedef void revoked_found(void *arg, const struct rpc_session_id *id, uint64_t not_after_s);

void revoked_reader_init(struct revoked_reader *r);
void revoked_reader_fini(struct revoked_reader *r);
/* All that is new since the last call; one may be told again. */
void revoked_reader_read(struct revoked_reader *r, const struct kvs *kvs, revoked_found *found, void *arg);
struct revoked_own {
	size_t n;             /* that stand in the row */
	uint64_t first_end_s; /* none of them ends before; UINT64_MAX: there is none */
	size_t ended_n;       /* ids written to `ended` */
};

/* The live revocations of one owner. Ids of those that ended before now_s go to `ended`, at most `max`. */
void revoked_reader_own(const struct kvs *kvs, const struct node_id *owner, uint64_t now_s,
    struct rpc_session_id *ended, size_t max, struct revoked_own *out);

#endif
