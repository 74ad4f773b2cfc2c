/* What the two doors for other nodes share: ev_peer.c (out of this node's cache) and ev_peer_fill.c (filled
 * on their behalf). */
#ifndef NODE_DELIVERY_EV_PEER_H
#define NODE_DELIVERY_EV_PEER_H

#include "node/cache/cache.h"
#include "node/delivery/ev_job.h"

/* Whether this node has applied every purge that the asker knows of (I9). */
bool peer_agrees(struct delivery *d, struct http_exchange *x);
/* Which slice the request names; 0: none. False: other bytes than a slice's. */
bool peer_slice_asked(const struct http_request *r, uint32_t *slice);
/* A fresh whole unit of the cache, all of the object or that slice, or NULL. After peer_agrees. */
struct cache_unit *peer_find(
    struct delivery *d, const struct token *t, const struct media_path *path, uint32_t slice);
/* What is sent of a unit: all of an object that is no longer than a slice, else the slice that is asked for.
 * Fits the answer and its part to that. ERR_NOT_FOUND: it has not what is asked for. */
MUST_USE enum err peer_say_part(struct http_exchange *x, const struct cache_meta *m, uint32_t slice,
    struct http_response *r, struct http_part *part);
/* Counts it and answers. */
void peer_refuse(
    struct delivery *d, struct http_exchange *x, int status, const char *type, const char *detail);

/* Fills it for another node, whose token and path were looked at. */
void peer_fill_start(
    struct delivery *d, struct http_exchange *x, const struct token *t, const struct media_path *path);

#endif
