#include "node/origin/object_url.h"

#include "base/address.h"

#include <string.h>

#define KEPT BYTES_LIT("{object}")
#define ENCODED BYTES_LIT("{object_encoded}")

static bool is_unreserved(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
	       c == '.' || c == '_' || c == '~';
}

void object_url_encode(struct buf *out, struct bytes text, bool keep_slashes)
{
	static const char hex[] = "0123456789ABCDEF";
	for (size_t i = 0; i < text.n; i++) {
		uint8_t c = text.p[i];
		if (is_unreserved(c) || (c == '/' && keep_slashes)) {
			buf_put_u8(out, c);
			continue;
		}
		const char coded[3] = { '%', hex[c >> 4], hex[c & 15] };
		buf_put(out, coded, sizeof(coded));
	}
}

void object_url_put(struct buf *out, const char *template, struct bytes object)
{
	for (struct bytes rest = bytes_str(template); rest.n > 0;) {
		if (bytes_starts_with(rest, KEPT)) {
			object_url_encode(out, object, true);
			rest = bytes_from(rest, KEPT.n);
		} else if (bytes_starts_with(rest, ENCODED)) {
			object_url_encode(out, object, false);
			rest = bytes_from(rest, ENCODED.n);
		} else {
			buf_put_u8(out, rest.p[0]);
			rest = bytes_from(rest, 1);
		}
	}
}

/* HOST or HOST:PORT; the port is made up where there is none, to parse it as an address. */
static bool is_host(struct bytes s)
{
	char with_port[256 + 4];
	struct address a;
	if (s.n == 0 || s.n > 256)
		return false;
	if (address_parse(s, &a) == OK)
		return a.port != 0 && !address_is_any(&a);
	memcpy(with_port, s.p, s.n);
	memcpy(with_port + s.n, ":80", 3);
	return address_parse(bytes_of(with_port, s.n + 3), &a) == OK && !address_is_any(&a);
}

static const char *wrong_behind_host(struct bytes rest)
{
	bool found = false;
	while (rest.n > 0) {
		struct bytes word = bytes_starts_with(rest, KEPT)      ? KEPT
		                    : bytes_starts_with(rest, ENCODED) ? ENCODED
		                                                       : BYTES_NONE;
		if (word.n > 0) {
			found = true;
			rest = bytes_from(rest, word.n);
			continue;
		}
		if (rest.p[0] == '{' || rest.p[0] == '}')
			return "has a placeholder that is not known";
		if (rest.p[0] <= ' ' || rest.p[0] >= 0x7f || strchr("\"<>\\^`|#", rest.p[0]) != NULL)
			return "has a character that stands in no URL";
		rest = bytes_from(rest, 1);
	}
	return found ? NULL : "names no object";
}

const char *object_url_wrong(struct bytes template)
{
	struct bytes http = BYTES_LIT("http://"), https = BYTES_LIT("https://");
	size_t scheme = bytes_starts_with(template, http)    ? http.n
	                : bytes_starts_with(template, https) ? https.n
	                                                     : 0;
	if (scheme == 0)
		return "is no http:// or https:// URL";
	struct bytes rest = bytes_from(template, scheme);
	struct bytes host = bytes_head(rest, bytes_index(rest, '/'));
	if (!is_host(host))
		return "has no host";
	return wrong_behind_host(bytes_from(rest, host.n));
}
