#include "tests/bench/load/playlist.h"

#include "base/text.h"
#include "tests/bench/load/popularity.h"

enum { LIVE_BEHIND = 3 }; /* segments that a player stays behind the end (RFC 8216, 6.3.3) */

static struct bytes next_line(struct bytes *text)
{
	size_t end = bytes_index(*text, '\n');
	struct bytes line = bytes_head(*text, end);
	*text = bytes_from(*text, end < text->n ? end + 1 : end);
	while (line.n > 0 && (line.p[line.n - 1] == '\r' || line.p[line.n - 1] == ' '))
		line.n--;
	return line;
}

/* What follows the tag; false when the line is another. */
static bool tag(struct bytes line, const char *name, struct bytes *value)
{
	struct bytes n = bytes_str(name);
	if (!bytes_starts_with(line, n))
		return false;
	*value = bytes_from(line, n.n);
	return true;
}

/* The quoted value of URI="..." in an attribute list; empty when there is none. */
static struct bytes uri_attribute(struct bytes list)
{
	static const struct bytes name = { (const uint8_t *)"URI=\"", 5 };
	for (size_t i = 0; i + name.n <= list.n; i++) {
		struct bytes rest = bytes_from(list, i);
		if (bytes_starts_with(rest, name)) {
			rest = bytes_from(rest, name.n);
			return bytes_head(rest, bytes_index(rest, '"'));
		}
	}
	return BYTES_NONE;
}

static uint32_t duration_ms(struct bytes text)
{
	double seconds;
	struct bytes number = bytes_head(text, bytes_index(text, ','));
	size_t dot = bytes_index(number, '.');
	if (number.n > dot + 4) /* milliseconds will do */
		number.n = dot + 4;
	return decimal_parse(number, &seconds) == OK && seconds < 86400 ? (uint32_t)(seconds * 1000 + 0.5) : 0;
}

struct facts {
	uint64_t first, segments;
};

/* Numbers, kinds and ends; the segments themselves follow, once it is known from where on they are wanted. */
static void look_through(struct bytes text, struct playlist *p, struct facts *f)
{
	bool variant_follows = false;
	while (text.n > 0) {
		struct bytes value, line = next_line(&text);
		if (line.n == 0)
			continue;
		if (line.p[0] != '#') {
			f->segments++;
			if (variant_follows && p->variant.n == 0)
				p->variant = line;
			variant_follows = false;
		} else if (tag(line, "#EXT-X-STREAM-INF:", &value)) {
			p->master = variant_follows = true;
		} else if (tag(line, "#EXT-X-MEDIA-SEQUENCE:", &value)) {
			if (text_u64(value, UINT64_MAX / 2, &f->first) != OK)
				f->first = 0;
		} else if (tag(line, "#EXT-X-TARGETDURATION:", &value)) {
			p->target_ms = duration_ms(value);
		} else if (tag(line, "#EXT-X-MAP:", &value)) {
			if (p->map.n == 0)
				p->map = uri_attribute(value);
		} else if (tag(line, "#EXT-X-ENDLIST", &value)) {
			p->ended = true;
		}
	}
}

static void take_segments(struct bytes text, uint64_t number, struct playlist *p)
{
	uint32_t ms = 0;
	while (text.n > 0) {
		struct bytes value, line = next_line(&text);
		if (line.n == 0)
			continue;
		if (tag(line, "#EXTINF:", &value))
			ms = duration_ms(value);
		if (line.p[0] == '#')
			continue;
		if (number++ < p->first)
			continue;
		if (p->n == PLAYLIST_WINDOW) {
			p->more = true;
			return;
		}
		p->segments[p->n++] = (struct playlist_segment){ line, ms > 0 ? ms : p->target_ms };
	}
}

enum err playlist_parse(struct bytes text, uint64_t from, struct playlist *out)
{
	struct playlist p = { 0 };
	struct facts f = { 0 };
	if (!bytes_starts_with(text, BYTES_LIT("#EXTM3U")))
		return ERR_INVALID;
	look_through(text, &p, &f);
	if (p.master) {
		if (p.variant.n == 0)
			return ERR_INVALID;
		*out = p;
		return OK;
	}
	if (p.target_ms == 0)
		p.target_ms = 1000;
	p.first = f.first;
	if (from == UINT64_MAX) {
		if (!p.ended && f.segments > LIVE_BEHIND)
			p.first += f.segments - LIVE_BEHIND;
	} else if (from > p.first) {
		p.first = from;
	}
	take_segments(text, f.first, &p);
	*out = p;
	return OK;
}
