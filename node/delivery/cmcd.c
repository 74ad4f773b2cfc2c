#include "node/delivery/cmcd.h"

#include "base/text.h"
#include "node/http/path.h"

/* Percent-encoding off; BYTES_NONE when it is broken, too long, or the arena is full. */
static struct bytes decode(struct bytes s, struct arena *a)
{
	uint8_t *to = s.n > 0 && s.n <= CMCD_MAX_BYTES ? arena_alloc(a, s.n) : NULL;
	size_t n = 0;
	if (to == NULL)
		return BYTES_NONE;
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];
		if (c == '%') {
			if (s.n - i < 3 || text_unhex(&c, bytes_of(s.p + i + 1, 2)) != OK)
				return BYTES_NONE;
			i += 2;
		}
		to[n++] = c;
	}
	return bytes_of(to, n);
}

/* Takes `key` or `key=value` off a list; a value in quotes may have commas. False: none is left. */
static bool next_pair(struct bytes *list, struct bytes *key, struct bytes *value)
{
	while (list->n > 0 && (list->p[0] == ',' || list->p[0] == ' '))
		*list = bytes_from(*list, 1);
	if (list->n == 0)
		return false;
	size_t end = 0;
	bool quoted = false;
	for (; end < list->n && (quoted || list->p[end] != ','); end++)
		quoted ^= list->p[end] == '"';
	struct bytes pair = bytes_head(*list, end);
	*list = bytes_from(*list, end);
	size_t equals = bytes_index(pair, '=');
	*key = bytes_head(pair, equals);
	*value = bytes_from(pair, equals < pair.n ? equals + 1 : equals);
	if (value->n >= 2 && value->p[0] == '"' && value->p[value->n - 1] == '"')
		*value = bytes_head(bytes_from(*value, 1), value->n - 2);
	return true;
}

static void read_list(struct bytes list, struct arena *a, struct cmcd *out)
{
	struct bytes key, value;
	uint64_t ms;
	while (next_pair(&list, &key, &value)) {
		out->said |= key.n > 0;
		if (bytes_eq(key, BYTES_LIT("bl")) && text_u64(value, UINT32_MAX, &ms) == OK) {
			out->has_buffer = true;
			out->buffer_ms = ms < CMCD_BUFFER_MAX_MS ? (uint32_t)ms : CMCD_BUFFER_MAX_MS;
		} else if (bytes_eq(key, BYTES_LIT("nor")) && out->next.n == 0) {
			out->next = decode(value, a); /* encoded as such, in whatever carries it */
		} else if (bytes_eq(key, BYTES_LIT("bs"))) {
			out->starved = !bytes_eq(value, BYTES_LIT("false"));
		}
	}
}

void cmcd_read(const struct http_request *r, struct arena *a, struct cmcd *out)
{
	*out = (struct cmcd){ .has_buffer = false };
	const struct bytes fields[] = { http_header(r, "CMCD-Request"), http_header(r, "CMCD-Status") };
	if (r->query.n > 0)
		read_list(decode(http_query(r->query, "CMCD"), a), a, out);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (fields[i].n > 0 && fields[i].n <= CMCD_MAX_BYTES)
			read_list(fields[i], a, out);
}
