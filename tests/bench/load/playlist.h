/* What a player needs of an HLS playlist (RFC 8216): the first variant of a master, or the segments from a
 * given one on. Pure; slices of the text.
 *
 * Not taken: renditions beside the variant, byte ranges (the whole object is meant), keys.
 */
#ifndef BENCH_LOAD_PLAYLIST_H
#define BENCH_LOAD_PLAYLIST_H

#include "base/bytes.h"

enum { PLAYLIST_WINDOW = 32 };

struct playlist_segment {
	struct bytes uri;
	uint32_t duration_ms;
};

struct playlist {
	bool master;
	struct bytes variant; /* of a master: the first that it lists */
	struct bytes map;     /* EXT-X-MAP: what comes before the first segment; may be empty */
	uint64_t first;       /* media sequence number of segments[0] */
	struct playlist_segment segments[PLAYLIST_WINDOW];
	size_t n;
	bool ended; /* nothing comes after the last segment of the playlist */
	bool more;  /* the playlist has further segments than fit */
	uint32_t target_ms;
};

/* The segments from number `from` on, or from the first that is still there; UINT64_MAX: where a player
 * joins, the start of one that has ended, else three before its end. ERR_INVALID: no playlist, or a master
 * without variant. */
MUST_USE enum err playlist_parse(struct bytes text, uint64_t from, struct playlist *out);

#endif
