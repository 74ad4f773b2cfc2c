/* A media request's path, /p/{token}/{content}/{path}, taken apart. Pure.
 *
 * Where the content ends is the token's to say, not the path's: a content id may hold slashes.
 */
#ifndef NODE_DELIVERY_REQUEST_H
#define NODE_DELIVERY_REQUEST_H

#include "base/arena.h"
#include "node/delivery/known_tokens.h"
#include "node/http/http.h"

struct media_path {
	struct bytes token;  /* text, as it came */
	struct bytes object; /* decoded `content/path`; at most CACHE_OBJECT_MAX bytes */
};

/* Slices live in the arena or in `path`. ERR_INVALID: not of that form, or a segment that
 * http_path_decode refuses; ERR_TOO_BIG; ERR_NO_MEMORY. */
MUST_USE enum err media_path_parse(struct arena *a, struct bytes path, struct media_path *out);

/* The same of /{first}/{token}/{content}/{path}. */
MUST_USE enum err media_path_parse_below(
    struct arena *a, struct bytes first, struct bytes path, struct media_path *out);

/* Why a token does not open an object, in the order in which it is looked at. */
enum media_access {
	MEDIA_ALLOWED,
	MEDIA_TOKEN_INVALID, /* unreadable, forged, or of a key or version that this node lacks */
	MEDIA_TOKEN_EXPIRED,
	MEDIA_TOKEN_REVOKED, /* the delivery node's to say: a token does not show it */
	MEDIA_TOKEN_SCOPE,   /* the object lies outside of what it opens */
	MEDIA_NO_MEMORY,
};

/* *out is filled when it is allowed; its slices live in the arena, or in `known` until a token is next looked
 * at. `known` may be NULL. */
enum media_access media_authorize(const struct token_keys *keys, struct known_tokens *known,
    const struct media_path *p, struct arena *a, uint64_t now_wall_s, struct token *out);

/* The names by which a content may be entered, in order. A session's uri names the first when nobody
 * knows better, so a content without it is entered by the next that exists. */
enum { MEDIA_ENTRIES = 3 };
extern const char *const media_entries[MEDIA_ENTRIES];
/* Is `object` the first of these names, directly in the folder of `content`? */
bool media_is_first_entry(struct bytes content, struct bytes object);

/* How often CDN-Loop names this cluster, as `warmcast-CLUSTER` (RFC 8586). */
unsigned media_loops(const struct http_request *r, struct bytes cluster);

/* Where a request goes under a fresh token: "/p/{token}/{content}/{path}" with the path encoded.
 * NULL when the arena is full. */
char *media_location(struct arena *a, struct bytes token, struct bytes object);

#endif
