#include "node/delivery/known_tokens.h"

#include "base/hash.h"
#include "base/obj.h"

#include <string.h>

#define KNOWN_TOKENS_MAGIC 0x6b746f6bu

enum { WAYS = 4, BUCKETS = KNOWN_TOKENS_MAX / WAYS, TAG_BYTES = 16 };

struct known {
	uint64_t used;    /* of the table's count of uses */
	uint32_t version; /* of the keys */
	uint8_t tag[TAG_BYTES];
	struct token token;
	size_t text_n;
	uint8_t bytes[]; /* the text, and what the token's slices point to */
};

struct known_tokens {
	unsigned magic;
	uint64_t uses;
	struct known *rows[BUCKETS][WAYS];
};

struct known_tokens *known_tokens_new(void)
{
	return OBJ_NEW(struct known_tokens, KNOWN_TOKENS_MAGIC);
}

void known_tokens_free(struct known_tokens *k)
{
	if (k == NULL)
		return;
	OBJ_CHECK(k, KNOWN_TOKENS_MAGIC);
	for (size_t i = 0; i < BUCKETS; i++)
		for (size_t way = 0; way < WAYS; way++)
			free(k->rows[i][way]);
	OBJ_FREE(k);
}

/* A token ends with its MAC, so its last characters are as good as a hash; and who does not know them learns
 * nothing by how long the rest is compared. */
static bool tag_of(struct bytes text, uint8_t tag[TAG_BYTES])
{
	if (text.n < TAG_BYTES)
		return false;
	memcpy(tag, text.p + text.n - TAG_BYTES, TAG_BYTES);
	return true;
}

static struct known **bucket_of(struct known_tokens *k, const uint8_t tag[TAG_BYTES])
{
	uint64_t h;
	memcpy(&h, tag, sizeof(h));
	return k->rows[hash_mix(h) % BUCKETS];
}

static bool is_it(const struct known *row, const uint8_t tag[TAG_BYTES], struct bytes text, uint32_t version)
{
	return row != NULL && row->version == version && memcmp(row->tag, tag, TAG_BYTES) == 0 &&
	       bytes_eq(bytes_of(row->bytes, row->text_n), text);
}

const struct token *known_tokens_find(struct known_tokens *k, uint32_t version, struct bytes text)
{
	OBJ_CHECK(k, KNOWN_TOKENS_MAGIC);
	uint8_t tag[TAG_BYTES];
	if (!tag_of(text, tag))
		return NULL;
	struct known **bucket = bucket_of(k, tag);
	for (size_t way = 0; way < WAYS; way++) {
		if (!is_it(bucket[way], tag, text, version))
			continue;
		bucket[way]->used = ++k->uses;
		return &bucket[way]->token;
	}
	return NULL;
}

static struct bytes move_in(uint8_t **at, struct bytes s)
{
	uint8_t *p = *at;
	if (s.n > 0)
		memcpy(p, s.p, s.n);
	*at += s.n;
	return bytes_of(p, s.n);
}

static struct known *known_new(struct bytes text, const struct token *t)
{
	size_t n = text.n + t->origin.n + t->content.n + t->client.n + t->entry.n;
	for (size_t i = 0; i < t->prefixes_n; i++)
		n += t->prefixes[i].n;
	struct known *row = malloc(sizeof(*row) + n);
	CHECK(row != NULL);
	uint8_t *at = row->bytes;
	row->text_n = text.n;
	(void)move_in(&at, text);
	row->token = *t;
	row->token.origin = move_in(&at, t->origin);
	row->token.content = move_in(&at, t->content);
	row->token.client = move_in(&at, t->client);
	row->token.entry = move_in(&at, t->entry);
	for (size_t i = 0; i < t->prefixes_n; i++)
		row->token.prefixes[i] = move_in(&at, t->prefixes[i]);
	return row;
}

void known_tokens_keep(struct known_tokens *k, uint32_t version, struct bytes text, const struct token *t)
{
	OBJ_CHECK(k, KNOWN_TOKENS_MAGIC);
	uint8_t tag[TAG_BYTES];
	if (!tag_of(text, tag))
		return;
	struct known **bucket = bucket_of(k, tag), **to = bucket;
	for (size_t way = 1; way < WAYS && *to != NULL; way++)
		if (bucket[way] == NULL || bucket[way]->used < (*to)->used)
			to = &bucket[way];
	free(*to);
	*to = known_new(text, t);
	memcpy((*to)->tag, tag, TAG_BYTES);
	(*to)->used = ++k->uses;
	(*to)->version = version;
}
