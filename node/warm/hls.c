#include "node/warm/hls.h"

#include "base/text.h"

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

static struct bytes attribute(struct bytes attributes, struct bytes wanted)
{
	struct bytes name, value;
	while (next_attribute(&attributes, &name, &value))
		if (bytes_eq(name, wanted))
			return value;
	return BYTES_NONE;
}

static uint32_t bandwidth_of(struct bytes attributes, struct bytes wanted)
{
	uint64_t bps;
	return text_u64(attribute(attributes, wanted), UINT32_MAX, &bps) == OK ? (uint32_t)bps : 0;
}

/* Seconds, "4" or "4.004", up to a comma; 0 when it is no such number. */
static uint32_t duration_ms_of(struct bytes rest)
{
	struct bytes text = bytes_head(rest, bytes_index(rest, ','));
	size_t point = bytes_index(text, '.');
	uint64_t seconds;
	if (text_u64(bytes_head(text, point), HLS_DURATION_MAX_MS / 1000, &seconds) != OK)
		return 0;
	uint64_t ms = seconds * 1000, unit = 100;
	for (size_t i = point + 1; i < text.n && unit > 0; i++, unit /= 10) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return 0;
		ms += unit * (uint64_t)(text.p[i] - '0');
	}
	return ms < HLS_DURATION_MAX_MS ? (uint32_t)ms : HLS_DURATION_MAX_MS;
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
	{ "#EXT-X-MEDIA", HLS_RENDITION },
	{ "#EXT-X-I-FRAME-STREAM-INF", HLS_RENDITION },
};

static bool take_header(struct bytes *text)
{
	static const struct bytes mark = { (const uint8_t *)"\xef\xbb\xbf", 3 };
	struct bytes line;
	if (bytes_starts_with(*text, mark)) /* not allowed, and yet met */
		*text = bytes_from(*text, mark.n);
	return next_line(text, &line) && bytes_eq(line, BYTES_LIT("#EXTM3U"));
}

/* What a tag says of the name on the next line that is no tag, or names itself. */
static void read_tag(
    struct bytes line, struct hls_item *next, void (*item)(void *arg, const struct hls_item *item), void *arg)
{
	struct bytes rest;
	if (take_tag(line, "#EXTINF", &rest)) {
		next->duration_ms = duration_ms_of(rest);
	} else if (take_tag(line, "#EXT-X-STREAM-INF", &rest)) {
		next->kind = HLS_VARIANT;
		next->peak_bps = bandwidth_of(rest, BYTES_LIT("BANDWIDTH"));
		next->average_bps = bandwidth_of(rest, BYTES_LIT("AVERAGE-BANDWIDTH"));
	}
	for (size_t i = 0; i < sizeof(naming) / sizeof(naming[0]); i++) {
		struct hls_item named = { .kind = naming[i].kind };
		if (take_tag(line, naming[i].tag, &rest))
			named.uri = attribute(rest, BYTES_LIT("URI"));
		if (named.uri.n > 0)
			item(arg, &named);
	}
}

enum err hls_read(struct bytes text, void (*item)(void *arg, const struct hls_item *item), void *arg)
{
	struct bytes line;
	struct hls_item next = { .kind = HLS_SEGMENT };
	if (!take_header(&text))
		return ERR_INVALID;
	while (next_line(&text, &line)) {
		if (line.n == 0)
			continue;
		if (line.p[0] == '#') {
			read_tag(line, &next, item, arg);
			continue;
		}
		next.uri = line;
		item(arg, &next);
		next = (struct hls_item){ .kind = HLS_SEGMENT };
	}
	return OK;
}
