#include "tests/bench/load/uri.h"

static const struct bytes scheme = { (const uint8_t *)"http://", 7 };

static bool is_clean(struct bytes text)
{
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] <= ' ' || text.p[i] == 0x7f)
			return false;
	return true;
}

/* How long the part before the first of the two characters is. */
static size_t part_before(struct bytes text, uint8_t a, uint8_t b)
{
	size_t at = bytes_index(text, a), other = bytes_index(text, b);
	return at < other ? at : other;
}

enum err uri_parse(struct bytes text, struct uri *out)
{
	if (!is_clean(text))
		return ERR_INVALID;
	if (!bytes_starts_with(text, scheme))
		return bytes_index(text, ':') < text.n ? ERR_VERSION : ERR_INVALID;
	struct bytes rest = bytes_from(text, scheme.n);
	size_t end = part_before(rest, '/', '?');
	if (end == 0)
		return ERR_INVALID;
	out->authority = bytes_head(rest, end);
	out->target = bytes_from(rest, end);
	return OK;
}

static bool has_scheme(struct bytes reference)
{
	size_t colon = bytes_index(reference, ':');
	return colon < reference.n && colon < part_before(reference, '/', '?');
}

/* Appends a path segment by segment (RFC 3986, 5.2.4); `start` is where the path begins in `out`. */
static void put_segments(struct buf *out, size_t start, struct bytes path)
{
	while (path.n > 0) {
		size_t end = bytes_index(path, '/');
		struct bytes segment = bytes_head(path, end);
		bool last = end == path.n;
		path = bytes_from(path, last ? end : end + 1);
		if (bytes_eq(segment, BYTES_LIT(".")))
			continue;
		if (bytes_eq(segment, BYTES_LIT(".."))) {
			if (out->n > start) /* the slash, then the segment before it */
				out->n--;
			while (out->n > start && out->p[out->n - 1] != '/')
				out->n--;
			continue;
		}
		buf_put_bytes(out, segment);
		if (!last)
			buf_put_u8(out, '/');
	}
}

enum err uri_resolve(struct bytes base, struct bytes reference, struct buf *out)
{
	struct uri b;
	enum err e = uri_parse(base, &b);
	if (e != OK || !is_clean(reference))
		return e != OK ? e : ERR_INVALID;
	buf_clear(out);
	reference = bytes_head(reference, bytes_index(reference, '#'));
	if (has_scheme(reference)) {
		buf_put_bytes(out, reference);
		return buf_err(out);
	}
	if (bytes_starts_with(reference, BYTES_LIT("//"))) {
		buf_put_str(out, "http:");
		buf_put_bytes(out, reference);
		return buf_err(out);
	}
	size_t query = bytes_index(reference, '?');
	struct bytes path = bytes_head(reference, query);
	struct bytes base_path = bytes_head(b.target, bytes_index(b.target, '?'));
	size_t folder = base_path.n;
	while (folder > 0 && base_path.p[folder - 1] != '/')
		folder--;
	buf_put_bytes(out, scheme);
	buf_put_bytes(out, b.authority);
	buf_put_u8(out, '/');
	size_t start = out->n;
	if (reference.n == 0 || path.n == 0) { /* the document itself, perhaps with another query */
		put_segments(out, start, bytes_from(base_path, base_path.n > 0));
	} else if (path.p[0] == '/') {
		put_segments(out, start, bytes_from(path, 1));
	} else {
		put_segments(out, start, bytes_from(bytes_head(base_path, folder), folder > 0));
		put_segments(out, start, path);
	}
	buf_put_bytes(out, bytes_from(reference, query));
	return buf_err(out);
}
