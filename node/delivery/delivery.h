/* The delivery role's HTTP: GET|HEAD /p/{token}/{content}/{path} (rules D1-D5), and what other nodes ask of
 * this one's cache, GET /peer/{token}/{content}/{path} (rule D7).
 *
 * Threading: one `struct delivery` shared by all workers; sessions are counted in a table of its own
 * with sharded locks.
 */
#ifndef NODE_DELIVERY_DELIVERY_H
#define NODE_DELIVERY_DELIVERY_H

#include "base/node_id.h"
#include "node/config.h"
#include "node/delivery/cmcd.h"
#include "node/delivery/sessions.h"
#include "node/http/http.h"

struct cache;
struct fills;
struct purged;
struct revoked;
struct token_keys;
struct token;

struct delivery;

struct delivery_session {
	struct bytes origin, content; /* the origin store's name */
	struct rpc_session_id id;
};

/* Names and URLs, in the exchange's arena. */
struct delivery_pathways {
	struct bytes own, own_url;
	struct bytes other, other_url; /* n = 0: there is no other node */
	struct bytes api_url;          /* of whom to ask again */
};

struct delivery_config {
	const struct config *config;
	struct cache *cache;
	struct fills *fills;
	const struct token_keys *keys;
	struct purged *purged;   /* NULL: a peer that names any purge is told nothing */
	struct revoked *revoked; /* NULL: no session can be */
	struct sessions *sessions;
	const struct node_id *self;
	/* The URL of the node where a viewer without a place here may find one, in the exchange's arena; empty:
	 * nowhere. On the exchange's worker. */
	struct bytes (*elsewhere)(void *ctx, struct http_exchange *x, const struct token *t);
	/* A session moved here: its former node hears it, and gives its place to others. False: too many wait,
	 * and idleness ends it there. Any thread. */
	bool (*moved)(void *ctx, const struct node_id *former, const struct rpc_session_id *id);
	/* Where a session that plays here may go besides. False: nothing is known, and no playlist is rendered.
	 * On the exchange's worker; NULL: never. */
	bool (*pathways)(
	    void *ctx, struct http_exchange *x, const struct delivery_session *s, struct delivery_pathways *out);
	void *ctx;
	uint64_t (*now_wall_ms)(void);
	uint64_t (*now_mono_ms)(void);
};

struct delivery *delivery_new(const struct delivery_config *c);
/* After the servers that it answers for and the fills have ended, and before the cache does. */
void delivery_free(struct delivery *d);
/* Answers a request whose path starts with "/p/". */
void delivery_handle(struct delivery *d, struct http_exchange *x);
/* Answers a request whose path starts with "/peer/": a fresh whole unit of the cache, with `Age` and, to the
 * millisecond, `Warmcast-Age-Ms` of the origin store's answer; 504 when there is none, when the purges it
 * names ("?purged=ID,ID") are not all applied here, or when too many ask; 403 without a token of another
 * node. With
 * "?fill=1" what is not there is filled (curl_peers.h says how that is answered). */
void delivery_handle_peer(struct delivery *d, struct http_exchange *x);

/* A segment that a viewer was answered with, and that was not there before he, or who fetches ahead, asked.
 */
struct delivery_played {
	const struct config_origin *origin;
	struct rpc_session_id session;
	struct bytes content, object;
	struct cmcd cmcd;
};

/* Who fetches ahead of viewers. Called by workers; slices are valid during the call. */
struct delivery_hooks {
	/* Whether that object was fetched ahead and this is the first time that it is asked for since. */
	bool (*was_ahead)(void *ctx, struct bytes origin, struct bytes object);
	void (*played)(void *ctx, const struct delivery_played *played);
	void *ctx;
};
/* While nobody is answered; NULL takes them back. */
void delivery_hook(struct delivery *d, const struct delivery_hooks *h);

struct delivery_counters {
	uint64_t requests, hits, misses, collapsed, bytes, hit_bytes, token_refused, not_found, failed;
	uint64_t hits_ahead; /* those of the hits that were fetched ahead: the cache's hits, and not its merit */
	uint64_t sent_elsewhere, no_place;         /* requests of sessions that found no place here (D1) */
	uint64_t shed;                             /* those of them that the egress of the node had no room for */
	uint64_t hot_objects, hot_bytes, hot_hits; /* held in workers' memory, and answered out of it */
	uint64_t rendered;                         /* playlists with pathways (D8) */
	uint64_t looks_aside;                      /* units whose file had to be found on its disk first */
	uint64_t peer_served, peer_bytes, peer_misses, peer_refused; /* what other nodes asked for */
	uint64_t peer_fills, peer_fills_pending; /* what they asked to be filled; answers that it is under way */
	uint64_t peer_errors;                /* answers to other nodes with 5xx, upon which they look elsewhere */
	uint64_t loops;                      /* requests that this cluster had sent out (RFC 8586) */
	uint64_t cmcd_requests, cmcd_stalls; /* GETs whose player said anything of itself; that it had stalled */
};
void delivery_count(const struct delivery *d, struct delivery_counters *out);

#endif
