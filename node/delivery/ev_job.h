/* What the files of the delivery role share: its state, and the way of one authorised request.
 *
 * Threading: struct delivery is shared by all workers; a job belongs to one.
 */
#ifndef NODE_DELIVERY_EV_JOB_H
#define NODE_DELIVERY_EV_JOB_H

#include "node/config_value.h"
#include "node/delivery/delivery.h"
#include "node/delivery/ev_orphans.h"
#include "node/delivery/request.h"
#include "node/delivery/respond.h"

#include <stdatomic.h>

struct media_job;
struct hot;
struct media_worker;
struct cache_key;
struct cache_unit;

enum { MEDIA_WORKERS_MAX = 256 };

struct delivery {
	unsigned magic;
	struct delivery_config c;
	struct orphans orphans;
	_Atomic unsigned peers_now; /* answers to other nodes that are being sent */
	_Atomic unsigned peer_fills_now;
	struct delivery_hooks hooks;
	atomic_bool hooked; /* after hooks */
	/* What each worker has for itself (ev_hot.c); made by it at its first request. */
	struct media_worker *workers[MEDIA_WORKERS_MAX];
	struct config_pace pace; /* of the configuration; both 0: none */
	_Atomic uint64_t hot_objects, hot_bytes, hot_hits, looks_aside;
	struct {
		_Atomic uint64_t requests, hits, hits_ahead, misses, collapsed, bytes, hit_bytes;
		_Atomic uint64_t rendered, token_refused, not_found, failed, sent_elsewhere, no_place, shed;
		_Atomic uint64_t peer_served, peer_bytes, peer_misses, peer_refused;
		_Atomic uint64_t peer_fills, peer_fills_pending, peer_errors, loops;
		_Atomic uint64_t cmcd_requests, cmcd_stalls;
	} n;
};

static inline void delivery_add(_Atomic uint64_t *counter, uint64_t by)
{
	atomic_fetch_add_explicit(counter, by, memory_order_relaxed);
}

/* Answers with the object that `path` names, which `t` opens: from the cache, or as it is filled. `path`
 * lives as long as the exchange; of `t` what is needed is copied. */
void media_job_start(struct delivery *d, struct http_exchange *x, const struct config_origin *origin,
    const struct token *t, const struct media_path *path);

/* -- ev_look.c: a unit whose file has to be found on its disk first, aside -- */
struct media_look;
/* found() is called on the exchange's worker, with the unit (its own to release) or NULL, unless it is
 * forgotten. NULL: that cannot be done aside. */
struct media_look *media_look_aside(struct delivery *d, struct http_exchange *x, const struct cache_key *key,
    int disk, void (*found)(void *arg, struct cache_unit *unit), void *arg);
/* The same of a unit that is known, to have its bytes in memory too. */
struct media_look *media_read_aside(struct delivery *d, struct http_exchange *x, const struct cache_key *key,
    const struct cache_unit *unit, void (*found)(void *arg, struct cache_unit *unit), void *arg);
void media_look_forget(struct media_look *l);

/* -- ev_steer.c: the playlist that a session starts with, with its pathways (D8) -- */

/* Whether that is what the session's player reads first. */
bool media_is_entry(const struct delivery *d, const struct token *t, struct bytes object);
/* Answers with `h`, such a playlist, rendered for this session; `source`: how the cache came by it. False: it
 * is left as it is, and nothing was answered. */
bool media_steer_answer(struct delivery *d, struct http_exchange *x, struct hot *h, enum media_source source,
    struct bytes content, const struct rpc_session_id *session);

/* -- ev_hot.c: what a worker keeps in memory -- */
struct media_worker *media_worker_of(struct delivery *d, const struct http_exchange *x);
void media_workers_free(struct delivery *d);
struct known_tokens *media_tokens_of(struct delivery *d, const struct http_exchange *x);
/* What is held of the object, if it is still the cache's and fresh; else NULL. */
struct hot *media_hot_find(struct delivery *d, struct http_exchange *x, const struct cache_key *key);
/* Holds a copy of that unit, when it is small and asked for often. NULL: not; *later says whether it would be
 * held if reading it now did not wait for a disk. `later` NULL: it was wanted then, and has been sent
 * meanwhile. */
struct hot *media_hot_admit(struct delivery *d, struct media_worker *w, const struct cache_key *key,
    const struct cache_unit *unit, bool *later);
/* Answers with it. */
void media_hot_answer(
    struct delivery *d, struct http_exchange *x, struct hot *h, const struct rpc_session_id *session);
/* What went out of memory to that session. */
void media_account_hit(struct delivery *d, const struct rpc_session_id *session, uint64_t sent_bytes);

/* The origin store of that name, or NULL. */
const struct config_origin *delivery_origin(const struct delivery *d, struct bytes name);
/* How often a request has been passed on by this cluster (CDN-Loop, RFC 8586). */
unsigned delivery_loops(const struct delivery *d, const struct http_request *r);

/* Answers 307; nothing of it is kept by anybody. */
void media_send_redirect(struct http_exchange *x, const char *location);

#endif
