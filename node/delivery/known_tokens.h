/* Playback tokens whose signature was found right, by their text: a viewer sends the same one with each
 * request, and to check it costs more than all else that a small answer takes.
 *
 * Only the signature is remembered. Whether the token is still good (its times, revocations) and what it
 * opens is asked anew each time. Only what was verified is let in, so nobody can fill the table without a
 * key. Bounded: KNOWN_TOKENS; where two fall on one place the later stays.
 *
 * Pure; one worker's, without locks.
 */
#ifndef NODE_DELIVERY_KNOWN_TOKENS_H
#define NODE_DELIVERY_KNOWN_TOKENS_H

#include "node/token.h"

enum { KNOWN_TOKENS = 8192 };

struct known_tokens;
struct known_tokens *known_tokens_new(void);
void known_tokens_free(struct known_tokens *k); /* NULL is fine */

/* What that text says; NULL when it is not known. Good until the next known_tokens_add. */
const struct token *known_tokens_find(const struct known_tokens *k, struct bytes text);
void known_tokens_add(struct known_tokens *k, struct bytes text, const struct token *t);

#endif
