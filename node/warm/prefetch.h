/* Objects that are fetched ahead of viewers: for whom, how many, and which next. Pure.
 *
 * Each viewer who plays what is not here wishes a few objects: those that follow in his rendition. His next
 * word replaces what is left of the last one, and nothing is wished for longer than PREFETCH_STALE_MS: who
 * stops, leaves nothing behind. Everybody's first object goes before anybody's second, and of those the
 * emptier player's first.
 *
 * Bounded: PREFETCH_VIEWERS_MAX viewers, past them whoever spoke longest ago is forgotten; PREFETCH_AHEAD_MAX
 * objects each.
 */
#ifndef NODE_WARM_PREFETCH_H
#define NODE_WARM_PREFETCH_H

#include "base/arena.h"
#include "node/config.h"
#include "rpc/msg.h"

enum {
	PREFETCH_AHEAD_MAX = 8,
	PREFETCH_VIEWERS_MAX = 256,
	PREFETCH_STALE_MS = 10000,
	/* A player with so much buffered is in no hurry: two objects, and one. */
	PREFETCH_CALM_MS = 12000,
	PREFETCH_FULL_MS = 30000,
};

/* How many objects ahead, of at most `most`. */
unsigned prefetch_depth(unsigned most, bool has_buffer, uint32_t buffer_ms);

/* The names that follow `object` in a media playlist which is `base`, as objects in the arena; another name
 * of `object` itself is passed over. False: the playlist does not name `object`; *n is 0 then. */
bool prefetch_following(struct bytes playlist, struct bytes content, struct bytes base, struct bytes object,
    unsigned most, struct arena *a, struct bytes following[PREFETCH_AHEAD_MAX], size_t *n);

struct prefetch;

struct prefetch *prefetch_new(void); /* aborts when out of memory */
void prefetch_free(struct prefetch *p);

/* The playlist in which the viewer was found last; empty when none is known. Until the
 * next call. */
struct bytes prefetch_playlist(const struct prefetch *p, const struct rpc_session_id *viewer);
/* What a viewer wishes from now on; copied, and not from what this module has. n may be 0. */
struct prefetch_wish {
	struct rpc_session_id viewer;
	const struct config_origin *origin;
	struct bytes content, playlist;
	const struct bytes *objects; /* at most PREFETCH_AHEAD_MAX, each at most CACHE_OBJECT_MAX */
	size_t n;
	uint32_t buffer_ms; /* 0 when unknown */
};
void prefetch_put(struct prefetch *p, const struct prefetch_wish *w, uint64_t now_ms);

struct prefetch_object {
	const struct config_origin *origin;
	struct bytes content, object; /* until the next call */
};
/* Takes the next object; false: nobody wishes any. */
bool prefetch_take(struct prefetch *p, uint64_t now_ms, struct prefetch_object *out);
/* Whether there may be one. */
bool prefetch_waits(const struct prefetch *p);
/* Wishes that were taken back because they became too old. */
uint64_t prefetch_stale(const struct prefetch *p);

#endif
