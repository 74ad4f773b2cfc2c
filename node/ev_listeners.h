/* The viewers' listening sockets of a process: passed on to it, or opened by it.
 *
 * systemd passes on what it goes on holding (sd_listen_fds(3)): connections that nobody accepts wait there
 * for the next process. The same way a program passes on its own to the one that is executed in its place.
 * Who has them from systemd must not close them for good, and whoever passes them on must not either: they
 * then *stay*, whatever a node does that is started with them and stopped again.
 *
 * Threading: the main thread, while no node runs, but for `stay`, which is only read by one that leaves.
 */
#ifndef NODE_EV_LISTENERS_H
#define NODE_EV_LISTENERS_H

#include "node/config.h"

enum { LISTENERS_MAX = 256 };

struct listeners {
	int fds[LISTENERS_MAX];
	size_t n;
	bool held; /* systemd holds them too */
	bool stay; /* they outlive the node */
};

/* Takes what was passed on to this process, if anything was. ERR_INVALID: it says so wrongly, or there are
 * too many: one that nobody serves hangs its clients. */
MUST_USE enum err listeners_inherit(struct listeners *l);
/* Opens listen.http, one socket of each address a worker, unless there are some. Logs what is wrong. */
MUST_USE enum err listeners_open(struct listeners *l, const struct config *c, unsigned workers);
/* After a node, which closed what does not stay. */
void listeners_after_node(struct listeners *l);
/* Puts them where a program that is executed now looks for them. Whatever descriptors stand there are
 * closed: call nothing after it but exec. */
MUST_USE enum err listeners_pass_on(struct listeners *l);
/* Logs that an address cannot be listened on; returns e. */
enum err listen_failed(const char *setting, const char *address, enum err e);

#endif
