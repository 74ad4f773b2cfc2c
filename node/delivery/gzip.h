/* A body as gzip (RFC 1952), made in one go. Pure.
 */
#ifndef NODE_DELIVERY_GZIP_H
#define NODE_DELIVERY_GZIP_H

#include "base/bytes.h"

/* A malloc'd copy in *out. ERR_TOO_BIG: it is not smaller by a tenth at least, and not worth the viewer's
 * work; ERR_NO_MEMORY. */
MUST_USE enum err gzip_pack(struct bytes body, struct bytes *out);

#endif
