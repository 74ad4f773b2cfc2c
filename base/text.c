#include "base/text.h"

#include <endian.h>
#include <string.h>

enum { PLAIN_BLOCK_BYTES = 32 };

void text_hex(char *out, struct bytes in)
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < in.n; i++) {
		*out++ = digits[in.p[i] >> 4];
		*out++ = digits[in.p[i] & 15];
	}
	*out = '\0';
}

static int hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

enum err text_unhex(uint8_t *out, struct bytes in)
{
	if (in.n % 2 != 0)
		return ERR_INVALID;
	for (size_t i = 0; i < in.n; i += 2) {
		int hi = hex_value(in.p[i]), lo = hex_value(in.p[i + 1]);
		if (hi < 0 || lo < 0)
			return ERR_INVALID;
		*out++ = (uint8_t)(hi << 4 | lo);
	}
	return OK;
}

void text_base64url(char *out, struct bytes in)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const uint8_t *p = in.p;
	size_t left = in.n;
	for (uint32_t four; left > 3; left -= 3, p += 3) { /* of which three are taken */
		memcpy(&four, p, sizeof(four));
		four = be32toh(four);
		*out++ = digits[four >> 26];
		*out++ = digits[four >> 20 & 63];
		*out++ = digits[four >> 14 & 63];
		*out++ = digits[four >> 8 & 63];
	}
	uint32_t rest = 0;
	for (size_t i = 0; i < left; i++)
		rest |= (uint32_t)p[i] << (24 - 8 * i);
	for (size_t i = 0; left > 0 && i <= left; i++)
		*out++ = digits[rest >> (26 - 6 * i) & 63];
}

static int base64url_value(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

enum err text_unbase64url(uint8_t *out, size_t *out_n, struct bytes in)
{
	if (in.n % 4 == 1)
		return ERR_INVALID;
	size_t n = in.n / 4 * 3 + (in.n % 4 == 0 ? 0 : in.n % 4 - 1);
	if (n > *out_n)
		return ERR_TOO_BIG;
	uint32_t acc = 0;
	unsigned bits = 0;
	for (size_t i = 0; i < in.n; i++) {
		int v = base64url_value(in.p[i]);
		if (v < 0)
			return ERR_INVALID;
		acc = acc << 6 | (uint32_t)v;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			*out++ = (uint8_t)(acc >> bits);
		}
	}
	if (bits > 0 && (acc & ((1u << bits) - 1)) != 0)
		return ERR_INVALID;
	*out_n = n;
	return OK;
}

/* Length of the well-formed sequence at s (RFC 3629, section 4), or 0. */
static size_t utf8_sequence(struct bytes s)
{
	uint8_t c = s.p[0];
	if (c < 0x80)
		return c == 0 ? 0 : 1;
	size_t n = c >= 0xc2 && c <= 0xdf ? 2 : (c & 0xf0) == 0xe0 ? 3 : c >= 0xf0 && c <= 0xf4 ? 4 : 0;
	if (n == 0 || s.n < n)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((s.p[i] & 0xc0) != 0x80)
			return 0;
	uint8_t second = s.p[1];
	if ((c == 0xe0 && second < 0xa0) || (c == 0xed && second > 0x9f) || (c == 0xf0 && second < 0x90) ||
	    (c == 0xf4 && second > 0x8f))
		return 0;
	return n;
}

/* ASCII without NUL, as nearly all names are. A borrow can hide none, and invent a zero only above one that
 * is there. */
static bool is_plain_word(const uint8_t *p)
{
	static const uint64_t ones = UINT64_MAX / 255, highs = UINT64_MAX / 255 * 128;
	uint64_t word;
	memcpy(&word, p, sizeof(word));
	return ((word | (word - ones)) & highs) == 0;
}

/* The same of many: a loop that compilers turn into a few instructions. */
static bool is_plain_block(const uint8_t *p)
{
	uint8_t any = 0;
	for (unsigned i = 0; i < PLAIN_BLOCK_BYTES; i++)
		any |= (uint8_t)((p[i] >= 0x80) | (p[i] == 0));
	return any == 0;
}

bool text_is_utf8(struct bytes s)
{
	while (s.n > 0) {
		if (s.n >= PLAIN_BLOCK_BYTES && is_plain_block(s.p)) {
			s = bytes_from(s, PLAIN_BLOCK_BYTES);
			continue;
		}
		if (s.n >= sizeof(uint64_t) && is_plain_word(s.p)) {
			s = bytes_from(s, sizeof(uint64_t));
			continue;
		}
		size_t n = utf8_sequence(s);
		if (n == 0)
			return false;
		s = bytes_from(s, n);
	}
	return true;
}

size_t text_decimal(char out[TEXT_DECIMAL_MAX], uint64_t v)
{
	char digits[TEXT_DECIMAL_MAX];
	size_t at = sizeof(digits);
	do
		digits[--at] = (char)('0' + v % 10);
	while ((v /= 10) > 0);
	memcpy(out, digits + at, sizeof(digits) - at);
	return sizeof(digits) - at;
}

enum err text_u64(struct bytes s, uint64_t max, uint64_t *out)
{
	if (s.n == 0 || (s.n > 1 && s.p[0] == '0'))
		return ERR_INVALID;
	uint64_t v = 0;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return ERR_INVALID;
		if (__builtin_mul_overflow(v, 10u, &v) || __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v))
			return ERR_TOO_BIG;
	}
	if (v > max)
		return ERR_TOO_BIG;
	*out = v;
	return OK;
}
