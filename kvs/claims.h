/* The claims that members make in their control rows, and what follows from them: who is down (R8).
 *
 * The verdict (verdict.h) is computed from replicated state alone, so that it is the same wherever the same
 * is known (I7): the claims as the rows have them, the lives as the registers have them, the watchers as the
 * ring has them. A claim stands when it is made by a watcher of the member and names its present life or a
 * later one, of which this node may not have heard yet.
 */
#ifndef KVS_CLAIMS_H
#define KVS_CLAIMS_H

#include "kvs/state.h"

/* The member's control row is this one now. */
void claims_read(struct kvs *k, struct member *m, const struct row *control);
/* A member, a life or the ring changed: claims may stand or fall by it. */
void claims_changed(struct kvs *k);
/* At the end of a step: the verdict, if anything changed, and each member's liveness by it. */
void claims_judge(struct kvs *k);
/* Whose claims on that member stand; returns how many. */
size_t claims_on(const struct kvs *k, const struct member *m, struct node_id out[KVS_CLAIMERS_MAX]);
void claims_free(struct member *m);

#endif
