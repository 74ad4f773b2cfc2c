/* The answer to a media request as a response without its body's source: status, and every header of
 * rules D2, D3 and of the facts about players. Pure.
 *
 * A token is personal, so nothing is `public`. Freshness counts from the origin store's answer: the
 * whole lifetime is told as max-age, and what is gone of it as Age, so that no hop restarts it (D2).
 */
#ifndef NODE_DELIVERY_RESPOND_H
#define NODE_DELIVERY_RESPOND_H

#include "node/cache/cache.h"
#include "node/http/http.h"
#include "node/http/range.h"

/* How the cache came by it (RFC 9211). */
enum media_source {
	MEDIA_HIT,       /* whole and fresh */
	MEDIA_FILLED,    /* not here: being filled */
	MEDIA_RENEWED,   /* here but no longer fresh, and the origin store has another: being filled */
	MEDIA_CONFIRMED, /* here but no longer fresh: the origin store was asked, and the old one serves on */
};

struct media_facts {
	const struct cache_meta *meta; /* of all of the object, or of any slice of it */
	struct bytes object;
	uint64_t now_wall_ms;
	enum media_source source;
	bool collapsed; /* joined another viewer's fill */
	bool from_peer; /* MEDIA_FILLED out of another node's cache */
	bool varies;    /* it goes out as gzip to those who take it */
	bool gzip;      /* as it does here, packed_bytes long, to a request without Range */
	uint64_t packed_bytes;
};

/* Fills *out with status and fields for that request, and *s with the bytes to send as its body; a
 * status of 206 or 200 needs a part of s->length bytes from s->first on, any other is complete.
 * ERR_NO_MEMORY: the arena is full. Values live in the arena or are literals. */
MUST_USE enum err media_respond(const struct http_request *r, const struct media_facts *f, struct arena *a,
    struct http_selection *s, struct http_response *out);

/* The head of a text that was made for one session out of an object (D8): whole, and nobody's to keep. */
MUST_USE enum err media_respond_rendered(
    const struct media_facts *f, struct arena *a, struct http_response *out);

/* The head of a whole unit for another node: what its own cache has to know of it. */
MUST_USE enum err media_respond_peer(
    const struct cache_meta *m, uint64_t now_wall_ms, struct arena *a, struct http_response *out);

/* For another node: the origin store has none, which holds for that long. */
void media_respond_peer_missing(uint32_t missing_ms, bool grows, struct arena *a, struct http_response *out);

/* A 307 to `location`, which nobody may keep. */
void media_redirect(struct http_response *out, const char *location);
/* 405 with Allow. */
void media_refuse_method(struct http_response *out);

#endif
