/* What the files of the delivery role share: its state, and the way of one authorised request.
 *
 * Threading: struct delivery is shared by all workers; a job belongs to one.
 */
#ifndef NODE_DELIVERY_EV_JOB_H
#define NODE_DELIVERY_EV_JOB_H

#include "node/delivery/delivery.h"
#include "node/delivery/request.h"

#include <pthread.h>
#include <stdatomic.h>

struct media_job;
struct peer_fill;

struct delivery {
	unsigned magic;
	struct delivery_config c;
	struct known_tokens **known; /* one a worker */
	/* Jobs whose viewers left while the fill's answer was under way. A worker that stops delivers no
	 * letter any more; what it left here ends with the delivery. */
	pthread_mutex_t orphans_lock;
	struct media_job *orphans;
	struct peer_fill *peer_orphans; /* the same of other nodes' */
	_Atomic unsigned peers_now;     /* answers to other nodes that are being sent */
	_Atomic unsigned peer_fills_now;
	struct {
		_Atomic uint64_t requests, hits, misses, collapsed, bytes, hit_bytes;
		_Atomic uint64_t token_refused, not_found, failed, sent_elsewhere, no_place;
		_Atomic uint64_t peer_served, peer_bytes, peer_misses, peer_refused;
		_Atomic uint64_t peer_fills, peer_fills_pending, loops;
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
/* Ends the jobs whose letters nobody delivers any more. */
void media_jobs_end_orphans(struct delivery *d);
void peer_fills_end_orphans(struct delivery *d);

/* The origin store of that name, or NULL. */
const struct config_origin *delivery_origin(const struct delivery *d, struct bytes name);
/* How often a request has been passed on by this cluster (CDN-Loop, RFC 8586). */
unsigned delivery_loops(const struct delivery *d, const struct http_request *r);

/* Answers 307; nothing of it is kept by anybody. */
void media_send_redirect(struct http_exchange *x, const char *location);

#endif
