/* What an operator orders. */
#ifndef CTL_ORDER_H
#define CTL_ORDER_H

#include "ctl/client.h"

#include <stdio.h>

/* Returns the exit status (ctl/commands.h). `wait` stays until every delivery node that is not down has
 * applied it, at most ORDER_WAIT_MS, and says how far it is on `errors`. */
enum { ORDER_WAIT_MS = 60 * 1000 };
int order_purge(const struct client *c, const char *content, bool wait, bool json, FILE *out, FILE *errors);
/* `verb` is expel, drain or undrain. */
int order_node(
    const struct client *c, const char *node, const char *verb, bool json, FILE *out, FILE *errors);

#endif
