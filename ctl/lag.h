/* How far the asked node's replica is behind what each node itself has written. */
#ifndef CTL_LAG_H
#define CTL_LAG_H

#include "ctl/ask.h"

/* The answer to /v1/nodes with a member `behind` of each node that answered: the number of its writes of
 * which the asked node does not know yet. NULL, and `error` says why. */
json_t *lag_ask(const struct client *client, char error[CLIENT_ERROR_MAX]);

#endif
