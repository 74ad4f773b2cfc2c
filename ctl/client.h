/* One HTTP/1.1 request to a node's admin listener, on a connection of its own.
 *
 * Blocking, with one deadline over all of it. Whatever the other side sends is bounded and refused when it is
 * no HTTP. A failure is one line for a person.
 */
#ifndef CTL_CLIENT_H
#define CTL_CLIENT_H

#include "base/address.h"

enum { CLIENT_ERROR_MAX = 512, CLIENT_ANSWER_MAX_BYTES = 64 << 20, CLIENT_TIMEOUT_MS = 15000 };

struct client {
	const char *admin; /* HOST:PORT, as the user wrote it */
	struct address address;
	unsigned timeout_ms;     /* from the dial to the last byte; 0 = CLIENT_TIMEOUT_MS */
	size_t answer_max_bytes; /* of the body; 0 = CLIENT_ANSWER_MAX_BYTES */
};

/* Whom to ask: HOST:PORT, which stays the caller's. ERR_INVALID when it is not of that form. */
MUST_USE enum err client_set_admin(struct client *c, const char *admin);

struct client_answer {
	int status;
	struct buf body;
};

/* `method` GET or POST; `target` an origin-form, percent-encoded; `body` only of POST, JSON. On success the
 * caller ends out->body with buf_fini; on failure there is none, and `error` says why. */
MUST_USE enum err client_call(const struct client *c, const char *method, const char *target,
    struct bytes body, struct client_answer *out, char error[CLIENT_ERROR_MAX]);

#endif
