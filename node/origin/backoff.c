#include "node/origin/backoff.h"

enum { FIRST_MS = 250, LAST_MS = 3500 };

bool backoff_may_ask(struct backoff *b, uint64_t now_ms)
{
	if (b->delay_ms == 0 || b->answers)
		return true;
	if (b->probing || now_ms < b->until_ms)
		return false;
	b->probing = true;
	return true;
}

void backoff_answers(struct backoff *b, uint64_t now_ms)
{
	/* An answer to who asked before it failed says nothing of now. */
	if (b->delay_ms == 0 || now_ms < b->until_ms)
		return;
	b->answers = true;
	b->probing = false;
}

void backoff_well(struct backoff *b)
{
	*b = (struct backoff){ .error = OK };
}

void backoff_failed(struct backoff *b, enum err why, uint64_t now_ms, uint64_t random)
{
	/* Many may have asked before the first heard that it fails: they count once. */
	if (b->delay_ms != 0 && now_ms < b->until_ms)
		return;
	b->delay_ms = b->delay_ms == 0 ? FIRST_MS : b->delay_ms * 2 < LAST_MS ? b->delay_ms * 2 : LAST_MS;
	b->until_ms = now_ms + b->delay_ms * 3 / 4 + random % (b->delay_ms / 2 + 1);
	b->probing = b->answers = false;
	b->error = why;
}
