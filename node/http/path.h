/* Paths of requests: percent-encoding, taken off once and inside of a segment only. Pure.
 *
 * What comes out is a sequence of segments joined by `/`, so a decoded path says unambiguously where
 * each begins. Refused with ERR_INVALID, since each of them could name something outside of a
 * content's folder or give one object two names: `%2F`, NUL, `.` and `..` segments (encoded or not),
 * empty segments, a broken escape, bytes that are not UTF-8, a path that does not start with `/`.
 */
#ifndef NODE_HTTP_PATH_H
#define NODE_HTTP_PATH_H

#include "base/arena.h"

/* "/p/a%20b" -> "/p/a b"; "/" stays "/". The result lives in the arena, or is `path` where that
 * has no escape. ERR_NO_MEMORY past the arena's bound. */
MUST_USE enum err http_path_decode(struct arena *a, struct bytes path, struct bytes *out);

/* Takes the first segment off a decoded path: "/p/tok/x" gives "p" and leaves "/tok/x". False, and
 * nothing changed, when there is none left. */
bool http_path_next(struct bytes *path, struct bytes *segment);

/* Appends `path` with every byte outside of A-Za-z0-9-._~/ percent-encoded in upper case. */
void http_path_encode(struct buf *out, struct bytes path);

/* The value of `name` in a query ("a=1&b=2"), as it came, or BYTES_NONE; a name without `=` has an
 * empty value with p set. The first one counts. */
struct bytes http_query(struct bytes query, const char *name);

#endif
