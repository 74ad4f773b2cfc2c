#include "node/warm/resolve.h"

#include "node/http/path.h"

#include <string.h>

/* "scheme:", before any other part (RFC 3986, section 3.1). */
static bool has_scheme(struct bytes uri)
{
	for (size_t i = 0; i < uri.n; i++) {
		uint8_t c = uri.p[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		if (c == ':')
			return i > 0;
		if (!letter && (i == 0 || !((c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.')))
			return false;
	}
	return false;
}

static size_t last_slash(struct bytes path)
{
	size_t i = path.n;
	while (i > 0 && path.p[i - 1] != '/')
		i--;
	return i > 0 ? i - 1 : path.n;
}

/* Takes a segment off; it may be empty. */
static bool next_segment(struct bytes *path, struct bytes *segment)
{
	if (path->p == NULL)
		return false;
	size_t end = bytes_index(*path, '/');
	*segment = bytes_head(*path, end);
	*path = end < path->n ? bytes_from(*path, end + 1) : BYTES_NONE;
	return true;
}

/* Goes from the folder `at` (of room bytes, at least at->n + path.n + 1) to where `path` leads; false: above
 * the first folder, or to an empty segment. */
static bool walk(struct bytes path, uint8_t *at, size_t *n)
{
	struct bytes segment;
	while (next_segment(&path, &segment)) {
		if (bytes_eq(segment, BYTES_LIT(".")))
			continue;
		if (bytes_eq(segment, BYTES_LIT(".."))) {
			struct bytes here = bytes_of(at, *n);
			if (*n == 0)
				return false;
			*n = last_slash(here) < here.n ? last_slash(here) : 0;
			continue;
		}
		if (segment.n == 0)
			return false;
		at[(*n)++] = '/';
		memcpy(at + *n, segment.p, segment.n);
		*n += segment.n;
	}
	return true;
}

enum err warm_resolve(
    struct bytes content, struct bytes base, struct bytes uri, struct arena *a, struct bytes *object)
{
	uri = bytes_head(uri, bytes_index(uri, '#'));
	uri = bytes_head(uri, bytes_index(uri, '?'));
	size_t folder = last_slash(base);
	if (uri.n == 0 || uri.p[0] == '/' || has_scheme(uri) || folder == base.n)
		return ERR_NOT_FOUND;
	/* The folder is encoded as the uri is, so that both are decoded at once. */
	struct buf path;
	buf_init(&path, 4 * (base.n + uri.n) + 2);
	buf_put_u8(&path, '/');
	http_path_encode(&path, bytes_head(base, folder));
	uint8_t *walked = buf_err(&path) == OK ? arena_alloc(a, path.n + uri.n + 2) : NULL;
	size_t n = path.n;
	if (walked == NULL) {
		buf_fini(&path);
		return ERR_NO_MEMORY;
	}
	memcpy(walked, path.p, n);
	buf_fini(&path);
	struct bytes decoded;
	if (!walk(uri, walked, &n))
		return ERR_NOT_FOUND;
	enum err e = http_path_decode(a, bytes_of(walked, n), &decoded);
	if (e != OK)
		return e == ERR_NO_MEMORY ? e : ERR_NOT_FOUND;
	struct bytes inside = bytes_from(decoded, decoded.n > 0 ? 1 : 0);
	if (!bytes_starts_with(inside, content) || inside.n < content.n + 2 || inside.p[content.n] != '/')
		return ERR_NOT_FOUND;
	*object = inside;
	return OK;
}
