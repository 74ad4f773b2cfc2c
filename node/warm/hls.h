/* What an HLS playlist names (RFC 8216, and the second edition's drafts): the playlists and objects that
 * somebody who plays it will ask for. Pure.
 *
 * Read by another's word: any bytes are fine, lines that say nothing to us are passed over.
 */
#ifndef NODE_WARM_HLS_H
#define NODE_WARM_HLS_H

#include "base/bytes.h"

enum hls_kind {
	HLS_PLAYLIST, /* a variant, a rendition, I-frames: read it in turn */
	HLS_OBJECT,   /* a segment, what it needs first (init), a key, session data */
};

/* Calls `named` for each, in their order; the same one may come more than once. `uri` is as it stands there,
 * a slice of `text`, never empty. ERR_INVALID: that is no HLS playlist, and nothing was called. */
MUST_USE enum err hls_names(
    struct bytes text, void (*named)(void *arg, enum hls_kind kind, struct bytes uri), void *arg);

#endif
