/* One node: everything that a configuration describes, started in order and stopped in reverse.
 *
 * Threading: control's thread.
 */
#ifndef NODE_EV_NODE_H
#define NODE_EV_NODE_H

#include "node/config.h"
#include "node/ev_listeners.h"
#include "node/fs_secrets.h"

#include <ev.h>

struct node;

/* Exit statuses (sysexits.h): 69 something it needs is taken (port, data_dir), 71 the system refused, 74
 * disk, 77 an operator expelled it, 78 configuration. */
enum {
	NODE_EXIT_UNAVAILABLE = 69,
	NODE_EXIT_SYSTEM = 71,
	NODE_EXIT_DISK = 74,
	NODE_EXIT_EXPELLED = 77,
	NODE_EXIT_CONFIG = 78
};

/* Logs what is wrong and returns NULL with *exit_status. `secrets` and `listeners` stay the caller's, and are
 * used until node_stop; `listeners` that are empty are opened. */
struct node *node_start(const struct config *c, const struct node_secrets *secrets,
    struct listeners *listeners, struct ev_loop *loop, int *exit_status);
/* First: this node drains (says so, takes no new session, ends its connections) and then breaks the loop.
 * Second: breaks the loop now. */
void node_leave(struct node *n);
/* The same for a successor in this process: its listening sockets stay open, and systemd is not told. */
void node_hand_over(struct node *n);
/* It left because it was expelled. */
bool node_was_expelled(const struct node *n);
/* For links to come; copied, held. As nng_links_set_keys, nng_links_set_cert. */
void node_set_cluster_keys(struct node *n, const struct cluster_keys *keys);
void node_set_api_keys(struct node *n, const struct api_keys *keys);
void node_set_cert(struct node *n, struct nng_cert *cert);
/* Everything is closed; what was told is on disk. True: it had another's id, which it gave up: start it
 * again, and it is another node. */
bool node_stop(struct node *n);

#endif
