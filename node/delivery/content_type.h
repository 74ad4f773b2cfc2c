/* What a player is told an object is: by its suffix, as facts about players and the registry of media
 * types have it. Pure. */
#ifndef NODE_DELIVERY_CONTENT_TYPE_H
#define NODE_DELIVERY_CONTENT_TYPE_H

#include "base/bytes.h"

/* A literal, never NULL; what has no known suffix is application/octet-stream. Case is ignored. */
const char *content_type_of(struct bytes object);

#endif
