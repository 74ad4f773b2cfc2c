/* Sessions whose tokens open nothing any more, each until its tokens end anyway: a hash table that grows to a
 * bound and shrinks as time goes on.
 *
 * Pure: time comes in. One caller at a time. Errors on the safe side: what is revoked stays so until its
 * time.
 */
#ifndef NODE_REVOKED_TABLE_H
#define NODE_REVOKED_TABLE_H

#include "rpc/msg.h"

struct revoked_slot {
	struct rpc_session_id id;
	uint64_t not_after_s; /* 0: free */
};

struct revoked_table {
	struct revoked_slot *slots;
	size_t slots_n; /* a power of two, at most half of them taken; 0 until the first one */
	size_t n, max;
	uint64_t first_end_s; /* none ends before */
};

/* What an id hashes to: callers with several tables pick one by its high bits. */
uint64_t revoked_table_hash(const struct rpc_session_id *id);

void revoked_table_init(struct revoked_table *t, size_t max);
void revoked_table_fini(struct revoked_table *t);

/* Until not_after_s, or the later of two. False when the table is full: then it is not in it. */
bool revoked_table_add(struct revoked_table *t, const struct rpc_session_id *id, uint64_t not_after_s);
bool revoked_table_has(const struct revoked_table *t, const struct rpc_session_id *id);
/* Forgets those that ended before now_s. */
void revoked_table_expire(struct revoked_table *t, uint64_t now_s);

#endif
