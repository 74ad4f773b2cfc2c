/* JSON of a node's admin listener, and where those of its cluster's other nodes are. */
#ifndef CTL_ASK_H
#define CTL_ASK_H

#include "ctl/client.h"

#include <jansson.h>

/* The decoded body of a 2xx, to be given back with json_decref; NULL, and `error` says why. */
json_t *ask_json(const struct client *c, const char *method, const char *target, struct bytes body,
    char error[CLIENT_ERROR_MAX]);

enum { PEER_ADMIN_MAX = 280 };

/* A node of the cluster. */
struct peer {
	char *name, *id;
	char admin[PEER_ADMIN_MAX]; /* HOST:PORT */
	bool self, alive;
};
struct peers {
	struct peer *list;
	size_t n;
};

/* Those in an answer of /v1/nodes: the host is where other nodes reach it, the port that of `admin`, since
 * nothing tells where else its operators' listener is. Those whose address nobody knows are left out. False:
 * the answer is no such. */
bool peers_of(const json_t *nodes, const struct address *admin, struct peers *out);
/* Those that the person named: `names` are admin addresses. False: *bad is none. */
bool peers_named(char *const *names, size_t n, struct peers *out, const char **bad);
void peers_free(struct peers *p);

#endif
