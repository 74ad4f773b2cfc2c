/* What an HLS playlist names (RFC 8216, and the second edition's drafts): the playlists and objects that
 * somebody who plays it will ask for, how long they last, and how many bits a second they take. Pure.
 *
 * Read by another's word: any bytes are fine, lines that say nothing to us are passed over.
 */
#ifndef NODE_WARM_HLS_H
#define NODE_WARM_HLS_H

#include "base/bytes.h"

enum hls_kind {
	HLS_VARIANT,   /* a playlist: the main rendition of a variant */
	HLS_RENDITION, /* a playlist beside it: audio, subtitles, another camera, I-frames */
	HLS_SEGMENT,
	HLS_OBJECT, /* what a segment needs first (init), a key, session data */
};

enum { HLS_DURATION_MAX_MS = 3600 * 1000 };

struct hls_item {
	enum hls_kind kind;
	struct bytes uri;     /* as it stands there, a slice of the text, never empty */
	uint32_t duration_ms; /* of a segment; at most HLS_DURATION_MAX_MS, 0 unknown */
	uint32_t peak_bps;    /* of a variant: BANDWIDTH, bit/s; 0 unknown */
	uint32_t average_bps; /* AVERAGE-BANDWIDTH; 0 unknown */
};

/* Read it in turn. */
static inline bool hls_is_playlist(enum hls_kind k)
{
	return k == HLS_VARIANT || k == HLS_RENDITION;
}

/* Calls `item` for each, in their order; the same one may come more than once. ERR_INVALID: that is no HLS
 * playlist, and nothing was called. */
MUST_USE enum err hls_read(
    struct bytes text, void (*item)(void *arg, const struct hls_item *item), void *arg);

#endif
