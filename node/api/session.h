/* A session as the api speaks of it: its signed handle, its playback URIs, its JSON. Pure. */
#ifndef NODE_API_SESSION_H
#define NODE_API_SESSION_H

#include "node/api/place.h"

enum {
	SESSION_ALTERNATES = 2,
	SESSION_TEXT_MAX = 16 * 1024,
};

/* Writes the JSON body of a session on node p->nodes[at]: what POST, GET and heartbeat answer with. `handle`
 * is the session's id in the api, `t` what it says. A fresh playback token is signed. *out lives until the
 * writer is used again. */
MUST_USE enum err session_json(const struct api *api, struct session_writer *w, const struct token *t,
    struct bytes handle, const struct place *p, size_t at, uint64_t now_s, struct arena *a,
    struct bytes *out);

#endif
