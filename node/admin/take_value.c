#include "node/admin/admin.h"
#include "node/http/path.h"

#include <string.h>

static bool malformed(struct admin_refusal *why, const char *detail)
{
	*why = (struct admin_refusal){ 400, "malformed", detail };
	return false;
}

/* Names and contents are segments of a path. */
bool admin_take_value(struct bytes query, const char *name, const char *detail, struct arena *arena,
    struct bytes *out, struct admin_refusal *why)
{
	struct bytes value = http_query(query, name), decoded;
	if (value.n == 0)
		return malformed(why, detail);
	uint8_t *path = arena_alloc(arena, value.n + 1);
	if (path == NULL)
		return malformed(why, "The query is too long.");
	path[0] = '/';
	memcpy(path + 1, value.p, value.n);
	if (http_path_decode(arena, bytes_of(path, value.n + 1), &decoded) != OK)
		return malformed(why, detail);
	*out = bytes_from(decoded, 1);
	return true;
}
