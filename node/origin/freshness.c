#include "node/origin/freshness.h"

#include "base/text.h"

#include <string.h>

enum {
	PLAYLIST_DEFAULT_MS = 2000,
	PLAYLIST_ENDED_MS = 60000,
	PLAYLIST_MAX_MS = 30000,
	OTHER_MS = 60000,
	MPD_LOOK_BYTES = 4096,  /* an XML declaration and comments may stand before its root */
	CLOCK_SLACK_MS = 60000, /* an answer from further in the future than this came by a wrong clock */
};

static const struct {
	struct bytes suffix;
	enum object_class class;
} suffixes[] = {
	{ BYTES_LIT(".m3u8"), CLASS_PLAYLIST },
	{ BYTES_LIT(".mpd"), CLASS_PLAYLIST },
	{ BYTES_LIT(".m4s"), CLASS_SEGMENT },
	{ BYTES_LIT(".mp4"), CLASS_SEGMENT },
	{ BYTES_LIT(".ts"), CLASS_SEGMENT },
	{ BYTES_LIT(".m4a"), CLASS_SEGMENT },
	{ BYTES_LIT(".m4v"), CLASS_SEGMENT },
	{ BYTES_LIT(".m4i"), CLASS_SEGMENT },
	{ BYTES_LIT(".aac"), CLASS_SEGMENT },
	{ BYTES_LIT(".cmfv"), CLASS_SEGMENT },
	{ BYTES_LIT(".cmfa"), CLASS_SEGMENT },
	{ BYTES_LIT(".cmft"), CLASS_SEGMENT },
	{ BYTES_LIT(".webm"), CLASS_SEGMENT },
	{ BYTES_LIT(".key"), CLASS_KEY },
};

/* For each request, of each suffix: most differ in their last letter. */
static bool ends_with(struct bytes object, struct bytes suffix)
{
	return object.n >= suffix.n && object.p[object.n - 1] == suffix.p[suffix.n - 1] &&
	       bytes_ends_with(object, suffix);
}

enum object_class freshness_class(const struct config *c, struct bytes object)
{
	for (size_t i = 0; i < c->rules_n; i++)
		if (bytes_ends_with(object, bytes_str(c->rules[i].suffix)))
			return c->rules[i].class;
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
		if (ends_with(object, suffixes[i].suffix))
			return suffixes[i].class;
	return CLASS_OTHER;
}

/* The next line without its end; `rest` moves past it. */
static struct bytes next_line(struct bytes *rest)
{
	size_t n = bytes_index(*rest, '\n');
	struct bytes line = bytes_head(*rest, n);
	*rest = bytes_from(*rest, n < rest->n ? n + 1 : n);
	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	return line;
}

static bool has_text(struct bytes s, struct bytes what)
{
	return s.n > 0 && memmem(s.p, s.n, what.p, what.n) != NULL;
}

/* EXT-X-TARGETDURATION is a decimal integer of seconds (RFC 8216, 4.3.3.1). */
static uint64_t half_target_ms(struct bytes value)
{
	uint64_t seconds;
	if (text_u64(value, 3600, &seconds) != OK || seconds == 0)
		return PLAYLIST_DEFAULT_MS;
	return seconds * 500 < PLAYLIST_MAX_MS ? seconds * 500 : PLAYLIST_MAX_MS;
}

/* An MPD says of itself whether it changes (ISO/IEC 23009-1, 5.3.1.2: MPD@type, static when absent). */
static struct playlist_facts mpd_facts(struct bytes head)
{
	bool dynamic =
	    has_text(head, BYTES_LIT("type=\"dynamic\"")) || has_text(head, BYTES_LIT("type='dynamic'"));
	return (struct playlist_facts){ .grows = dynamic,
		.ttl_ms = dynamic ? PLAYLIST_DEFAULT_MS : PLAYLIST_ENDED_MS };
}

/* RFC 8216: a media playlist (it has a target duration) may grow until it has its end, but for one of type
 * VOD, which never does (4.3.3.5). */
struct playlist_facts freshness_playlist(struct bytes head)
{
	const struct bytes target = BYTES_LIT("#EXT-X-TARGETDURATION:"), end = BYTES_LIT("#EXT-X-ENDLIST"),
	                   vod = BYTES_LIT("#EXT-X-PLAYLIST-TYPE:VOD");
	struct playlist_facts facts = { .ttl_ms = PLAYLIST_DEFAULT_MS };
	if (has_text(bytes_head(head, head.n < MPD_LOOK_BYTES ? head.n : MPD_LOOK_BYTES), BYTES_LIT("<MPD")))
		return mpd_facts(head);
	while (head.n > 0) {
		struct bytes line = next_line(&head);
		if (bytes_starts_with(line, target)) {
			facts.grows = true;
			facts.ttl_ms = half_target_ms(bytes_from(line, target.n));
		} else if (bytes_starts_with(line, end) || bytes_eq(line, vod)) {
			return (struct playlist_facts){ .ttl_ms = PLAYLIST_ENDED_MS };
		}
	}
	return facts;
}

uint64_t freshness_ttl_ms(enum object_class class, struct bytes head)
{
	switch (class) {
	case CLASS_PLAYLIST: return freshness_playlist(head).ttl_ms;
	case CLASS_SEGMENT: return UINT64_MAX;
	case CLASS_KEY: return 0;
	case CLASS_OTHER: return OTHER_MS;
	}
	return OTHER_MS;
}

bool freshness_holds(const struct cache_meta *m, uint64_t now_wall_ms)
{
	if (m->unproven)
		return false;
	if (m->ttl_ms == UINT64_MAX)
		return true;
	if (m->answered_wall_ms > now_wall_ms)
		return m->answered_wall_ms - now_wall_ms <= CLOCK_SLACK_MS && m->ttl_ms > 0;
	return now_wall_ms - m->answered_wall_ms < m->ttl_ms;
}
