#include "node/origin/server_control.h"

#include "base/bytes.h"

#include <string.h>

#define EXTM3U BYTES_LIT("#EXTM3U")
#define TAG BYTES_LIT("#EXT-X-SERVER-CONTROL:")

static bool has_text(struct bytes s, struct bytes what)
{
	return s.n > 0 && memmem(s.p, s.n, what.p, what.n) != NULL;
}

static bool promises(struct bytes line)
{
	return has_text(line, BYTES_LIT("CAN-BLOCK-RELOAD=YES")) || has_text(line, BYTES_LIT("CAN-SKIP-"));
}

void server_control_take_out(uint8_t *text, size_t n)
{
	if (!bytes_starts_with(bytes_of(text, n), EXTM3U))
		return;
	for (size_t at = 0; at < n;) {
		struct bytes rest = bytes_of(text + at, n - at);
		struct bytes line = bytes_head(rest, bytes_index(rest, '\n'));
		if (bytes_starts_with(line, TAG) && promises(line))
			memcpy(text + at + 1, "---", 3);
		at += line.n + 1;
	}
}
