#include "node/playlist/pathways.h"

/* -- just enough of XML: where tags are, and how deep -- */

struct xml_tag {
	size_t at, end; /* from '<' to behind '>' */
	struct bytes name;
	bool opens, closes; /* both: <name/> */
};

static size_t find_from(struct bytes text, size_t from, struct bytes what)
{
	for (size_t i = from; what.n <= text.n && i <= text.n - what.n; i++)
		if (bytes_starts_with(bytes_from(text, i), what))
			return i;
	return text.n;
}

/* Behind the '>' that ends a tag; quoted ones are part of values. text.n: it does not end. */
static size_t end_of_tag(struct bytes text, size_t at)
{
	uint8_t quote = 0;
	for (size_t i = at; i < text.n; i++) {
		uint8_t c = text.p[i];
		if (quote != 0)
			quote = c == quote ? 0 : quote;
		else if (c == '"' || c == '\'')
			quote = c;
		else if (c == '>')
			return i + 1;
	}
	return text.n;
}

/* Behind what is no element: a comment, CDATA, an instruction, a declaration. 0: `at` begins none of them. */
static size_t skip_special(struct bytes text, size_t at)
{
	static const struct {
		const char *begin, *end;
	} special[] = { { "<!--", "-->" }, { "<![CDATA[", "]]>" }, { "<?", "?>" }, { "<!", ">" } };
	for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++) {
		if (!bytes_starts_with(bytes_from(text, at), bytes_str(special[i].begin)))
			continue;
		struct bytes end = bytes_str(special[i].end);
		size_t found = find_from(text, at, end);
		return found < text.n ? found + end.n : text.n;
	}
	return 0;
}

static size_t name_length(struct bytes s)
{
	size_t n = 0;
	while (n < s.n && s.p[n] > ' ' && s.p[n] != '>' && s.p[n] != '/')
		n++;
	return n;
}

/* The next tag from `from` on; false when there is none, or it does not end. */
static bool next_tag(struct bytes text, size_t from, struct xml_tag *tag)
{
	for (size_t at = from, skipped; at < text.n; at = skipped) {
		at += bytes_index(bytes_from(text, at), '<');
		if (at == text.n)
			return false;
		skipped = skip_special(text, at);
		if (skipped > 0)
			continue;
		*tag = (struct xml_tag){ .at = at, .end = end_of_tag(text, at) };
		if (tag->end == text.n && text.p[text.n - 1] != '>')
			return false;
		struct bytes inner = bytes_of(text.p + at + 1, tag->end - at - 2);
		bool ends = inner.n > 0 && inner.p[0] == '/';
		inner = ends ? bytes_from(inner, 1) : inner;
		tag->name = bytes_head(inner, name_length(inner));
		tag->opens = !ends;
		tag->closes = ends || (inner.n > 0 && inner.p[inner.n - 1] == '/');
		return tag->name.n > 0;
	}
	return false;
}

/* -- the MPD -- */

/* Where base URLs belong: behind the start of <MPD> and the ProgramInformation in it. False: there is no such
 * place, or it has some of its own. */
static bool find_place(struct bytes text, size_t *place)
{
	struct xml_tag tag;
	size_t from = 0, depth = 0;
	bool information = false;
	*place = 0;
	while (next_tag(text, from, &tag)) {
		from = tag.end;
		if (depth == 0 && (!bytes_eq(tag.name, BYTES_LIT("MPD")) || !tag.opens))
			return false;
		if (depth == 1 && tag.opens) {
			if (bytes_eq(tag.name, BYTES_LIT("BaseURL")) || bytes_eq(tag.name, BYTES_LIT("Location")) ||
			    bytes_eq(tag.name, BYTES_LIT("ContentSteering")))
				return false;
			information = bytes_eq(tag.name, BYTES_LIT("ProgramInformation"));
		}
		depth += tag.opens;
		depth -= tag.closes;
		if (*place == 0 || (depth == 1 && information && tag.closes))
			*place = tag.end;
		if (depth == 0)
			return !tag.opens; /* not <MPD/> */
	}
	return false;
}

bool pathways_fit_mpd(struct bytes text)
{
	size_t place;
	return find_place(text, &place);
}

static void put_base(struct buf *out, struct bytes name, struct bytes base)
{
	buf_put_str(out, "<BaseURL serviceLocation=\"");
	buf_put_bytes(out, name);
	buf_put_str(out, "\">");
	buf_put_bytes(out, base);
	buf_put_str(out, "</BaseURL>");
}

static void put_escaped(struct buf *out, struct bytes uri)
{
	for (size_t i = 0; i < uri.n; i++) {
		if (uri.p[i] == '&')
			buf_put_str(out, "&amp;");
		else
			buf_put_u8(out, uri.p[i]);
	}
}

enum err pathways_into_mpd(struct bytes text, const struct pathways *p, struct buf *out)
{
	size_t place;
	if (!find_place(text, &place))
		return ERR_NOT_FOUND;
	buf_put_bytes(out, bytes_head(text, place));
	put_base(out, p->own, p->own_base);
	if (p->other.n > 0)
		put_base(out, p->other, p->other_base);
	buf_put_str(out, "<ContentSteering defaultServiceLocation=\"");
	buf_put_bytes(out, p->own);
	buf_put_str(out, "\" queryBeforeStart=\"true\">");
	put_escaped(out, p->steering);
	buf_put_str(out, "</ContentSteering>");
	buf_put_bytes(out, bytes_from(text, place));
	return buf_err(out);
}
