/* A session as the api speaks of it: its signed handle, its playback URIs, its JSON. Pure. */
#ifndef NODE_API_SESSION_H
#define NODE_API_SESSION_H

#include "node/api/place.h"

enum {
	SESSION_ALTERNATES = 2,
	SESSION_TEXT_MAX = 16 * 1024,
};

/* A session as it is made, or as it goes on, from `now_s` on: its token opens the content on every node until
 * not_after (D3). */
void session_begin(const struct api *api, uint64_t now_s, struct token *t);
/* A fresh playback token of a session that is known by its handle. */
MUST_USE enum err session_playback(const struct api *api, const struct token *handle, uint64_t now_s,
    struct arena *a, struct bytes *playback);

/* The two texts that a session is known by. */
struct session_tokens {
	struct bytes handle; /* its id in the api */
	struct bytes playback;
};

/* Writes the JSON body of a session on node p->nodes[at]: what POST, GET and heartbeat answer with. `t` is
 * what its handle says. *json lives until the writer is used again. */
MUST_USE enum err session_json(const struct api *api, struct session_writer *w, const struct token *t,
    const struct session_tokens *tokens, const struct place *p, size_t at, struct bytes *json);

#endif
