/* Which codings of a representation a request takes (RFC 9110, section 12.5.3). Pure. */
#ifndef NODE_HTTP_ENCODING_H
#define NODE_HTTP_ENCODING_H

#include "base/bytes.h"

/* Whether the value of Accept-Encoding takes gzip: named, or by `*`, and not with a weight of 0. No field, or
 * an empty one: the identity only. */
bool http_takes_gzip(struct bytes accept_encoding);

#endif
