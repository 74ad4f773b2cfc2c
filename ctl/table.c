#include "ctl/table.h"

#include "base/check.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

void table_init(struct table *t, size_t columns_n)
{
	CHECK(columns_n >= 1 && columns_n <= TABLE_COLUMNS_MAX);
	*t = (struct table){ .columns_n = columns_n };
}

void table_fini(struct table *t)
{
	for (size_t i = 0; i < t->cells_n; i++)
		free(t->cells[i]);
	free(t->cells);
	*t = (struct table){ 0 };
}

void table_align_right(struct table *t, size_t column)
{
	CHECK(column < t->columns_n);
	t->right[column] = true;
}

static char *printable(const char *text)
{
	bool utf8 = text_is_utf8(bytes_str(text));
	char *copy = strdup(text);
	CHECK(copy != NULL);
	for (char *p = copy; *p != '\0'; p++) {
		uint8_t c = (uint8_t)*p;
		/* 0xc2 0x80 to 0x9f are control characters too; the pair loses its second byte's meaning. */
		bool c1 = c == 0xc2 && (uint8_t)p[1] >= 0x80 && (uint8_t)p[1] < 0xa0;
		if (c < 0x20 || c == 0x7f || (c >= 0x80 && !utf8)) {
			*p = '?';
		} else if (c1) {
			p[0] = p[1] = '?';
			p++;
		}
	}
	return copy;
}

/* Characters, as far as one character is one place. */
static size_t width(const char *text)
{
	size_t n = 0;
	for (; *text != '\0'; text++)
		n += ((uint8_t)*text & 0xc0) != 0x80;
	return n;
}

void table_cell(struct table *t, const char *text)
{
	if (t->cells_n == t->cells_cap) {
		t->cells_cap = t->cells_cap == 0 ? 64 : t->cells_cap * 2;
		t->cells = reallocarray(t->cells, t->cells_cap, sizeof(t->cells[0]));
		CHECK(t->cells != NULL);
	}
	char *cell = printable(text == NULL || text[0] == '\0' ? "-" : text);
	size_t column = t->cells_n % t->columns_n;
	size_t n = width(cell);
	if (n > t->width[column])
		t->width[column] = n;
	t->cells[t->cells_n++] = cell;
}

static void spaces(struct buf *out, size_t n)
{
	while (n-- > 0)
		buf_put_u8(out, ' ');
}

void table_print(const struct table *t, struct buf *out)
{
	CHECK(t->cells_n % t->columns_n == 0);
	for (size_t i = 0; i < t->cells_n; i++) {
		size_t column = i % t->columns_n;
		bool last = column + 1 == t->columns_n;
		size_t pad = t->width[column] - width(t->cells[i]);
		spaces(out, t->right[column] ? pad : 0);
		buf_put_str(out, t->cells[i]);
		if (last)
			buf_put_u8(out, '\n');
		else
			spaces(out, (t->right[column] ? 0 : pad) + 2);
	}
}
