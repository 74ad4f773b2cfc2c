/* Inside of the fills out of other nodes: what curl_peers.c (their caches, the first level of D7) and
 * curl_fillers.c (who fills on this node's behalf, the second) share. */
#ifndef NODE_ORIGIN_CURL_PEERS_ASK_H
#define NODE_ORIGIN_CURL_PEERS_ASK_H

#include "base/obj.h"
#include "kvs/lmdb_reader.h"
#include "node/origin/curl_fetch.h"
#include "node/origin/curl_peers.h"
#include "node/origin/hedge.h"

#include <pthread.h>
#include <stdatomic.h>

#define PEERS_MAGIC 0x70656572u

enum {
	PEERS_FIRST_BYTE_MS = 1000, /* D7 */
	PEERS_REST_MS = 5000,
	PEERS_FIELD_BYTES = 320,
};

struct peers {
	unsigned magic;
	struct peers_config c;
	struct fetch_pool *pool;      /* of caches */
	struct fetch_pool *fill_pool; /* of fills */
	struct origin_source source;
	char cdn_loop[PEERS_FIELD_BYTES];
	pthread_mutex_t lock; /* of all below */
	struct kvs_reader *reader;
	struct rests nodes, objects;
	struct hedge hedge;
	atomic_uint_fast64_t misses, failures, fills_asked, fills_awaited, hedged;
};

uint64_t peers_now_mono_ms(void);
static inline void peers_lock(struct peers *p)
{
	OBJ_CHECK(p, PEERS_MAGIC);
	CHECK(pthread_mutex_lock(&p->lock) == 0);
}
static inline void peers_unlock(struct peers *p)
{
	CHECK(pthread_mutex_unlock(&p->lock) == 0);
}

/* Asks one node, to fill it (r->fill) or for what its cache has; within_ms: for its first byte, 0 as ever.
 * ERR_INVALID and ERR_TOO_BIG: it cannot be named, and the node was not asked; or it has no such slice.
 * `head` is filled in any case: status 0 when there was no answer. */
MUST_USE enum err peers_ask(struct peers *p, const struct peer_round *r, const struct peer_pick *pick,
    uint32_t within_ms, void **handle, struct peer_answer *answer, struct store_head *head);
/* Leaves it alone for a while. */
void peers_rest_node(struct peers *p, const struct peer_pick *pick, enum err e);

#endif
