/* DELETE /v1/sessions/{session}?revoke=true: the end of a session's tokens, everywhere. */
#ifndef NODE_API_EV_REVOKE_H
#define NODE_API_EV_REVOKE_H

#include "node/api/api.h"

/* Whether the session's tokens open nothing any more. */
bool session_is_revoked(const struct api *api, const struct token *t);
/* Revokes it where the request asks for that. False: it was answered, and nothing was done. */
bool session_revoke_if_asked(struct api *api, struct http_exchange *x, const struct token *t, uint64_t now_s);

#endif
