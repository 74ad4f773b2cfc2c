/* Absolute http URIs and references to them (RFC 3986, section 5), as far as playlists and redirects use
 * them. Pure. */
#ifndef BENCH_LOAD_URI_H
#define BENCH_LOAD_URI_H

#include "base/bytes.h"

enum { URI_MAX = 8192 };

struct uri {
	struct bytes authority; /* HOST or HOST:PORT */
	struct bytes target;    /* path and query; empty stands for "/" */
};

/* Slices of the text. ERR_VERSION: another scheme than http; ERR_INVALID: no URI, or one with spaces. */
MUST_USE enum err uri_parse(struct bytes text, struct uri *out);
/* What `reference` means in a document of that URI; dot segments are taken out, a fragment is dropped.
 * ERR_TOO_BIG past the room of `out`. */
MUST_USE enum err uri_resolve(struct bytes base, struct bytes reference, struct buf *out);

#endif
