/* warmcastctl drain: a node gets no new viewer, and how far it is with those that it has (V5). */
#ifndef CTL_DRAIN_H
#define CTL_DRAIN_H

#include "ctl/client.h"

#include <stdio.h>

extern const char drain_help[];

/* Orders it, and with `wait` stays until the node has no viewer and expects none, and the copies that it has
 * made are there, saying how far it is on `errors`, at most DRAIN_WAIT_MS. Returns the exit status
 * (ctl/commands.h). */
enum { DRAIN_WAIT_MS = 24 * 3600 * 1000 };
int drain_run(const struct client *c, const char *node, bool wait, bool json, FILE *out, FILE *errors);

#endif
