/* The default configuration and the comparison of two, both from the table. */
#include "node/config_table.h"

#include <stdio.h>
#include <string.h>

/* Whether a default must stand in quotes to be read back as it is. */
static bool wants_quotes(const char *text)
{
	return *text == '\0' || strpbrk(text, ":#[]{},\"'&*!|>@`") != NULL;
}

static void put_value(const struct setting *s, struct buf *out)
{
	if (s->example != NULL)
		buf_put_str(out, s->example);
	else if (s->def == NULL)
		buf_put_str(out, "[]");
	else
		buf_printf(out, wants_quotes(s->def) ? "\"%s\"" : "%s", s->def);
}

static void put_doc(const char *doc, const char *indent, struct buf *out)
{
	for (struct bytes rest = bytes_str(doc); rest.n > 0;) {
		size_t end = bytes_index(rest, '\n');
		buf_printf(out, "%s# %.*s\n", indent, (int)end, (const char *)rest.p);
		rest = bytes_from(rest, end < rest.n ? end + 1 : end);
	}
}

static void put_field_doc(const struct setting *f, const char *indent, struct buf *out)
{
	char doc[512];
	(void)snprintf(doc, sizeof(doc), "  %s: %s", f->key, f->doc);
	put_doc(doc, indent, out);
}

static void put_setting(const struct setting *s, const char *name, const char *indent, struct buf *out)
{
	put_doc(s->doc, indent, out);
	for (size_t i = 0; i < s->fields_n; i++)
		put_field_doc(&s->fields[i], indent, out);
	buf_printf(out, "%s%s: ", indent, name);
	put_value(s, out);
	buf_put_str(out, "\n");
}

void config_print_default(struct buf *out)
{
	buf_put_str(out, "# Configuration of warmcastd. Times: ms, s, m, h, d; sizes: KiB, MiB, GiB, TiB or KB, "
	                 "MB, GB, TB.\n");
	struct bytes map = BYTES_NONE;
	for (size_t i = 0; i < config_settings_n; i++) {
		const struct setting *s = &config_settings[i];
		const char *dot = strchr(s->key, '.');
		if (dot == NULL) {
			buf_put_str(out, "\n");
			put_setting(s, s->key, "", out);
			map = BYTES_NONE;
			continue;
		}
		struct bytes in = bytes_of(s->key, (size_t)(dot - s->key));
		if (!bytes_eq(in, map))
			buf_printf(out, "\n%.*s:\n", (int)in.n, (const char *)in.p);
		map = in;
		put_setting(s, dot + 1, "  ", out);
	}
}

static bool same_text(const void *a, const void *b)
{
	const char *x, *y;
	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return strcmp(x, y) == 0;
}

static bool same_strings(const struct config_strings *a, const struct config_strings *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->v[i], b->v[i]) != 0)
			return false;
	return true;
}

static bool same_value(const struct setting *s, const char *a, const char *b);

static bool same_items(const struct setting *s, const char *a, const char *b)
{
	size_t n, other_n;
	memcpy(&n, a + s->count_offset, sizeof(n));
	memcpy(&other_n, b + s->count_offset, sizeof(other_n));
	if (n != other_n)
		return false;
	for (size_t i = 0; i < n; i++)
		for (size_t f = 0; f < s->fields_n; f++)
			if (!same_value(
			        &s->fields[f], a + s->offset + i * s->item_size, b + s->offset + i * s->item_size))
				return false;
	return true;
}

static bool same_value(const struct setting *s, const char *a, const char *b)
{
	if (s->list)
		return same_strings((const void *)(a + s->offset), (const void *)(b + s->offset));
	switch (s->type) {
	case SETTING_ITEMS: return same_items(s, a, b);
	case SETTING_SIZE:
	case SETTING_DURATION: return memcmp(a + s->offset, b + s->offset, sizeof(uint64_t)) == 0;
	case SETTING_U32:
	case SETTING_PERCENT:
	case SETTING_RATE:
	case SETTING_ENUM:
	case SETTING_ROLES: return memcmp(a + s->offset, b + s->offset, sizeof(uint32_t)) == 0;
	default: return same_text(a + s->offset, b + s->offset);
	}
}

void config_not_reloadable(const struct config *now, const struct config *next, struct buf *out)
{
	const char *separator = "";
	for (size_t i = 0; i < config_settings_n; i++) {
		const struct setting *s = &config_settings[i];
		if (s->reloadable || same_value(s, (const char *)now, (const char *)next))
			continue;
		buf_printf(out, "%s%s", separator, s->key);
		separator = ", ";
	}
}
