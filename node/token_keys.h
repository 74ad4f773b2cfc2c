/* The keys that sign and verify tokens: `id:base64`, one a line; the first signs, all verify, so that
 * keys rotate without ending a session.
 *
 * Pure and immutable once parsed: any thread may read. The MAC's key is expanded from the key file's secret
 * (keyed BLAKE2b, RFC 7693, over a name of the use).
 */
#ifndef NODE_TOKEN_KEYS_H
#define NODE_TOKEN_KEYS_H

#include "base/key_file.h"

#include <sodium/crypto_generichash.h>

/* A kind's number tells which part of the MAC is its own: it never changes. */
enum token_kind {
	TOKEN_PLAYBACK = 1, /* in the path of media requests (D4) */
	TOKEN_SESSION = 2,  /* the session's id, in the api */
	TOKEN_PEER = 3,     /* in the path of what one node asks of another's cache (D7) */
};

enum {
	TOKEN_KINDS = 3,
	TOKEN_KEYS_MAX = 8,
	TOKEN_KEY_ID_MAX = KEY_ID_MAX,
	TOKEN_KEY_BYTES = KEY_SECRET_BYTES,
	TOKEN_MAC_BYTES = 16,                   /* a kind */
	TOKEN_MACS_BYTES = 4 * TOKEN_MAC_BYTES, /* as much as BLAKE2b gives */
};

struct token_key {
	char id[TOKEN_KEY_ID_MAX];
	size_t id_n;
	/* libsodium's state of a MAC that has taken in its key; it is copied for each token. */
	uint8_t keyed[sizeof(crypto_generichash_state)];
};

struct token_keys {
	struct token_key keys[TOKEN_KEYS_MAX];
	size_t n; /* > 0; keys[0] signs */
};

/* Reads the text of a key file; errors and *bad_line are those of key_file_parse. */
MUST_USE enum err token_keys_parse(struct bytes text, struct token_keys *out, size_t *bad_line);
/* Wipes the secrets. */
void token_keys_fini(struct token_keys *k);
/* NULL when there is no key of that id. */
const struct token_key *token_keys_find(const struct token_keys *k, struct bytes id);

#endif
