#include "node/delivery/content_type.h"

#include <string.h>
#include <strings.h>

static const struct {
	const char *suffix;
	const char *type;
} types[] = {
	{ ".m3u8", "application/vnd.apple.mpegurl" },
	{ ".mpd", "application/dash+xml" },
	{ ".m4s", "video/iso.segment" },
	{ ".ts", "video/mp2t" },
	{ ".mp4", "video/mp4" },
	{ ".m4v", "video/mp4" },
	{ ".cmfv", "video/mp4" },
	{ ".m4a", "audio/mp4" },
	{ ".cmfa", "audio/mp4" },
	{ ".cmft", "application/mp4" },
	{ ".cmfm", "application/mp4" },
	{ ".aac", "audio/aac" },
	{ ".mp3", "audio/mpeg" },
	{ ".ac3", "audio/ac3" },
	{ ".ec3", "audio/eac3" },
	{ ".webm", "video/webm" },
	{ ".vtt", "text/vtt" },
	{ ".webvtt", "text/vtt" },
	{ ".ttml", "application/ttml+xml" },
	{ ".jpg", "image/jpeg" },
	{ ".jpeg", "image/jpeg" },
	{ ".png", "image/png" },
	{ ".webp", "image/webp" },
	{ ".json", "application/json" },
	{ ".xml", "application/xml" },
};

const char *content_type_of(struct bytes object)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		size_t n = strlen(types[i].suffix);
		if (object.n >= n && strncasecmp((const char *)object.p + object.n - n, types[i].suffix, n) == 0)
			return types[i].type;
	}
	return "application/octet-stream";
}
