/* The text of a key file: `id:base64`, one key a line. Tokens and the cluster's own key are kept so.
 *
 * Pure. Blank lines and lines that start with `#` are skipped. Secrets are 32 bytes in the standard
 * alphabet of base64 (RFC 4648, section 4), padded and canonical. Who gets them wipes them.
 */
#ifndef BASE_KEY_FILE_H
#define BASE_KEY_FILE_H

#include "base/bytes.h"

enum {
	KEY_ID_MAX = 16, /* bytes of [a-zA-Z0-9_-] */
	KEY_SECRET_BYTES = 32,
};

/* No secret: it names a key. */
struct key_id {
	char b[KEY_ID_MAX];
	size_t n;
};

struct key_secret {
	struct key_id id;
	uint8_t secret[KEY_SECRET_BYTES];
};

/* ERR_INVALID when it is empty, too long, or has other characters. */
MUST_USE enum err key_id_set(struct key_id *out, struct bytes text);
struct bytes key_id_bytes(const struct key_id *id);

/* Reads at most `max` keys into `out`, in the order of the file. ERR_INVALID: a malformed line, a key that is
 * not 32 bytes, or no key at all; ERR_EXISTS: an id twice; ERR_TOO_BIG: more than `max`. *bad_line then
 * counts from 1, 0 when no single line is at fault, and `out` holds no secret. */
MUST_USE enum err key_file_parse(
    struct bytes text, struct key_secret *out, size_t max, size_t *n, size_t *bad_line);

#endif
