/* Objects out of other nodes' caches (D7, its first level): at most two holders of the content are asked, one
 * after the other, to answer from their cache only.
 *
 *     GET {http_url}/peer/{token}/{object}?purged={ids}      Cache-Control: only-if-cached
 *
 * Of an object that may be cut (slices.h) the request names a slice, by Range; the answer is 206 with it, or
 * 200 with all of an object that is no longer than one. The token (TOKEN_PEER) is signed by the keys that
 * every node has, names origin store, content and the node that is asked, and is good for a minute. A miss is
 * 504. What does not answer within a second, or answers anything else that is no object, is left alone for
 * some seconds; so is, of an object that broke off on its way here, everybody: the next try goes to the
 * origin store. A node that is too old to know /peer/ answers 404, and is left alone as well.
 *
 * Threading: any thread; a round by one at a time. A lookup of the replica and the view is under one lock.
 */
#ifndef NODE_ORIGIN_CURL_PEERS_H
#define NODE_ORIGIN_CURL_PEERS_H

#include "kvs/lmdb_store.h"
#include "node/origin/ev_purged.h"
#include "node/origin/peer_choice.h"
#include "node/origin/source.h"
#include "node/token.h"

struct peers;

struct peers_config {
	struct kvs_store *store;
	struct view_publisher *views;
	size_t view_reader; /* this room's own */
	const struct token_keys *keys;
	const struct node_id *self;
	const char *cluster; /* [A-Za-z0-9._-] */
	struct purged *purged;
	uint64_t (*now_wall_ms)(void);
};

/* What kvs_reader_open says. */
MUST_USE enum err peers_new(const struct peers_config *c, struct peers **out);
/* No object may be open. Before the replica's store is closed. NULL is fine. */
void peers_free(struct peers *p);
/* What waits for a peer comes back with ERR_CLOSED, from now on. */
void peers_stop(struct peers *p);
/* Reads, checks and closes what peers_open has opened; `stat`, `open`, `stop` and `free` are NULL. */
struct origin_source *peers_source(struct peers *p);

/* Whom one fill may ask. Slices are the caller's. */
struct peer_round {
	struct bytes origin, content, object;
	uint64_t object_hash;
	uint32_t slice; /* the caller's to set; 0: all of the object */
	struct peer_pick picks[PEERS_ASKED_MAX];
	size_t picks_n, at; /* `at` is the next */
	struct rpc_command_id purged[PURGED_NAMED_MAX];
	size_t purged_n;
};

/* False: nobody is to be asked. */
MUST_USE bool peers_look(struct peers *p, struct bytes origin, struct bytes content, struct bytes object,
    uint64_t object_hash, struct peer_round *out);

struct peer_answer {
	struct origin_info info;
	struct origin_part part;
	uint64_t answered_wall_ms; /* by this clock, when the origin store said so; never later (D2) */
};
/* Asks them in turn until one has it; then *handle is for peers_source(). ERR_NOT_FOUND: none of them has;
 * ERR_CLOSED: peers_stop. */
MUST_USE enum err peers_open(
    struct peers *p, struct peer_round *r, void **handle, struct peer_answer *answer);
/* What the last one gave could not be used, for that reason: it, and this object of peers, rest. */
void peers_broke(struct peers *p, const struct peer_round *r, enum err e);

struct peers_counters {
	uint64_t misses, failures;
};
void peers_count(const struct peers *p, struct peers_counters *out);

#endif
