/* Tokens: the signed, node-portable proof of a session (D3, D4).
 *
 *     base64url( version byte | length of key id, key id | Token (node/proto) | MAC )
 *
 * The MAC is 16 of the 64 bytes of keyed BLAKE2b (RFC 7693) over everything before it, other ones for each
 * kind: knowing some of them tells nothing of the others, so that a token of one kind never verifies as
 * another, whatever its bytes; and the tokens of a session are made in one. Any node with the key verifies
 * it: the session survives its node. base64url is canonical and without padding, so one token has one
 * spelling.
 *
 * Pure: time and keys come in. Thread-safe: no state. Nothing is parsed before its MAC is right.
 */
#ifndef NODE_TOKEN_H
#define NODE_TOKEN_H

#include "base/arena.h"
#include "base/node_id.h"
#include "node/token_keys.h"

enum {
	TOKEN_TEXT_MAX = 1024, /* characters of a token */
	TOKEN_SESSION_BYTES = 16,
	TOKEN_ORIGIN_MAX = 64, /* bytes */
	TOKEN_NAME_MAX = 255,  /* bytes of a content id or a prefix */
	TOKEN_PREFIXES_MAX = 8,
	TOKEN_CLIENT_MAX = 128, /* bytes */
};

/* Names are relative to the origin store: UTF-8 segments joined by single slashes, none of them empty,
 * `.` or `..`. Times are seconds of Unix time, inclusive. */
struct token {
	enum token_kind kind;
	uint8_t session[TOKEN_SESSION_BYTES];
	struct bytes origin, content;
	struct bytes prefixes[TOKEN_PREFIXES_MAX]; /* objects or folders that it opens besides */
	size_t prefixes_n;
	struct node_id issued_by;
	struct node_id node;       /* assigned to */
	uint64_t node_incarnation; /* its count then */
	uint32_t lease_batch;      /* of that run: a place that is kept for this session; 0 = placeless (A3) */
	uint32_t lease_index;
	uint32_t kbps; /* what a viewer of the content takes; 0 = unknown */
	uint64_t issued_at_s;
	uint64_t start_by_s;    /* 0 = no such bound */
	uint64_t renew_after_s; /* 0 = never */
	uint64_t not_after_s;   /* the hard end, > 0 */
	struct bytes client;    /* opaque */
	struct bytes entry;     /* the object below the content that the client starts with; may be empty */
};

/* Signs with the first key; the text lives in the arena. ERR_INVALID: a name or time that is not of the
 * form above; ERR_TOO_BIG: a stated limit, or the whole is past TOKEN_TEXT_MAX; ERR_NO_MEMORY. */
MUST_USE enum err token_sign(
    const struct token_keys *keys, const struct token *t, struct arena *a, struct bytes *text);
/* The same of two kinds, whatever t->kind says: what a session is known by to who plays, and to who
 * manages it. */
MUST_USE enum err token_sign_session(const struct token_keys *keys, const struct token *t, struct arena *a,
    struct bytes *playback, struct bytes *session);
/* Slices of *out live in the arena. ERR_INVALID: no token at all; ERR_VERSION: of a version this build
 * lacks; ERR_FORGED: an unknown key, a wrong MAC or another kind; ERR_NO_MEMORY. Does not look at
 * time: that is token_check. */
MUST_USE enum err token_verify(const struct token_keys *keys, struct bytes text, enum token_kind kind,
    struct arena *a, struct token *out);

/* ERR_EXPIRED past not_after. */
MUST_USE enum err token_check(const struct token *t, uint64_t now_s);
/* False when it is too late for a session's first request (its place went to others). */
bool token_may_start(const struct token *t, uint64_t now_s);
/* Whether it should be replaced by a fresh one (D3). */
bool token_wants_renewal(const struct token *t, uint64_t now_s);
/* Whether it opens `object`, the decoded `content/path`: an object below the content, or below or equal
 * to one of the prefixes, on segment boundaries. */
bool token_opens(const struct token *t, struct bytes object);

#endif
