/* GET /v1/steering/{token}: the token is that of the session's media URIs, `own` and `other` in the query the
 * pathways that its playlist was given. No limit of any rate is on it: one 429 would end a player's steering.
 *
 * Threading: as api.h.
 */
#ifndef NODE_API_EV_STEERING_H
#define NODE_API_EV_STEERING_H

#include "node/api/api.h"

void steering_handle(struct api *api, struct api_worker *w, struct http_exchange *x, struct bytes token);

#endif
