/* What is held of each content: bytes, objects, its entry playlist, the share of it; which of that changed
 * since it was last told, and which contents are to be measured (cache.h).
 *
 * Pure, without locks (the cache has one lock for it). A content that holds nothing stays until that was
 * told. Times are monotonic and do not fall.
 */
#ifndef NODE_CACHE_CONTENTS_H
#define NODE_CACHE_CONTENTS_H

#include "node/cache/units.h"

enum {
	CONTENT_ENTRIES = 3, /* the entry playlists, the preferred one first */
	CONTENTS_TELL_LATE_MS = 300000,
	CONTENTS_MEASURE_SOON_MS = 100,   /* so that a burst is measured once */
	CONTENTS_MEASURE_LATE_MS = 60000, /* after a change that hardly matters */
};

TAILQ_HEAD(contents_line, content);

struct contents {
	struct content **buckets;
	size_t mask;
	size_t n;
	uint64_t units, bytes; /* of all */
	/* To be told at once, or when they are due; to be measured. Of each line the first is due first. */
	struct contents_line changed, later, soon, late;
};

void contents_init(struct contents *t);
void contents_fini(struct contents *t); /* no unit may be in it */

/* What a change made due that nothing of the kind was before. */
enum { CONTENTS_NEWS = 1, CONTENTS_UNMEASURED = 2 };

unsigned contents_add(struct contents *t, struct unit *u, uint64_t now_ms);
unsigned contents_remove(struct contents *t, struct unit *u, uint64_t now_ms);

/* The names in a news are copied here. */
struct contents_told {
	struct cache_content_news news;
	uint8_t origin[CACHE_ORIGIN_MAX];
	uint8_t content[CACHE_OBJECT_MAX];
};
/* Takes the longest waiting news; false when there is none. `out` must stay in place: news points into it. */
bool contents_tell(struct contents *t, uint64_t now_ms, struct contents_told *out);
/* Whether there is one. */
bool contents_has_news(const struct contents *t, uint64_t now_ms);

/* As cache_next_unmeasured. */
bool contents_next_unmeasured(
    struct contents *t, uint64_t now_ms, struct arena *a, struct cache_unmeasured *out, uint64_t *at_ms);
/* As cache_measured; also CONTENTS_NEWS. */
unsigned contents_measured(struct contents *t, struct bytes origin, struct bytes content, uint32_t objects,
    const struct cache_measure *m, uint64_t now_ms);
size_t contents_playlists(const struct contents *t, struct bytes origin, struct bytes content,
    struct arena *a, struct bytes names[CACHE_PLAYLISTS_MAX]);

#endif
