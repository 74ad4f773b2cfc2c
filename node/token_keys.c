#include "node/token_keys.h"

#include <sodium/utils.h>
#include <string.h>

_Static_assert(TOKEN_KINDS *TOKEN_MAC_BYTES <= TOKEN_MACS_BYTES, "each kind has its part");
_Static_assert(TOKEN_MACS_BYTES <= crypto_generichash_BYTES_MAX, "BLAKE2b gives as much");

/* The name of the use is part of the format: it never changes. */
static void derive(struct token_key *key, const uint8_t secret[TOKEN_KEY_BYTES])
{
	static const char use[] = "warmcast token 2";
	uint8_t mac_key[TOKEN_KEY_BYTES];
	crypto_generichash_state state;
	crypto_generichash(
	    mac_key, sizeof(mac_key), (const uint8_t *)use, sizeof(use) - 1, secret, TOKEN_KEY_BYTES);
	crypto_generichash_init(&state, mac_key, sizeof(mac_key), TOKEN_MACS_BYTES);
	memcpy(key->keyed, &state, sizeof(state));
	sodium_memzero(mac_key, sizeof(mac_key));
	sodium_memzero(&state, sizeof(state));
}

enum err token_keys_parse(struct bytes text, struct token_keys *out, size_t *bad_line)
{
	struct key_secret found[TOKEN_KEYS_MAX];
	size_t n;
	enum err e = key_file_parse(text, found, TOKEN_KEYS_MAX, &n, bad_line);
	if (e != OK)
		return e;
	*out = (struct token_keys){ .n = n };
	for (size_t i = 0; i < n; i++) {
		struct token_key *key = &out->keys[i];
		key->id_n = found[i].id.n;
		memcpy(key->id, found[i].id.b, key->id_n);
		derive(key, found[i].secret);
	}
	sodium_memzero(found, sizeof(found));
	return OK;
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
