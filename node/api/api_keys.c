#include "node/api/api_keys.h"

#include "base/obj.h"
#include "base/text.h"
#include "node/config_value.h"

#include <sodium/crypto_generichash.h>
#include <sodium/utils.h>
#include <string.h>

#define API_KEYS_MAGIC 0x616b6579u

struct api_keys {
	unsigned magic;
	size_t n;
	uint8_t secret[API_KEY_DIGEST_BYTES];
	struct api_key keys[API_KEYS_MAX]; /* sorted by digest */
};

static bool is_alnum(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool only(struct bytes s, const char *besides)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_alnum(s.p[i]) && (s.p[i] == '\0' || strchr(besides, s.p[i]) == NULL))
			return false;
	return true;
}

/* -- one line -- */

/* The next word, up to a blank or a tab; false at the end. */
static bool next_word(struct bytes *line, struct bytes *word)
{
	while (line->n > 0 && (line->p[0] == ' ' || line->p[0] == '\t'))
		*line = bytes_from(*line, 1);
	size_t end = 0;
	while (end < line->n && line->p[end] != ' ' && line->p[end] != '\t')
		end++;
	*word = bytes_head(*line, end);
	*line = bytes_from(*line, end);
	return end > 0;
}

static const char *take_rate(struct bytes text, struct api_key *key)
{
	uint64_t rate;
	if (config_value_rate(text, API_KEY_RATE_MAX, &rate) != NULL || rate == 0)
		return "the rate is not 1/m to 1000000/s";
	key->rate_per_min = (uint32_t)rate;
	return NULL;
}

static const char *take_burst(struct bytes text, struct api_key *key)
{
	uint64_t burst;
	if (text_u64(text, 1000000, &burst) != OK || burst == 0)
		return "the burst is not 1 to 1000000";
	key->burst = (uint32_t)burst;
	return NULL;
}

static const char *take_prefixes(struct bytes text, struct api_key *key)
{
	if (text.n > API_KEY_PREFIXES_MAX)
		return "the prefixes are longer than 512 bytes";
	if (!text_is_utf8(text))
		return "the prefixes are no UTF-8";
	for (struct bytes rest = text;; rest = bytes_from(rest, bytes_index(rest, ',') + 1)) {
		size_t end = bytes_index(rest, ',');
		if (end == 0)
			return "a prefix is empty";
		if (end == rest.n)
			break;
	}
	memcpy(key->prefixes, text.p, text.n);
	key->prefixes[text.n] = '\0';
	return NULL;
}

static const char *take_option(struct bytes word, struct api_key *key)
{
	static const struct {
		struct bytes name;
		const char *(*take)(struct bytes text, struct api_key *key);
	} options[] = {
		{ BYTES_LIT("rate="), take_rate },
		{ BYTES_LIT("burst="), take_burst },
		{ BYTES_LIT("prefixes="), take_prefixes },
	};
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (bytes_starts_with(word, options[i].name))
			return options[i].take(bytes_from(word, options[i].name.n), key);
	return "something stands there that is no option";
}

static void digest_of(const struct api_keys *k, struct bytes text, uint8_t out[API_KEY_DIGEST_BYTES])
{
	crypto_generichash(out, API_KEY_DIGEST_BYTES, text.p, text.n, k->secret, sizeof(k->secret));
}

static const char *take_name(struct bytes word, const struct api_keys *k, struct api_key *key)
{
	size_t colon = bytes_index(word, ':');
	struct bytes name = bytes_head(word, colon);
	if (colon == word.n)
		return "there is no colon between name and key";
	if (name.n == 0 || name.n > API_KEY_NAME_MAX || !only(name, "._-"))
		return "the name is not 1 to 64 of A-Z a-z 0-9 . _ -";
	struct bytes text = bytes_from(word, colon + 1);
	if (text.n < API_KEY_MIN || text.n > API_KEY_MAX)
		return "the key does not have 16 to 256 characters";
	if (!only(text, "-._~+/="))
		return "the key has characters that are not allowed";
	memcpy(key->name, name.p, name.n);
	digest_of(k, text, key->digest);
	return NULL;
}

static const char *parse_line(struct bytes line, const struct api_keys *k, struct api_key *key)
{
	struct bytes word;
	(void)next_word(&line, &word);
	const char *wrong = take_name(word, k, key);
	while (wrong == NULL && next_word(&line, &word))
		wrong = take_option(word, key);
	if (key->burst == 0)
		key->burst = key->rate_per_min < 60 ? 1 : key->rate_per_min / 60;
	return wrong;
}

/* -- the file -- */

static enum err add(struct api_keys *k, const struct api_key *key, struct api_keys_fault *fault)
{
	size_t at = k->n;
	for (size_t i = 0; i < k->n; i++) {
		int c = memcmp(k->keys[i].digest, key->digest, sizeof(key->digest));
		if (strcmp(k->keys[i].name, key->name) == 0 || c == 0) {
			fault->what = c == 0 ? "that key is there already" : "that name is there already";
			return ERR_EXISTS;
		}
		if (c > 0 && at == k->n)
			at = i;
	}
	if (k->n == API_KEYS_MAX) {
		fault->what = "there are more than 1024 keys";
		return ERR_TOO_BIG;
	}
	memmove(&k->keys[at + 1], &k->keys[at], (k->n - at) * sizeof(k->keys[0]));
	k->keys[at] = *key;
	k->n++;
	return OK;
}

static enum err parse_all(struct bytes text, struct api_keys *k, struct api_keys_fault *fault)
{
	enum err e = OK;
	for (fault->line = 1; e == OK && text.n > 0; fault->line += e == OK) {
		size_t end = bytes_index(text, '\n');
		struct bytes line = bytes_head(text, end), rest = line, word;
		text = bytes_from(text, end < text.n ? end + 1 : end);
		if (line.n > 0 && line.p[line.n - 1] == '\r')
			rest = line = bytes_head(line, line.n - 1);
		if (!next_word(&rest, &word) || word.p[0] == '#')
			continue;
		struct api_key key = { .rate_per_min = 0 };
		fault->what = parse_line(line, k, &key);
		e = fault->what != NULL ? ERR_INVALID : add(k, &key, fault);
	}
	if (e == OK && k->n == 0) {
		*fault = (struct api_keys_fault){ 0, "there is no key in it" };
		return ERR_INVALID;
	}
	return e;
}

enum err api_keys_parse(struct bytes text, const uint8_t secret[API_KEY_DIGEST_BYTES], struct api_keys **out,
    struct api_keys_fault *fault)
{
	struct api_keys *k = OBJ_NEW(struct api_keys, API_KEYS_MAGIC);
	memcpy(k->secret, secret, sizeof(k->secret));
	enum err e = parse_all(text, k, fault);
	if (e == OK)
		*out = k;
	else
		api_keys_free(k);
	return e;
}

void api_keys_free(struct api_keys *k)
{
	if (k == NULL)
		return;
	OBJ_CHECK(k, API_KEYS_MAGIC);
	sodium_memzero(k, sizeof(*k));
	free(k);
}

size_t api_keys_n(const struct api_keys *k)
{
	return k->n;
}

/* -- asking -- */

/* The search goes by digests, which nobody outside can aim; what it found is compared in constant time. */
bool api_keys_find(const struct api_keys *k, struct bytes presented, struct api_key *out)
{
	OBJ_CHECK(k, API_KEYS_MAGIC);
	if (presented.n < API_KEY_MIN || presented.n > API_KEY_MAX)
		return false;
	uint8_t digest[API_KEY_DIGEST_BYTES];
	digest_of(k, presented, digest);
	size_t low = 0, high = k->n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (memcmp(k->keys[middle].digest, digest, sizeof(digest)) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	bool found = low < k->n && sodium_memcmp(k->keys[low].digest, digest, sizeof(digest)) == 0;
	if (found)
		*out = k->keys[low];
	sodium_memzero(digest, sizeof(digest));
	return found;
}

struct bytes api_key_of_header(struct bytes authorization)
{
	static const char scheme[] = "bearer ";
	enum { SCHEME_BYTES = sizeof(scheme) - 1 };
	if (authorization.n <= SCHEME_BYTES ||
	    strncasecmp((const char *)authorization.p, scheme, SCHEME_BYTES) != 0)
		return BYTES_NONE;
	struct bytes rest = bytes_from(authorization, SCHEME_BYTES), word, more;
	if (!next_word(&rest, &word) || next_word(&rest, &more))
		return BYTES_NONE;
	return word;
}

bool api_key_opens(const struct api_key *key, struct bytes name)
{
	struct bytes rest = bytes_str(key->prefixes);
	if (rest.n == 0)
		return true;
	for (;;) {
		size_t end = bytes_index(rest, ',');
		if (bytes_starts_with(name, bytes_head(rest, end)))
			return true;
		if (end == rest.n)
			return false;
		rest = bytes_from(rest, end + 1);
	}
}
