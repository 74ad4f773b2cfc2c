/* The tokens that a worker has verified: a player says the same one with each request, so its MAC is computed
 * and its text unpacked once only (D3, D4). What can change between two requests is not kept: time,
 * revocation and the object are looked at each time.
 *
 * Bounded: KNOWN_TOKENS_MAX, of which the longest unused of a few gives way. Only what was verified is kept,
 * so that nobody without a token can push another's out.
 *
 * What was verified by a set of keys that is in force no more is not found: `version` is token_keys_version,
 * read before the token was verified, or is now looked for.
 *
 * Pure. Threading: one thread's.
 */
#ifndef NODE_DELIVERY_KNOWN_TOKENS_H
#define NODE_DELIVERY_KNOWN_TOKENS_H

#include "node/token.h"

enum { KNOWN_TOKENS_MAX = 4096 }; /* about 1 KiB each */

struct known_tokens;

struct known_tokens *known_tokens_new(void);
void known_tokens_free(struct known_tokens *k);
/* NULL when it is not known. Good until the next known_tokens_keep. */
const struct token *known_tokens_find(struct known_tokens *k, uint32_t version, struct bytes text);
/* Of what token_verify has just passed with that text; copies. */
void known_tokens_keep(struct known_tokens *k, uint32_t version, struct bytes text, const struct token *t);

#endif
