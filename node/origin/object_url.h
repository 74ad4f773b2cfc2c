/* URLs of objects from a template: `{object}` stands for the object's name percent-encoded with its slashes
 * kept, `{object_encoded}` for the same with slashes encoded too (RFC 3986: every byte but unreserved
 * characters, in upper-case hex, which is what S3's signatures want too). Pure, without state.
 */
#ifndef NODE_ORIGIN_OBJECT_URL_H
#define NODE_ORIGIN_OBJECT_URL_H

#include "base/bytes.h"

enum { OBJECT_URL_MAX = 8192 };

/* NULL when it is a template; else what is wrong, as in "'x' WHAT". It begins with http:// or https:// and a
 * host (with a port or without), has no user, no fragment, only characters that stand in URLs, and at least
 * one placeholder behind the host. */
const char *object_url_wrong(struct bytes template);
/* Appends the URL of an object. */
void object_url_put(struct buf *out, const char *template, struct bytes object);
/* Appends `text` percent-encoded. */
void object_url_encode(struct buf *out, struct bytes text, bool keep_slashes);

#endif
