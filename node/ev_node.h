/* One node: everything that a configuration describes, started in order and stopped in reverse.
 *
 * Threading: control's thread.
 */
#ifndef NODE_EV_NODE_H
#define NODE_EV_NODE_H

#include "node/config.h"
#include "node/token_keys.h"
#include "rpc/cluster_keys.h"

#include <ev.h>

struct node;

/* Exit statuses (sysexits.h): 69 something it needs is taken (port, data_dir), 71 the system refused, 74
 * disk, 78 configuration. */
enum { NODE_EXIT_UNAVAILABLE = 69, NODE_EXIT_SYSTEM = 71, NODE_EXIT_DISK = 74, NODE_EXIT_CONFIG = 78 };

/* What the files of secrets hold. */
struct node_secrets {
	struct token_keys token_keys;
	struct cluster_keys cluster_keys;
};

/* Logs what is wrong and returns NULL with *exit_status. `secrets` stay the caller's, and are used until
 * node_stop. */
struct node *node_start(
    const struct config *c, const struct node_secrets *secrets, struct ev_loop *loop, int *exit_status);
/* First: this node drains (says so, takes no new session, ends its connections) and then breaks the loop.
 * Second: breaks the loop now. */
void node_leave(struct node *n);
/* Everything is closed; what was told is on disk. */
void node_stop(struct node *n);

#endif
