#include "node/token_keys.h"

#include <sodium/crypto_generichash.h>
#include <sodium/utils.h>
#include <string.h>

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static struct bytes trim(struct bytes s)
{
	while (s.n > 0 && is_space(s.p[0]))
		s = bytes_from(s, 1);
	while (s.n > 0 && is_space(s.p[s.n - 1]))
		s.n--;
	return s;
}

static bool id_ok(struct bytes id)
{
	if (id.n == 0 || id.n > TOKEN_KEY_ID_MAX)
		return false;
	for (size_t i = 0; i < id.n; i++) {
		uint8_t c = id.p[i];
		bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
		          c == '-';
		if (!ok)
			return false;
	}
	return true;
}

/* One MAC key a kind. The names of the uses are part of the format: they never change. */
static void derive(struct token_key *key, const uint8_t secret[TOKEN_KEY_BYTES])
{
	static const char *const uses[TOKEN_KINDS] = { "warmcast token 1 playback", "warmcast token 1 session" };
	for (unsigned i = 0; i < TOKEN_KINDS; i++)
		crypto_generichash(key->mac_key[i], TOKEN_KEY_BYTES, (const uint8_t *)uses[i], strlen(uses[i]),
		    secret, TOKEN_KEY_BYTES);
}

static enum err parse_line(struct bytes line, struct token_key *out)
{
	size_t colon = bytes_index(line, ':');
	struct bytes id = bytes_head(line, colon);
	if (colon == line.n || !id_ok(id))
		return ERR_INVALID;
	struct bytes text = bytes_from(line, colon + 1);
	uint8_t secret[TOKEN_KEY_BYTES];
	size_t secret_n;
	/* Strict: standard alphabet, padded, no stray bits, nothing after it. */
	if (sodium_base642bin(secret, sizeof(secret), (const char *)text.p, text.n, NULL, &secret_n, NULL,
	        sodium_base64_VARIANT_ORIGINAL) != 0 ||
	    secret_n != sizeof(secret)) {
		sodium_memzero(secret, sizeof(secret));
		return ERR_INVALID;
	}
	memcpy(out->id, id.p, id.n);
	out->id_n = id.n;
	derive(out, secret);
	sodium_memzero(secret, sizeof(secret));
	return OK;
}

static enum err add_line(struct token_keys *k, struct bytes line)
{
	struct token_key key = { 0 };
	enum err e = parse_line(line, &key);
	if (e == OK && token_keys_find(k, bytes_of(key.id, key.id_n)) != NULL)
		e = ERR_EXISTS;
	if (e == OK && k->n == TOKEN_KEYS_MAX)
		e = ERR_TOO_BIG;
	if (e == OK)
		k->keys[k->n++] = key;
	sodium_memzero(&key, sizeof(key));
	return e;
}

enum err token_keys_parse(struct bytes text, struct token_keys *out, size_t *bad_line)
{
	struct token_keys k = { .n = 0 };
	enum err e = OK;
	size_t line_no = 0;
	while (text.n > 0 && e == OK) {
		size_t end = bytes_index(text, '\n');
		struct bytes line = trim(bytes_head(text, end));
		text = bytes_from(text, end < text.n ? end + 1 : end);
		line_no++;
		if (line.n > 0 && line.p[0] != '#')
			e = add_line(&k, line);
	}
	if (e == OK && k.n == 0) {
		e = ERR_INVALID;
		line_no = 0;
	}
	if (e == OK)
		*out = k;
	else
		*bad_line = line_no;
	sodium_memzero(&k, sizeof(k));
	return e;
}

void token_keys_fini(struct token_keys *k)
{
	sodium_memzero(k, sizeof(*k));
}

const struct token_key *token_keys_find(const struct token_keys *k, struct bytes id)
{
	for (size_t i = 0; i < k->n; i++)
		if (bytes_eq(bytes_of(k->keys[i].id, k->keys[i].id_n), id))
			return &k->keys[i];
	return NULL;
}
