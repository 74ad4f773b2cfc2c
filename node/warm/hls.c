#include "node/warm/hls.h"

/* -- lines -- */

/* Takes one off, without its end; false when there is none left. */
static bool next_line(struct bytes *text, struct bytes *line)
{
	if (text->n == 0)
		return false;
	size_t end = bytes_index(*text, '\n');
	*line = bytes_head(*text, end);
	*text = bytes_from(*text, end < text->n ? end + 1 : end);
	while (line->n > 0 &&
	       (line->p[line->n - 1] == '\r' || line->p[line->n - 1] == ' ' || line->p[line->n - 1] == '\t'))
		line->n--;
	return true;
}

/* "#EXT-X-NAME:rest": the rest. */
static bool take_tag(struct bytes line, const char *tag, struct bytes *rest)
{
	struct bytes t = bytes_str(tag);
	if (!bytes_starts_with(line, t) || line.n == t.n || line.p[t.n] != ':')
		return false;
	*rest = bytes_from(line, t.n + 1);
	return true;
}

/* -- attributes: NAME=value,NAME="quoted, with commas" -- */

static bool next_attribute(struct bytes *list, struct bytes *name, struct bytes *value)
{
	while (list->n > 0 && (list->p[0] == ',' || list->p[0] == ' '))
		*list = bytes_from(*list, 1);
	size_t equals = bytes_index(*list, '=');
	if (equals == list->n)
		return false;
	*name = bytes_head(*list, equals);
	*list = bytes_from(*list, equals + 1);
	bool quoted = list->n > 0 && list->p[0] == '"';
	if (quoted)
		*list = bytes_from(*list, 1);
	size_t end = bytes_index(*list, quoted ? '"' : ',');
	*value = bytes_head(*list, end);
	*list = bytes_from(*list, end < list->n ? end + 1 : end);
	return true;
}

static struct bytes uri_of(struct bytes attributes)
{
	struct bytes name, value;
	while (next_attribute(&attributes, &name, &value))
		if (bytes_eq(name, BYTES_LIT("URI")))
			return value;
	return BYTES_NONE;
}

/* -- what lines say -- */

/* Tags that name something in an attribute. */
static const struct {
	const char *tag;
	enum hls_kind kind;
} naming[] = {
	{ "#EXT-X-MAP", HLS_OBJECT },
	{ "#EXT-X-KEY", HLS_OBJECT },
	{ "#EXT-X-SESSION-KEY", HLS_OBJECT },
	{ "#EXT-X-SESSION-DATA", HLS_OBJECT },
	{ "#EXT-X-MEDIA", HLS_PLAYLIST },
	{ "#EXT-X-I-FRAME-STREAM-INF", HLS_PLAYLIST },
};

static bool take_header(struct bytes *text)
{
	static const struct bytes mark = { (const uint8_t *)"\xef\xbb\xbf", 3 };
	struct bytes line;
	if (bytes_starts_with(*text, mark)) /* not allowed, and yet met */
		*text = bytes_from(*text, mark.n);
	return next_line(text, &line) && bytes_eq(line, BYTES_LIT("#EXTM3U"));
}

enum err hls_names(
    struct bytes text, void (*named)(void *arg, enum hls_kind kind, struct bytes uri), void *arg)
{
	struct bytes line, rest;
	bool variant = false; /* the next name is one of a playlist */
	if (!take_header(&text))
		return ERR_INVALID;
	while (next_line(&text, &line)) {
		if (line.n == 0)
			continue;
		if (line.p[0] != '#') {
			named(arg, variant ? HLS_PLAYLIST : HLS_OBJECT, line);
			variant = false;
			continue;
		}
		variant = variant || take_tag(line, "#EXT-X-STREAM-INF", &rest);
		for (size_t i = 0; i < sizeof(naming) / sizeof(naming[0]); i++) {
			struct bytes uri = take_tag(line, naming[i].tag, &rest) ? uri_of(rest) : BYTES_NONE;
			if (uri.n > 0)
				named(arg, naming[i].kind, uri);
		}
	}
	return OK;
}
