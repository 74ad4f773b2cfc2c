/* Where a name in a playlist leads: an object of the same content, as its viewers would ask for it. Pure. */
#ifndef NODE_WARM_RESOLVE_H
#define NODE_WARM_RESOLVE_H

#include "base/arena.h"

/* `base` is the object that names it, `content/path`; `uri` a reference (RFC 3986, section 4.2). *object
 * lives in the arena, decoded; query and fragment are no part of it. ERR_NOT_FOUND: it leads out of the
 * content, to another host or to no name of an object; ERR_NO_MEMORY. */
MUST_USE enum err warm_resolve(
    struct bytes content, struct bytes base, struct bytes uri, struct arena *a, struct bytes *object);

#endif
