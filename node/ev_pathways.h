/* What the delivery role knows of a session's pathways (node/playlist/pathways.h): the knowledge is the
 * api's, which every node has.
 *
 * Threading: the worker's own.
 */
#ifndef NODE_EV_PATHWAYS_H
#define NODE_EV_PATHWAYS_H

#include "node/api/api.h"
#include "node/delivery/delivery.h"

/* Texts live in the arena. False: no api node serves, this node is not known yet, or no memory is left. */
bool pathways_of_session(const struct api *api, struct api_worker *w, struct arena *a,
    const struct delivery_session *s, struct delivery_pathways *out);

#endif
