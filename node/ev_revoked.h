/* The revoked sessions that this node knows of (revoked_table.h), as its workers ask for them: at each
 * request for media and of the session API.
 *
 * A set in memory and not a look into the replica: an entry stands under its owner, so a look would be one
 * for each api node of the cluster, while this is a hash and a lock that is hardly ever contended, and
 * nothing but one load as long as nobody is revoked.
 *
 * Threading: any thread. Bounded: REVOKED_MAX, past which revoked_add says false.
 */
#ifndef NODE_EV_REVOKED_H
#define NODE_EV_REVOKED_H

#include "rpc/msg.h"

enum { REVOKED_MAX = 2 * 1024 * 1024 };

struct revoked;

struct revoked *revoked_new(void);    /* aborts when out of memory */
void revoked_free(struct revoked *r); /* NULL is fine */

bool revoked_add(struct revoked *r, const struct rpc_session_id *id, uint64_t not_after_s);
bool revoked_has(struct revoked *r, const struct rpc_session_id *id);
/* Forgets those that ended before now_s. */
void revoked_expire(struct revoked *r, uint64_t now_s);
size_t revoked_n(const struct revoked *r);

#endif
