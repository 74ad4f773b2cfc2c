#include "node/delivery/request.h"

#include "node/cache/cache.h"
#include "node/http/path.h"

const char *const media_entries[MEDIA_ENTRIES] = { "master.m3u8", "index.m3u8", "manifest.mpd" };

enum err media_path_parse_below(
    struct arena *a, struct bytes first, struct bytes path, struct media_path *out)
{
	struct bytes rest, prefix, token;
	enum err e = http_path_decode(a, path, &rest);
	if (e != OK)
		return e;
	if (!http_path_next(&rest, &prefix) || !bytes_eq(prefix, first) || !http_path_next(&rest, &token) ||
	    rest.n < 2)
		return ERR_INVALID;
	struct bytes object = bytes_from(rest, 1);
	if (object.n > CACHE_OBJECT_MAX)
		return ERR_TOO_BIG;
	*out = (struct media_path){ .token = token, .object = object };
	return OK;
}

enum err media_path_parse(struct arena *a, struct bytes path, struct media_path *out)
{
	return media_path_parse_below(a, BYTES_LIT("p"), path, out);
}

static enum err verify(const struct token_keys *keys, struct known_tokens *known, struct bytes text,
    struct arena *a, struct token *out)
{
	uint32_t version = token_keys_version(keys);
	const struct token *found = known != NULL ? known_tokens_find(known, version, text) : NULL;
	if (found != NULL) {
		*out = *found;
		return OK;
	}
	enum err e = token_verify(keys, text, TOKEN_PLAYBACK, a, out);
	if (e == OK && known != NULL)
		known_tokens_keep(known, version, text, out);
	return e;
}

enum media_access media_authorize(const struct token_keys *keys, struct known_tokens *known,
    const struct media_path *p, struct arena *a, uint64_t now_wall_s, struct token *out)
{
	struct token t;
	enum err e = verify(keys, known, p->token, a, &t);
	if (e == ERR_NO_MEMORY)
		return MEDIA_NO_MEMORY;
	if (e != OK)
		return MEDIA_TOKEN_INVALID;
	if (token_check(&t, now_wall_s) != OK)
		return MEDIA_TOKEN_EXPIRED;
	if (!token_opens(&t, p->object))
		return MEDIA_TOKEN_SCOPE;
	*out = t;
	return MEDIA_ALLOWED;
}

/* cdn-id *( OWS ";" parameter ), by commas (RFC 8586, section 2). */
static bool is_cdn(struct bytes info, const char *id, struct bytes cluster)
{
	struct bytes name = bytes_head(info, bytes_index(info, ';')), prefix = bytes_str(id);
	while (name.n > 0 && (name.p[0] == ' ' || name.p[0] == '\t'))
		name = bytes_from(name, 1);
	while (name.n > 0 && (name.p[name.n - 1] == ' ' || name.p[name.n - 1] == '\t'))
		name.n--;
	return name.n == prefix.n + cluster.n && bytes_starts_with(name, prefix) &&
	       bytes_eq(bytes_from(name, prefix.n), cluster);
}

unsigned media_loops(const struct http_request *r, struct bytes cluster)
{
	unsigned n = 0;
	for (size_t i = 0; i < r->headers_n; i++) {
		if (!http_header_is(r->headers[i].name, "cdn-loop"))
			continue;
		for (struct bytes rest = r->headers[i].value; rest.n > 0;) {
			size_t end = bytes_index(rest, ',');
			n += is_cdn(bytes_head(rest, end), "warmcast-", cluster);
			rest = bytes_from(rest, end < rest.n ? end + 1 : end);
		}
	}
	return n;
}

bool media_is_first_entry(struct bytes content, struct bytes object)
{
	return object.n > content.n && bytes_starts_with(object, content) && object.p[content.n] == '/' &&
	       bytes_eq(bytes_from(object, content.n + 1), bytes_str(media_entries[0]));
}

char *media_location(struct arena *a, struct bytes token, struct bytes object)
{
	struct buf path;
	buf_init(&path, CACHE_OBJECT_MAX * 3);
	http_path_encode(&path, object);
	char *text = NULL;
	if (buf_err(&path) == OK)
		text = arena_printf(
		    a, "/p/%.*s/%.*s", (int)token.n, (const char *)token.p, (int)path.n, (const char *)path.p);
	buf_fini(&path);
	return text;
}
