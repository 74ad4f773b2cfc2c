#include "base/text.h"

#include <endian.h>
#include <string.h>

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

/* -- base64url -- */

/* Sixteen characters at a time, with the compiler's vectors (GCC manual, 6.52): tokens are the larger part
 * of what is written for a session and of what is read for a request. On other byte orders, and for the
 * rest, one at a time. */
typedef uint8_t octets __attribute__((vector_size(16)));
typedef int8_t letters __attribute__((vector_size(16)));
typedef uint32_t quads __attribute__((vector_size(16)));

enum { GROUP_CHARS = 16, GROUP_BYTES = 12, HAS_GROUPS = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ };

static uint32_t big_endian(const uint8_t *p)
{
	uint32_t w;
	memcpy(&w, p, sizeof(w));
	return be32toh(w);
}

/* Of in[GROUP_BYTES + 1], the last one only touched. */
static void encode_group(char out[GROUP_CHARS], const uint8_t *in)
{
	quads q = { big_endian(in), big_endian(in + 3), big_endian(in + 6), big_endian(in + 9) };
	q = (q >> 26) | (q >> 12 & 0x3f00) | (q << 2 & 0x3f0000) | (q << 16 & 0x3f000000);
	letters x = (letters)q;
	x += 'A' + ((x > 25) & ('a' - 'Z' - 1)) - ((x > 51) & ('z' + 1 - '0')) - ((x > 61) & ('9' + 1 - '-')) +
	     ((x > 62) & ('_' - '-' - 1));
	memcpy(out, &x, sizeof(x));
}

void text_base64url(char *out, struct bytes in)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const uint8_t *p = in.p;
	size_t left = in.n;
	for (; HAS_GROUPS && left > GROUP_BYTES; left -= GROUP_BYTES, p += GROUP_BYTES, out += GROUP_CHARS)
		encode_group(out, p);
	for (; left >= 3; left -= 3, p += 3) {
		uint32_t three = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
		*out++ = digits[three >> 18];
		*out++ = digits[three >> 12 & 63];
		*out++ = digits[three >> 6 & 63];
		*out++ = digits[three & 63];
	}
	uint32_t rest = 0;
	for (size_t i = 0; i < left; i++)
		rest |= (uint32_t)p[i] << (24 - 8 * i);
	for (size_t i = 0; left > 0 && i <= left; i++)
		*out++ = digits[rest >> (26 - 6 * i) & 63];
}

static void put_big_endian(uint8_t *p, uint32_t w)
{
	w = htobe32(w);
	memcpy(p, &w, sizeof(w));
}

static bool are_all_set(letters mask)
{
	uint64_t halves[2];
	memcpy(halves, &mask, sizeof(halves));
	return (halves[0] & halves[1]) == UINT64_MAX;
}

/* To out[GROUP_BYTES + 1], the last one only touched. False: a character that is none. */
static bool decode_group(uint8_t *out, const uint8_t in[GROUP_CHARS])
{
	letters c;
	memcpy(&c, in, sizeof(c));
	letters upper = (c >= 'A') & (c <= 'Z'), lower = (c >= 'a') & (c <= 'z'), digit = (c >= '0') & (c <= '9');
	letters minus = c == '-', line = c == '_';
	if (!are_all_set(upper | lower | digit | minus | line))
		return false;
	c += (upper & -'A') + (lower & (26 - 'a')) + (digit & (52 - '0')) + (minus & (62 - '-')) +
	     (line & (63 - '_'));
	quads q = (quads)(octets)c;
	q = (q << 26) | (q << 12 & 0x3f00000) | (q >> 2 & 0xfc000) | (q >> 16 & 0x3f00);
	put_big_endian(out, q[0]);
	put_big_endian(out + 3, q[1]);
	put_big_endian(out + 6, q[2]);
	put_big_endian(out + 9, q[3]);
	return true;
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
	size_t i = 0;
	for (; HAS_GROUPS && in.n - i > GROUP_CHARS; i += GROUP_CHARS, out += GROUP_BYTES)
		if (!decode_group(out, in.p + i))
			return ERR_INVALID;
	for (; i < in.n; i++) {
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

/* A borrow can hide none, and invent a zero only above one that is there. */
static bool is_plain_word(uint64_t word)
{
	static const uint64_t ones = UINT64_MAX / 255, highs = UINT64_MAX / 255 * 128;
	return ((word | (word - ones)) & highs) == 0;
}

static uint64_t word_at(const uint8_t *p)
{
	uint64_t word;
	memcpy(&word, p, sizeof(word));
	return word;
}

/* ASCII without NUL, as nearly all names are. The last word overlaps the one before. */
static bool is_plain(struct bytes s)
{
	if (s.n >= sizeof(uint64_t)) {
		for (size_t i = 0; i + sizeof(uint64_t) < s.n; i += sizeof(uint64_t))
			if (!is_plain_word(word_at(s.p + i)))
				return false;
		return is_plain_word(word_at(s.p + s.n - sizeof(uint64_t)));
	}
	uint32_t head, tail;
	if (s.n >= sizeof(head)) {
		memcpy(&head, s.p, sizeof(head));
		memcpy(&tail, s.p + s.n - sizeof(tail), sizeof(tail));
		return is_plain_word((uint64_t)head << 32 | tail);
	}
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == 0 || s.p[i] >= 0x80)
			return false;
	return true;
}

bool text_is_utf8(struct bytes s)
{
	if (is_plain(s))
		return true;
	for (size_t i = 0, n; i < s.n; i += n)
		if ((n = utf8_sequence(bytes_from(s, i))) == 0)
			return false;
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
