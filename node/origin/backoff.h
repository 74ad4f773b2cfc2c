/* How long an origin store that failed is left alone (D6): 250 ms, doubling to 3.5 s, a quarter of jitter
 * either way; then one asker tries it, and the others wait for how that ends. A store that answers may be
 * asked by all again, but is not well before something came whole: one that answers and breaks off is left
 * alone for longer and longer too. Pure. */
#ifndef NODE_ORIGIN_BACKOFF_H
#define NODE_ORIGIN_BACKOFF_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct backoff {
	uint64_t delay_ms; /* 0: the store is well */
	uint64_t until_ms;
	bool probing;
	bool answers;   /* since it failed last; nothing came whole yet */
	enum err error; /* why it is left alone */
};

/* Whether the store may be asked now. Who was told yes says how it went on: by _answers, _well or _failed. */
bool backoff_may_ask(struct backoff *b, uint64_t now_ms);
void backoff_answers(struct backoff *b, uint64_t now_ms);
void backoff_well(struct backoff *b);
void backoff_failed(struct backoff *b, enum err why, uint64_t now_ms, uint64_t random);

#endif
