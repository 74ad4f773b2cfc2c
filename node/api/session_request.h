/* The body of POST /v1/sessions, checked. Pure.
 *
 * Members that are not known are passed over: a client may be newer than this node while the
 * cluster is upgraded.
 */
#ifndef NODE_API_SESSION_REQUEST_H
#define NODE_API_SESSION_REQUEST_H

#include "node/token.h"

enum { SESSION_ADDRESS_MAX = 64 };

struct session_request {
	struct bytes content;
	struct bytes entry; /* empty: found by the node */
	struct bytes zone;
	struct bytes client;
	struct bytes client_address;
	struct bytes prefixes[TOKEN_PREFIXES_MAX];
	size_t prefixes_n;
	uint64_t not_after_s; /* 0: the configured one */
};

/* Slices live in the arena. On ERR_INVALID *why is one sentence for the client, or NULL when the arena is
 * exhausted. A member that is null counts as absent. */
MUST_USE enum err session_request_parse(
    struct bytes body, uint64_t now_s, struct arena *a, struct session_request *out, const char **why);

/* A content id or an object's path: UTF-8, 1 to 255 bytes, segments that are not empty, "." or "..". */
bool session_name_ok(struct bytes name);

#endif
