#include "node/json_text.h"

#include "base/text.h"

/* Length of the first character of s: of a well-formed one at most 4, or 0. */
static size_t character(struct bytes s)
{
	if (s.p[0] < 0x80)
		return 1;
	for (size_t n = 2; n <= 4 && n <= s.n; n++)
		if (text_is_utf8(bytes_head(s, n)))
			return n;
	return 0;
}

static void put_escaped(struct buf *out, uint8_t c)
{
	switch (c) {
	case '"': buf_put_str(out, "\\\""); break;
	case '\\': buf_put_str(out, "\\\\"); break;
	case '\n': buf_put_str(out, "\\n"); break;
	case '\r': buf_put_str(out, "\\r"); break;
	case '\t': buf_put_str(out, "\\t"); break;
	default: buf_printf(out, "\\u%04x", c); break;
	}
}

/* How many bytes at the start stand for themselves: nearly all of them, nearly always. */
static size_t plain_run(struct bytes s)
{
	static const bool plain[256] = {
		[' ' ... '!'] = true,
		['#' ... '['] = true,
		[']' ... '~'] = true,
	};
	size_t n = 0;
	while (n < s.n && plain[s.p[n]])
		n++;
	return n;
}

void json_put_string(struct buf *out, struct bytes s)
{
	buf_put_u8(out, '"');
	while (s.n > 0) {
		size_t plain = plain_run(s);
		buf_put_bytes(out, bytes_head(s, plain));
		s = bytes_from(s, plain);
		if (s.n == 0)
			break;
		size_t n = character(s);
		if (n == 0)
			buf_put_str(out, "\\ufffd");
		else if (s.p[0] < 0x20 || s.p[0] == '"' || s.p[0] == '\\' || s.p[0] == 0x7f)
			put_escaped(out, s.p[0]);
		else
			buf_put_bytes(out, bytes_head(s, n));
		s = bytes_from(s, n == 0 ? 1 : n);
	}
	buf_put_u8(out, '"');
}

void json_put_next(struct buf *out)
{
	if (out->n > 0 && out->p[out->n - 1] != '{' && out->p[out->n - 1] != '[')
		buf_put_u8(out, ',');
}

void json_put_key(struct buf *out, const char *key)
{
	json_put_next(out);
	json_put_string(out, bytes_str(key));
	buf_put_u8(out, ':');
}
