/* What is held of each content: bytes, objects, its entry playlist; and which of it changed since it was last
 * told.
 *
 * Pure, without locks (the cache has one lock for it). A content that holds nothing stays until that was
 * told.
 */
#ifndef NODE_CACHE_CONTENTS_H
#define NODE_CACHE_CONTENTS_H

#include "node/cache/units.h"

/* The entry playlists, the preferred one first. */
enum { CONTENT_ENTRIES = 3 };

struct contents {
	struct content **buckets;
	size_t mask;
	size_t n;
	uint64_t units, bytes; /* of all */
	TAILQ_HEAD(contents_changed, content) changed;
};

void contents_init(struct contents *t);
void contents_fini(struct contents *t); /* no unit may be in it */

/* True when there is news and was none before. */
bool contents_add(struct contents *t, struct unit *u);
bool contents_remove(struct contents *t, struct unit *u);

/* The names in a news are copied here. */
struct contents_told {
	struct cache_content_news news;
	uint8_t origin[CACHE_ORIGIN_MAX];
	uint8_t content[CACHE_OBJECT_MAX];
};
/* Takes the longest waiting news; false when there is none. `out` must stay in place: news points into it. */
bool contents_tell(struct contents *t, struct contents_told *out);

#endif
