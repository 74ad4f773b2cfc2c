/* What an operator orders: a purge, an expel. */
#ifndef CTL_ORDER_H
#define CTL_ORDER_H

#include "ctl/client.h"

#include <stdio.h>

/* Returns the exit status (ctl/commands.h). `wait` stays until every delivery node that is not down has
 * applied it, at most ORDER_WAIT_MS, and says how far it is on `errors`. */
enum { ORDER_WAIT_MS = 60 * 1000 };
int order_purge(const struct client *c, const char *content, bool wait, bool json, FILE *out, FILE *errors);
int order_expel(const struct client *c, const char *node, bool json, FILE *out, FILE *errors);

#endif
