#include "node/playlist/m3u8.h"
#include "node/playlist/pathways.h"

bool pathway_name_ok(struct bytes name)
{
	for (size_t i = 0; i < name.n; i++) {
		uint8_t c = name.p[i], lower = c | 0x20;
		if (!(lower >= 'a' && lower <= 'z') && !(c >= '0' && c <= '9') && c != '.' && c != '_' && c != '-')
			return false;
	}
	return name.n > 0 && name.n <= 63;
}

/* -- whether it can be rendered -- */

/* A reference to what lies below the playlist's folder: no scheme, no host, no root. */
static bool is_below(struct bytes uri)
{
	size_t colon = bytes_index(uri, ':'), slash = bytes_index(uri, '/');
	bool scheme = colon < uri.n && colon < slash;
	return uri.n > 0 && uri.p[0] != '/' && uri.p[0] != '?' && uri.p[0] != '#' && !scheme;
}

/* What in a tag belongs to a pathway. */
enum tag { TAG_OTHER, TAG_VARIANT, TAG_I_FRAMES, TAG_RENDITION };

static enum tag tag_of(struct bytes line, struct bytes *attributes)
{
	if (m3u8_tag(line, "#EXT-X-STREAM-INF", attributes))
		return TAG_VARIANT;
	if (m3u8_tag(line, "#EXT-X-I-FRAME-STREAM-INF", attributes))
		return TAG_I_FRAMES;
	return m3u8_tag(line, "#EXT-X-MEDIA", attributes) ? TAG_RENDITION : TAG_OTHER;
}

static bool tag_fits(struct bytes attributes)
{
	struct m3u8_attribute a;
	while (m3u8_next_attribute(&attributes, &a)) {
		if (bytes_eq(a.name, BYTES_LIT("PATHWAY-ID")) ||
		    (bytes_eq(a.name, BYTES_LIT("URI")) && !is_below(a.value)))
			return false;
	}
	return true;
}

/* A multivariant playlist without pathways, all of which lies below it. */
static bool can_render(struct bytes text)
{
	struct bytes line, rest;
	bool variants = false;
	if (!m3u8_begin(&text))
		return false;
	while (m3u8_next_line(&text, &line)) {
		if (line.n > 0 && line.p[0] != '#' && !is_below(line))
			return false;
		if (m3u8_tag(line, "#EXT-X-CONTENT-STEERING", &rest) || m3u8_tag(line, "#EXT-X-DEFINE", &rest) ||
		    m3u8_tag(line, "#EXTINF", &rest))
			return false;
		enum tag tag = tag_of(line, &rest);
		if (tag != TAG_OTHER && !tag_fits(rest))
			return false;
		variants |= tag == TAG_VARIANT;
	}
	return variants;
}

bool pathways_fit(struct bytes text)
{
	return can_render(text) || pathways_fit_mpd(text);
}

/* -- writing -- */

static void put_quoted(struct buf *out, const char *name, struct bytes value)
{
	buf_put_str(out, name);
	buf_put_str(out, "=\"");
	buf_put_bytes(out, value);
	buf_put_u8(out, '"');
}

static void put_own(struct buf *out, struct bytes text, struct bytes own)
{
	struct bytes line, attributes;
	while (m3u8_next_line(&text, &line)) {
		buf_put_bytes(out, line);
		enum tag tag = tag_of(line, &attributes);
		if (tag == TAG_VARIANT || tag == TAG_I_FRAMES)
			put_quoted(out, ",PATHWAY-ID", own);
		buf_put_u8(out, '\n');
	}
}

static bool names_group(struct bytes attribute)
{
	return bytes_eq(attribute, BYTES_LIT("AUDIO")) || bytes_eq(attribute, BYTES_LIT("VIDEO")) ||
	       bytes_eq(attribute, BYTES_LIT("SUBTITLES")) || bytes_eq(attribute, BYTES_LIT("CLOSED-CAPTIONS")) ||
	       bytes_eq(attribute, BYTES_LIT("GROUP-ID"));
}

/* Of a tag of the other pathway: groups of its own, and where its playlist lies. */
static void put_attribute(struct buf *out, const struct m3u8_attribute *a, const struct pathways *p)
{
	buf_put_bytes(out, a->name);
	buf_put_u8(out, '=');
	if (!a->quoted) {
		buf_put_bytes(out, a->value);
		return;
	}
	buf_put_u8(out, '"');
	if (bytes_eq(a->name, BYTES_LIT("URI")))
		buf_put_bytes(out, p->other_base);
	buf_put_bytes(out, a->value);
	if (names_group(a->name)) {
		buf_put_u8(out, '@');
		buf_put_bytes(out, p->other);
	}
	buf_put_u8(out, '"');
}

static void put_other_tag(struct buf *out, struct bytes line, enum tag tag, const struct pathways *p)
{
	size_t name_n = bytes_index(line, ':') + 1;
	struct bytes attributes = bytes_from(line, name_n);
	struct m3u8_attribute a;
	buf_put_bytes(out, bytes_head(line, name_n));
	for (bool first = true; m3u8_next_attribute(&attributes, &a); first = false) {
		if (!first)
			buf_put_u8(out, ',');
		put_attribute(out, &a, p);
	}
	if (tag != TAG_RENDITION)
		put_quoted(out, ",PATHWAY-ID", p->other);
	buf_put_u8(out, '\n');
}

static void put_other(struct buf *out, struct bytes text, const struct pathways *p)
{
	struct bytes line, rest;
	bool named = false; /* the next line that is no tag is a variant's */
	while (m3u8_next_line(&text, &line)) {
		enum tag tag = tag_of(line, &rest);
		if (tag != TAG_OTHER) {
			put_other_tag(out, line, tag, p);
			named |= tag == TAG_VARIANT;
		} else if (named && line.n > 0 && line.p[0] != '#') {
			buf_put_bytes(out, p->other_base);
			buf_put_bytes(out, line);
			buf_put_u8(out, '\n');
			named = false;
		}
	}
}

enum err pathways_into_hls(struct bytes text, const struct pathways *p, struct buf *out)
{
	if (!can_render(text) || !m3u8_begin(&text))
		return ERR_NOT_FOUND;
	buf_put_str(out, "#EXTM3U\n");
	put_quoted(out, "#EXT-X-CONTENT-STEERING:SERVER-URI", p->steering);
	put_quoted(out, ",PATHWAY-ID", p->own);
	buf_put_u8(out, '\n');
	put_own(out, text, p->own);
	if (p->other.n > 0)
		put_other(out, text, p);
	return buf_err(out);
}
