#include "node/delivery/known_tokens.h"

#include "base/obj.h"

#include <string.h>

#define KNOWN_MAGIC 0x6b6e6f77u

struct known {
	struct token t; /* its slices lie in `text` */
	size_t text_n;
	uint8_t text[];
};

struct known_tokens {
	unsigned magic;
	struct known *at[KNOWN_TOKENS];
};

struct known_tokens *known_tokens_new(void)
{
	return OBJ_NEW(struct known_tokens, KNOWN_MAGIC);
}

void known_tokens_free(struct known_tokens *k)
{
	if (k == NULL)
		return;
	OBJ_CHECK(k, KNOWN_MAGIC);
	for (size_t i = 0; i < KNOWN_TOKENS; i++)
		free(k->at[i]);
	OBJ_FREE(k);
}

/* A token ends with its MAC, which is as good as a hash. */
static size_t place_of(struct bytes text)
{
	uint64_t end = 0;
	if (text.n >= sizeof(end) + 1)
		memcpy(&end, text.p + text.n - sizeof(end) - 1, sizeof(end));
	return (size_t)((end * UINT64_C(0x9e3779b97f4a7c15)) >> 32) % KNOWN_TOKENS;
}

const struct token *known_tokens_find(const struct known_tokens *k, struct bytes text)
{
	OBJ_CHECK(k, KNOWN_MAGIC);
	const struct known *at = k->at[place_of(text)];
	return at != NULL && bytes_eq(bytes_of(at->text, at->text_n), text) ? &at->t : NULL;
}

static struct bytes keep(uint8_t **to, struct bytes s)
{
	uint8_t *p = *to;
	if (s.n > 0)
		memcpy(p, s.p, s.n);
	*to += s.n;
	return bytes_of(p, s.n);
}

void known_tokens_add(struct known_tokens *k, struct bytes text, const struct token *t)
{
	OBJ_CHECK(k, KNOWN_MAGIC);
	size_t n = text.n + t->origin.n + t->content.n + t->client.n + t->entry.n;
	for (size_t i = 0; i < t->prefixes_n; i++)
		n += t->prefixes[i].n;
	struct known *one = malloc(sizeof(*one) + n);
	CHECK(one != NULL);
	uint8_t *to = one->text;
	(void)keep(&to, text);
	one->text_n = text.n;
	one->t = *t;
	one->t.origin = keep(&to, t->origin);
	one->t.content = keep(&to, t->content);
	one->t.client = keep(&to, t->client);
	one->t.entry = keep(&to, t->entry);
	for (size_t i = 0; i < t->prefixes_n; i++)
		one->t.prefixes[i] = keep(&to, t->prefixes[i]);
	struct known **at = &k->at[place_of(text)];
	free(*at);
	*at = one;
}
