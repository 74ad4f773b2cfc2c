/* Copies of a content ahead of its audience. */
#ifndef CTL_WARM_H
#define CTL_WARM_H

#include "ctl/client.h"

#include <stdio.h>

/* Returns the exit status (ctl/commands.h). `wait` stays until every chosen node has ended, or cannot be
 * reached, or nothing has moved for WARM_STILL_MS, and says how far they are on `errors`. */
enum { WARM_COPIES_MAX = 64, WARM_STILL_MS = 60 * 1000 };
int warm_run(const struct client *c, const char *content, unsigned copies, bool wait, bool json, FILE *out,
    FILE *errors);

#endif
