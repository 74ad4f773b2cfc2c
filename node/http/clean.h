/* Control characters in text from or for the wire, sixteen bytes at a time. Pure. */
#ifndef NODE_HTTP_CLEAN_H
#define NODE_HTTP_CLEAN_H

#include "base/bytes.h"

/* How many bytes at the start are no control characters (0 to 31, and 127). */
size_t http_clean_run(struct bytes s);

#endif
