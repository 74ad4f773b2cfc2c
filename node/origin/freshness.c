#include "node/origin/freshness.h"

#include "base/text.h"

#include <string.h>

enum {
	PLAYLIST_DEFAULT_MS = 2000,
	PLAYLIST_ENDED_MS = 60000,
	PLAYLIST_MAX_MS = 30000,
	OTHER_MS = 60000,
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

/* EXT-X-TARGETDURATION is a decimal integer of seconds (RFC 8216, 4.3.3.1). */
static uint64_t half_target_ms(struct bytes value)
{
	uint64_t seconds;
	if (text_u64(value, 3600, &seconds) != OK || seconds == 0)
		return PLAYLIST_DEFAULT_MS;
	return seconds * 500 < PLAYLIST_MAX_MS ? seconds * 500 : PLAYLIST_MAX_MS;
}

static uint64_t playlist_ttl_ms(struct bytes head)
{
	const struct bytes target = BYTES_LIT("#EXT-X-TARGETDURATION:"), end = BYTES_LIT("#EXT-X-ENDLIST");
	uint64_t ttl_ms = PLAYLIST_DEFAULT_MS;
	while (head.n > 0) {
		struct bytes line = next_line(&head);
		if (bytes_starts_with(line, target))
			ttl_ms = half_target_ms(bytes_from(line, target.n));
		else if (bytes_starts_with(line, end))
			return PLAYLIST_ENDED_MS;
	}
	return ttl_ms;
}

uint64_t freshness_ttl_ms(enum object_class class, struct bytes head)
{
	switch (class) {
	case CLASS_PLAYLIST: return playlist_ttl_ms(head);
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
