#include "node/http/path.h"

#include "base/text.h"

#include <string.h>

static bool unescape(struct bytes path, size_t at, uint8_t *out)
{
	return path.n - at >= 3 && text_unhex(out, bytes_of(path.p + at + 1, 2)) == OK;
}

static bool is_segment(struct bytes s)
{
	return s.n > 0 && !bytes_eq(s, BYTES_LIT(".")) && !bytes_eq(s, BYTES_LIT(".."));
}

static enum err unescape_all(struct arena *a, struct bytes path, struct bytes *out)
{
	uint8_t *to = arena_alloc(a, path.n);
	if (to == NULL)
		return ERR_NO_MEMORY;
	size_t n = 0;
	for (size_t i = 0; i < path.n; i++) {
		uint8_t c = path.p[i];
		if (c == '%') {
			if (!unescape(path, i, &c) || c == '/')
				return ERR_INVALID;
			i += 2;
		}
		to[n++] = c;
	}
	*out = bytes_of(to, n);
	return OK;
}

enum err http_path_decode(struct arena *a, struct bytes path, struct bytes *out)
{
	if (path.n == 0 || path.p[0] != '/')
		return ERR_INVALID;
	struct bytes decoded = path;
	enum err e = bytes_index(path, '%') < path.n ? unescape_all(a, path, &decoded) : OK;
	if (e != OK)
		return e;
	if (!text_is_utf8(decoded)) /* NUL is none */
		return ERR_INVALID;
	struct bytes rest = decoded, segment;
	while (decoded.n > 1 && rest.n > 0) {
		if (!http_path_next(&rest, &segment) || !is_segment(segment))
			return ERR_INVALID;
	}
	*out = decoded;
	return OK;
}

bool http_path_next(struct bytes *path, struct bytes *segment)
{
	if (path->n < 2 || path->p[0] != '/')
		return false;
	struct bytes rest = bytes_from(*path, 1);
	size_t end = bytes_index(rest, '/');
	*segment = bytes_head(rest, end);
	*path = bytes_from(rest, end);
	return true;
}

/* How many bytes at the start stand for themselves in a path: unreserved characters (RFC 3986, 2.3) and the
 * slash. */
static size_t plain_run(struct bytes s)
{
	static const bool plain[256] = {
		['0' ... '9'] = true,
		['A' ... 'Z'] = true,
		['a' ... 'z'] = true,
		['-' ... '/'] = true,
		['_'] = true,
		['~'] = true,
	};
	size_t n = 0;
	while (n < s.n && plain[s.p[n]])
		n++;
	return n;
}

void http_path_encode(struct buf *out, struct bytes path)
{
	static const char hex[] = "0123456789ABCDEF";
	for (;;) {
		size_t plain = plain_run(path);
		buf_put_bytes(out, bytes_head(path, plain));
		if (plain == path.n)
			return;
		uint8_t c = path.p[plain];
		uint8_t escaped[3] = { '%', (uint8_t)hex[c >> 4], (uint8_t)hex[c & 15] };
		buf_put(out, escaped, sizeof(escaped));
		path = bytes_from(path, plain + 1);
	}
}

struct bytes http_query(struct bytes query, const char *name)
{
	struct bytes wanted = bytes_str(name);
	while (query.n > 0) {
		size_t end = bytes_index(query, '&');
		struct bytes pair = bytes_head(query, end);
		size_t eq = bytes_index(pair, '=');
		if (bytes_eq(bytes_head(pair, eq), wanted))
			return bytes_from(pair, eq < pair.n ? eq + 1 : eq);
		query = bytes_from(query, end < query.n ? end + 1 : end);
	}
	return BYTES_NONE;
}
