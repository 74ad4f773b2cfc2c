/* JSON written straight into a buffer, for answers on hot paths; reading JSON is jansson's. Pure. */
#ifndef NODE_JSON_TEXT_H
#define NODE_JSON_TEXT_H

#include "base/bytes.h"

/* A quoted JSON string (RFC 8259); bytes that are not UTF-8 become U+FFFD. */
void json_put_string(struct buf *out, struct bytes s);
/* `"key":` with a comma before it unless it follows an opening bracket. */
void json_put_key(struct buf *out, const char *key);
/* A comma unless it follows an opening bracket: before an array's element. */
void json_put_next(struct buf *out);

#endif
