#include "node/warm/hls.h"

#include "base/text.h"
#include "node/playlist/m3u8.h"

static uint32_t bandwidth_of(struct bytes attributes, struct bytes wanted)
{
	uint64_t bps;
	return text_u64(m3u8_attribute_of(attributes, wanted), UINT32_MAX, &bps) == OK ? (uint32_t)bps : 0;
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

/* What a tag says of the name on the next line that is no tag, or names itself. */
static void read_tag(
    struct bytes line, struct hls_item *next, void (*item)(void *arg, const struct hls_item *item), void *arg)
{
	struct bytes rest;
	if (m3u8_tag(line, "#EXTINF", &rest)) {
		next->duration_ms = duration_ms_of(rest);
	} else if (m3u8_tag(line, "#EXT-X-STREAM-INF", &rest)) {
		next->kind = HLS_VARIANT;
		next->peak_bps = bandwidth_of(rest, BYTES_LIT("BANDWIDTH"));
		next->average_bps = bandwidth_of(rest, BYTES_LIT("AVERAGE-BANDWIDTH"));
	}
	for (size_t i = 0; i < sizeof(naming) / sizeof(naming[0]); i++) {
		struct hls_item named = { .kind = naming[i].kind };
		if (m3u8_tag(line, naming[i].tag, &rest))
			named.uri = m3u8_attribute_of(rest, BYTES_LIT("URI"));
		if (named.uri.n > 0)
			item(arg, &named);
	}
}

enum err hls_read(struct bytes text, void (*item)(void *arg, const struct hls_item *item), void *arg)
{
	struct bytes line;
	struct hls_item next = { .kind = HLS_SEGMENT };
	if (!m3u8_begin(&text))
		return ERR_INVALID;
	while (m3u8_next_line(&text, &line)) {
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
