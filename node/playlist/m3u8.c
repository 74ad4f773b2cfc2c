#include "node/playlist/m3u8.h"

bool m3u8_next_line(struct bytes *text, struct bytes *line)
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

bool m3u8_begin(struct bytes *text)
{
	static const struct bytes mark = { (const uint8_t *)"\xef\xbb\xbf", 3 };
	struct bytes line;
	if (bytes_starts_with(*text, mark))
		*text = bytes_from(*text, mark.n);
	return m3u8_next_line(text, &line) && bytes_eq(line, BYTES_LIT("#EXTM3U"));
}

bool m3u8_tag(struct bytes line, const char *tag, struct bytes *rest)
{
	struct bytes t = bytes_str(tag);
	if (!bytes_starts_with(line, t) || line.n == t.n || line.p[t.n] != ':')
		return false;
	*rest = bytes_from(line, t.n + 1);
	return true;
}

bool m3u8_next_attribute(struct bytes *list, struct m3u8_attribute *a)
{
	while (list->n > 0 && (list->p[0] == ',' || list->p[0] == ' '))
		*list = bytes_from(*list, 1);
	size_t equals = bytes_index(*list, '=');
	if (equals == list->n)
		return false;
	a->name = bytes_head(*list, equals);
	*list = bytes_from(*list, equals + 1);
	a->quoted = list->n > 0 && list->p[0] == '"';
	if (a->quoted)
		*list = bytes_from(*list, 1);
	size_t end = bytes_index(*list, a->quoted ? '"' : ',');
	a->value = bytes_head(*list, end);
	*list = bytes_from(*list, end < list->n ? end + 1 : end);
	return true;
}

struct bytes m3u8_attribute_of(struct bytes list, struct bytes name)
{
	struct m3u8_attribute a;
	while (m3u8_next_attribute(&list, &a))
		if (bytes_eq(a.name, name))
			return a.value;
	return BYTES_NONE;
}
