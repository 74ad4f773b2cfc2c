/* The keys that sign and verify tokens: `id:base64`, one a line; the first signs, all verify, so that
 * keys rotate without ending a session.
 *
 * A running node takes another set in place. There are two slots: the set to come is written into the one
 * that nobody is led to, then it is put in force by raising the version, then the former one is wiped. A
 * reader copies the key that it needs, and begins anew when the version rose meanwhile; it never waits for
 * the writer (Boehm, "Can seqlocks get along with programming language memory models?", MSPC 2012).
 *
 * Pure but for C11 atomics. Threading: any thread reads; token_keys_take and _fini are one thread's, and
 * _fini comes when nobody reads any more. The MAC's key is expanded from the key file's secret (keyed
 * BLAKE2b, RFC 7693, over a name of the use).
 */
#ifndef NODE_TOKEN_KEYS_H
#define NODE_TOKEN_KEYS_H

#include "base/key_file.h"

#include <sodium/crypto_generichash.h>
#include <stdatomic.h>

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
	struct key_id id;
	/* libsodium's state of a MAC that has taken in its key; it is copied for each token. */
	uint8_t keyed[sizeof(crypto_generichash_state)];
};

enum { TOKEN_KEY_WORDS = (sizeof(struct token_key) + 7) / 8 };

/* A set as atomic words, so that to read it while it is written is not undefined. */
struct token_keys_slot {
	_Atomic uint32_t n;
	_Atomic uint64_t words[TOKEN_KEYS_MAX][TOKEN_KEY_WORDS];
};

/* All zero bytes is a set without keys. */
struct token_keys {
	_Atomic uint32_t version; /* rises with each set; its lowest bit is the slot in force */
	struct token_keys_slot slots[2];
};

/* Reads the text of a key file into a set that nobody reads yet; errors and *bad_line are those of
 * key_file_parse. */
MUST_USE enum err token_keys_parse(struct bytes text, struct token_keys *out, size_t *bad_line);
/* Puts the keys of `next`, at least one, in force in a set that other threads read: whoever looks from now on
 * finds them, and no removed one. */
void token_keys_take(struct token_keys *k, const struct token_keys *next);
/* Wipes the secrets. */
void token_keys_fini(struct token_keys *k);

/* Which set is in force. What a key has verified is worth nothing once this is another one; who keeps it
 * reads the version before the key. */
uint32_t token_keys_version(const struct token_keys *k);
size_t token_keys_n(const struct token_keys *k);
/* The key that signs. False: there is none. */
bool token_keys_first(const struct token_keys *k, struct token_key *out);
/* The key of that id. False: there is none. */
bool token_keys_find(const struct token_keys *k, struct bytes id, struct token_key *out);

#endif
