/* What the two doors for other nodes share: ev_peer.c (out of this node's cache) and ev_peer_fill.c (filled
 * on their behalf). */
#ifndef NODE_DELIVERY_EV_PEER_H
#define NODE_DELIVERY_EV_PEER_H

#include "node/delivery/ev_job.h"

/* Whether this node has applied every purge that the asker knows of (I9). */
bool peer_agrees(struct delivery *d, struct http_exchange *x);
/* A fresh whole unit of the cache, or NULL. After peer_agrees. */
struct cache_unit *peer_find(struct delivery *d, const struct token *t, const struct media_path *path);
/* Counts it and answers. */
void peer_refuse(
    struct delivery *d, struct http_exchange *x, int status, const char *type, const char *detail);

/* Fills it for another node, whose token and path were looked at. */
void peer_fill_start(
    struct delivery *d, struct http_exchange *x, const struct token *t, const struct media_path *path);

#endif
