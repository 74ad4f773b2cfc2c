/* Objects out of other nodes (D7): at most two holders of the content are asked, one after the other, to
 * answer from their cache only; then the first of the content's order of nodes, or the second, to fill it on
 * this node's behalf.
 *
 *     GET {http_url}/peer/{token}/{object}?purged={ids}             Cache-Control: only-if-cached
 *     GET {http_url}/peer/{token}/{object}?fill=1&purged={ids}
 *
 * Of an object that may be cut (slices.h) the request names a slice, by Range; the answer is 206 with it, 200
 * with all of an object that is no longer than one, or 416 when it has no such slice.
 *
 * The token (TOKEN_PEER) is signed by the keys that every node has, names origin store, content and the node
 * that is asked, and is good for a minute. A miss is 504. What does not answer within a second, or answers
 * anything else that is no object, is left alone for some seconds; so are, of an object that broke off on its
 * way out of a cache, all caches: the next try goes further down. A node that is too old to know /peer/
 * answers 404, and is left alone as well; one that is too old to fill answers from its cache.
 *
 * Who fills answers within a second whatever the origin store does: with the object as it grows; with 404 and
 * `Warmcast-Missing-Ms`, where the origin store has none, and `Warmcast-Grows` when it may have it soon; with
 * 504 and `Warmcast-Filling` while the store takes its time, and is asked again at once; with 502 when its
 * own way to the store failed.
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
	bool fill;  /* they are asked to fill it */
	bool ahead; /* "&ahead=1": nobody has asked for it yet (fill_waiter) */
};

/* False: nobody is to be asked. */
MUST_USE bool peers_look(struct peers *p, struct bytes origin, struct bytes content, struct bytes object,
    uint64_t object_hash, struct peer_round *out);

struct peer_answer {
	struct origin_info info;
	struct origin_part part;
	uint64_t answered_wall_ms; /* by this clock, when the origin store said so; never later (D2) */
	/* Of ERR_NOT_FOUND by who was asked to fill. */
	uint64_t missing_ms; /* for so long it need not be asked for again */
	bool grows;          /* its content grows: it may be there soon */
};
/* Asks them in turn until one has it; then *handle is for peers_source(). ERR_NOT_FOUND: none of them has;
 * ERR_CLOSED: peers_stop. */
MUST_USE enum err peers_open(
    struct peers *p, struct peer_round *r, void **handle, struct peer_answer *answer);
/* What the last one gave could not be used, for that reason: it, and this object of peers, rest. */
void peers_broke(struct peers *p, const struct peer_round *r, enum err e);

/* -- the second level (curl_fillers.c) -- */

/* False: nobody is to be asked; this node itself is the first, say. self_serves: whether a disk of this
 * node's cache is in service. */
MUST_USE bool peers_look_fillers(struct peers *p, struct bytes origin, struct bytes content,
    struct bytes object, uint64_t object_hash, bool self_serves, struct peer_round *out);
/* Asks them in turn until one gives it. ERR_NOT_FOUND: the origin store has no such object, `answer` says
 * more; ERR_REFUSED: none of them gives it; ERR_CLOSED: peers_stop, or `over` said that nobody wants it any
 * more.
 */
MUST_USE enum err peers_open_filler(struct peers *p, struct peer_round *r, bool (*over)(void *arg), void *arg,
    void **handle, struct peer_answer *answer);

struct peers_counters {
	uint64_t misses, failures;
	uint64_t hedged;        /* slow holders given up for the next one (hedge.h) */
	uint64_t fills_asked;   /* requests to fill */
	uint64_t fills_awaited; /* of these that were told to ask again */
};
void peers_count(const struct peers *p, struct peers_counters *out);

#endif
