/* Small conversions between bytes and text that several rooms need. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include "base/bytes.h"

/* Lower-case hex; out has room for 2 * in.n + 1. */
void text_hex(char *out, struct bytes in);
/* out gets in.n / 2 bytes. ERR_INVALID on an odd length or a character that is not hex. */
MUST_USE enum err text_unhex(uint8_t *out, struct bytes in);

/* URL-safe base64 without padding (RFC 4648, section 5). */
#define TEXT_BASE64URL_LEN(n) (((n)*4 + 2) / 3)
/* out gets exactly TEXT_BASE64URL_LEN(in.n) characters, no NUL. */
void text_base64url(char *out, struct bytes in);
/* Decodes canonical text only (no padding, no stray bits): one value has one spelling. *out_n is
 * the room on entry and the length on return. ERR_INVALID, or ERR_TOO_BIG when it does not fit. */
MUST_USE enum err text_unbase64url(uint8_t *out, size_t *out_n, struct bytes in);

/* Well-formed UTF-8 (no surrogates, no overlong forms) without NUL. */
bool text_is_utf8(struct bytes s);

/* The digits of v, no NUL; returns how many. */
enum { TEXT_DECIMAL_MAX = 20 };
size_t text_decimal(char out[TEXT_DECIMAL_MAX], uint64_t v);

/* Whole decimal number without sign or leading zero, in [0, max]. */
MUST_USE enum err text_u64(struct bytes s, uint64_t max, uint64_t *out);

#endif
