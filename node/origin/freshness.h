/* Classes of objects and how long each is fresh (D2). Pure. */
#ifndef NODE_ORIGIN_FRESHNESS_H
#define NODE_ORIGIN_FRESHNESS_H

#include "node/cache/cache.h"
#include "node/config.h"

/* By the configuration's rules (the first whose suffix matches), then by the built-in table of suffixes. */
enum object_class freshness_class(const struct config *c, struct bytes object);

/* What a playlist says of itself. `head`: its first bytes, all of them if possible. */
struct playlist_facts {
	uint64_t ttl_ms;
	bool grows; /* a media playlist, or an MPD, that is to be continued */
};
struct playlist_facts freshness_playlist(struct bytes head);

/* For cache_meta.ttl_ms. `head`: the object's first bytes, wanted of playlists only: half a segment, or a
 * minute when it has its end. Keys: 0, they are not stored. */
uint64_t freshness_ttl_ms(enum object_class class, struct bytes head);

/* Whether what the origin store said then still holds now. */
bool freshness_holds(const struct cache_meta *m, uint64_t now_wall_ms);

#endif
