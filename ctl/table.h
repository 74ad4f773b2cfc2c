/* Text in aligned columns. What comes from elsewhere is made safe for a terminal: control characters and
 * bytes that are not UTF-8 are shown as `?`.
 *
 * Ownership: cells are copied. Out of memory ends the program.
 */
#ifndef CTL_TABLE_H
#define CTL_TABLE_H

#include "base/bytes.h"

enum { TABLE_COLUMNS_MAX = 16 };

struct table {
	size_t columns_n;
	size_t width[TABLE_COLUMNS_MAX]; /* in characters, of the widest cell */
	bool right[TABLE_COLUMNS_MAX];   /* numbers stand to the right */
	char **cells;                    /* rows of columns_n */
	size_t cells_n, cells_cap;
};

void table_init(struct table *t, size_t columns_n);
void table_fini(struct table *t);
void table_align_right(struct table *t, size_t column);
/* Adds one cell; they fill rows from left to right. NULL or "" is shown as `-`. */
void table_cell(struct table *t, const char *text);
/* Appends all rows, two spaces between columns, none at the ends of lines. The last row must be full. */
void table_print(const struct table *t, struct buf *out);

#endif
