/* The viewers' HTTP of a node: its workers, what each of them owns, and which role answers what.
 *
 * Threading: started and stopped by control; requests on the workers.
 */
#ifndef NODE_EV_VIEWERS_H
#define NODE_EV_VIEWERS_H

#include "kvs/lmdb_store.h"
#include "node/api/api.h"
#include "node/http/ev_server.h"

struct delivery;
struct viewers;

struct viewers_config {
	const int *listeners; /* taken on success */
	size_t listeners_n;
	bool listeners_stay; /* they are the caller's again after viewers_stop */
	unsigned workers;
	struct kvs_store *store;     /* for the workers' readers */
	struct api *api;             /* NULL without the api role */
	struct delivery *delivery;   /* NULL without the delivery role */
	uint64_t egress_bytes_per_s; /* past it new sessions go elsewhere; 0: no bound */
};

MUST_USE enum err viewers_start(const struct viewers_config *c, struct viewers **out);
/* What the worker of that exchange looks the cluster up with. */
struct api_worker *viewers_lookup_of(struct http_exchange *x);
struct http_server *viewers_server(const struct viewers *v);
/* Ends all workers; every reader of the replica is closed after it. NULL is fine. */
void viewers_stop(struct viewers *v);

#endif
