#include "base/key_file.h"

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

enum err key_id_set(struct key_id *out, struct bytes text)
{
	if (text.n == 0 || text.n > KEY_ID_MAX)
		return ERR_INVALID;
	for (size_t i = 0; i < text.n; i++) {
		uint8_t c = text.p[i];
		bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
		          c == '-';
		if (!ok)
			return ERR_INVALID;
	}
	*out = (struct key_id){ .n = text.n };
	memcpy(out->b, text.p, text.n);
	return OK;
}

struct bytes key_id_bytes(const struct key_id *id)
{
	return bytes_of(id->b, id->n);
}

static enum err parse_line(struct bytes line, struct key_secret *out)
{
	size_t colon = bytes_index(line, ':');
	if (colon == line.n || key_id_set(&out->id, bytes_head(line, colon)) != OK)
		return ERR_INVALID;
	struct bytes text = bytes_from(line, colon + 1);
	size_t secret_n;
	/* Strict: standard alphabet, padded, no stray bits, nothing after it. */
	if (sodium_base642bin(out->secret, sizeof(out->secret), (const char *)text.p, text.n, NULL, &secret_n,
	        NULL, sodium_base64_VARIANT_ORIGINAL) != 0 ||
	    secret_n != sizeof(out->secret))
		return ERR_INVALID;
	return OK;
}

static bool is_there(const struct key_secret *keys, size_t n, const struct key_id *id)
{
	for (size_t i = 0; i < n; i++)
		if (bytes_eq(key_id_bytes(&keys[i].id), key_id_bytes(id)))
			return true;
	return false;
}

static enum err add_line(struct bytes line, struct key_secret *out, size_t max, size_t *n)
{
	struct key_secret key = { 0 };
	enum err e = parse_line(line, &key);
	if (e == OK && is_there(out, *n, &key.id))
		e = ERR_EXISTS;
	if (e == OK && *n == max)
		e = ERR_TOO_BIG;
	if (e == OK)
		out[(*n)++] = key;
	sodium_memzero(&key, sizeof(key));
	return e;
}

enum err key_file_parse(struct bytes text, struct key_secret *out, size_t max, size_t *n, size_t *bad_line)
{
	enum err e = OK;
	size_t line_no = 0, found = 0;
	while (text.n > 0 && e == OK) {
		size_t end = bytes_index(text, '\n');
		struct bytes line = trim(bytes_head(text, end));
		text = bytes_from(text, end < text.n ? end + 1 : end);
		line_no++;
		if (line.n > 0 && line.p[0] != '#')
			e = add_line(line, out, max, &found);
	}
	if (e == OK && found == 0) {
		e = ERR_INVALID;
		line_no = 0;
	}
	if (e == OK) {
		*n = found;
	} else {
		*bad_line = line_no;
		sodium_memzero(out, max * sizeof(*out));
	}
	return e;
}
