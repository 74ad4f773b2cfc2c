#include "node/token_keys.h"

#include "base/check.h"

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

/* -- a slot -- */

/* Each word is stored with release and read with acquire: who reads a word that was written after his set
 * was replaced reads another version afterwards. */

static void put_key(struct token_keys_slot *s, size_t i, const struct token_key *key)
{
	uint64_t words[TOKEN_KEY_WORDS] = { 0 };
	memcpy(words, key, sizeof(*key));
	for (size_t w = 0; w < TOKEN_KEY_WORDS; w++)
		atomic_store_explicit(&s->words[i][w], words[w], memory_order_release);
	sodium_memzero(words, sizeof(words));
}

static void get_key(const struct token_keys_slot *s, size_t i, struct token_key *out)
{
	uint64_t words[TOKEN_KEY_WORDS];
	for (size_t w = 0; w < TOKEN_KEY_WORDS; w++)
		words[w] = atomic_load_explicit(&s->words[i][w], memory_order_acquire);
	memcpy(out, words, sizeof(*out));
}

static void set_keys_n(struct token_keys_slot *s, size_t n)
{
	atomic_store_explicit(&s->n, (uint32_t)n, memory_order_release);
}

static size_t keys_of(const struct token_keys_slot *s)
{
	size_t n = atomic_load_explicit(&s->n, memory_order_acquire);
	CHECK(n <= TOKEN_KEYS_MAX);
	return n;
}

static void wipe(struct token_keys_slot *s)
{
	static const struct token_key none;
	set_keys_n(s, 0);
	for (size_t i = 0; i < TOKEN_KEYS_MAX; i++)
		put_key(s, i, &none);
}

/* -- the set -- */

enum err token_keys_parse(struct bytes text, struct token_keys *out, size_t *bad_line)
{
	struct key_secret found[TOKEN_KEYS_MAX];
	size_t n;
	enum err e = key_file_parse(text, found, TOKEN_KEYS_MAX, &n, bad_line);
	if (e != OK)
		return e;
	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < n; i++) {
		struct token_key key = { .id = found[i].id };
		derive(&key, found[i].secret);
		put_key(&out->slots[0], i, &key);
		sodium_memzero(&key, sizeof(key));
	}
	set_keys_n(&out->slots[0], n);
	sodium_memzero(found, sizeof(found));
	return OK;
}

void token_keys_take(struct token_keys *k, const struct token_keys *next)
{
	uint32_t version = token_keys_version(k);
	const struct token_keys_slot *from = &next->slots[token_keys_version(next) % 2];
	struct token_keys_slot *to = &k->slots[(version + 1) % 2];
	size_t n = keys_of(from);
	CHECK(n > 0);
	for (size_t i = 0; i < n; i++) {
		struct token_key key;
		get_key(from, i, &key);
		put_key(to, i, &key);
		sodium_memzero(&key, sizeof(key));
	}
	set_keys_n(to, n);
	atomic_store_explicit(&k->version, version + 1, memory_order_release);
	wipe(&k->slots[version % 2]);
}

void token_keys_fini(struct token_keys *k)
{
	sodium_memzero(k, sizeof(*k));
}

uint32_t token_keys_version(const struct token_keys *k)
{
	return atomic_load_explicit(&k->version, memory_order_acquire);
}

/* -- reading -- */

/* The key of that id, or the first one where that is NULL. */
static bool look(const struct token_keys_slot *s, const struct bytes *id, struct token_key *out)
{
	size_t n = keys_of(s);
	for (size_t i = 0; i < n; i++) {
		get_key(s, i, out);
		/* A key that is just being wiped says anything, its length too. */
		if (id == NULL || (out->id.n <= KEY_ID_MAX && bytes_eq(key_id_bytes(&out->id), *id)))
			return true;
	}
	return false;
}

/* Comes round again only when another set was put in force meanwhile. */
static bool read_key(const struct token_keys *k, const struct bytes *id, struct token_key *out)
{
	for (;;) {
		uint32_t version = token_keys_version(k);
		bool found = look(&k->slots[version % 2], id, out);
		if (token_keys_version(k) == version)
			return found;
	}
}

size_t token_keys_n(const struct token_keys *k)
{
	for (;;) {
		uint32_t version = token_keys_version(k);
		size_t n = keys_of(&k->slots[version % 2]);
		if (token_keys_version(k) == version)
			return n;
	}
}

bool token_keys_first(const struct token_keys *k, struct token_key *out)
{
	return read_key(k, NULL, out);
}

bool token_keys_find(const struct token_keys *k, struct bytes id, struct token_key *out)
{
	return read_key(k, &id, out);
}
