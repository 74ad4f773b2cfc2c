/* Who may create sessions: the keys of `secrets.api_keys_file`, one a line:
 *
 *     NAME:KEY [rate=100/s] [burst=200] [prefixes=vod/,live/]
 *
 * NAME is of [A-Za-z0-9._-] and is what logs and other tables know a key by; KEY is of the characters of a
 * bearer token (RFC 6750, section 2.1). Without `rate` there is no limit; `burst` is how many may come at
 * once, by default one second's worth. `prefixes` are beginnings of content ids, compared as bytes; without
 * them all are allowed. Blank lines and lines that start with # are skipped.
 *
 * Pure; immutable once parsed. No key is kept: only its BLAKE2b (RFC 7693) under a random key of this
 * process, so that what a caller presents decides nothing about where a comparison ends, and what is in
 * memory opens nothing.
 */
#ifndef NODE_API_API_KEYS_H
#define NODE_API_API_KEYS_H

#include "base/bytes.h"

enum {
	API_KEYS_MAX = 1024,
	API_KEYS_FILE_MAX = 256 * 1024, /* bytes */
	API_KEY_NAME_MAX = 64,
	API_KEY_MIN = 16, /* characters of a key: fewer can be guessed */
	API_KEY_MAX = 256,
	API_KEY_PREFIXES_MAX = 512, /* bytes of all prefixes of a key, with commas */
	API_KEY_DIGEST_BYTES = 32,
	API_KEY_RATE_MAX = 60 * 1000000, /* a minute */
};

struct api_key {
	char name[API_KEY_NAME_MAX + 1];
	uint8_t digest[API_KEY_DIGEST_BYTES];
	uint32_t rate_per_min; /* 0: no limit */
	uint32_t burst;
	char prefixes[API_KEY_PREFIXES_MAX + 1]; /* separated by commas; "" = all contents */
};

struct api_keys;

/* What is wrong with the text; `what` is a literal and holds nothing of the text. */
struct api_keys_fault {
	size_t line; /* from 1; 0: of no single line */
	const char *what;
};

/* What a line may hold, for an error. */
#define API_KEYS_ALLOWED                                                                       \
	"each line is NAME:KEY [rate=N/s or N/m] [burst=N] [prefixes=P,P], NAME of A-Z a-z 0-9 . " \
	"_ -, KEY of 16 to 256 of A-Z a-z 0-9 - . _ ~ + / ="

/* `secret` is random and kept, wiped by api_keys_free. ERR_INVALID, ERR_EXISTS (a name or a key twice) or
 * ERR_TOO_BIG with *fault. */
MUST_USE enum err api_keys_parse(struct bytes text, const uint8_t secret[API_KEY_DIGEST_BYTES],
    struct api_keys **out, struct api_keys_fault *fault);
/* NULL is fine. */
void api_keys_free(struct api_keys *k);
size_t api_keys_n(const struct api_keys *k);

/* The key that was presented, copied; false when it is none of them. */
bool api_keys_find(const struct api_keys *k, struct bytes presented, struct api_key *out);
/* What stands in "Authorization: Bearer KEY"; empty when it is not of that form. */
struct bytes api_key_of_header(struct bytes authorization);
/* Whether `name`, a content id or another prefix that a token would open, begins with one of the key's. */
bool api_key_opens(const struct api_key *key, struct bytes name);

#endif
