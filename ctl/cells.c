#include "ctl/cells.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- members of answers -- */

const char *member_str(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

bool member_u64(const json_t *object, const char *key, uint64_t *out)
{
	const json_t *v = json_object_get(object, key);
	if (!json_is_integer(v) || json_integer_value(v) < 0)
		return false;
	*out = (uint64_t)json_integer_value(v);
	return true;
}

const char *member_list(const json_t *object, const char *key, char out[CELL_MAX])
{
	const json_t *array = json_object_get(object, key);
	size_t n = 0;
	out[0] = '\0';
	for (size_t i = 0; i < json_array_size(array); i++) {
		const char *s = json_string_value(json_array_get(array, i));
		if (s == NULL || n + strlen(s) + 2 > CELL_MAX)
			continue;
		n += (size_t)snprintf(out + n, CELL_MAX - n, "%s%s", n == 0 ? "" : ",", s);
	}
	return out;
}

/* -- cells -- */

void cell_u64(struct table *t, const json_t *object, const char *key)
{
	uint64_t n;
	char text[UNITS_TEXT_MAX];
	if (!member_u64(object, key, &n)) {
		table_cell(t, NULL);
		return;
	}
	snprintf(text, sizeof(text), "%" PRIu64, n);
	table_cell(t, text);
}

void cell_units(
    struct table *t, const json_t *object, const char *key, char *(*units)(char[UNITS_TEXT_MAX], uint64_t))
{
	uint64_t n;
	char text[UNITS_TEXT_MAX];
	table_cell(t, member_u64(object, key, &n) ? units(text, n) : NULL);
}

void cell_share(struct table *t, const json_t *holder)
{
	uint64_t share = 0;
	char text[UNITS_TEXT_MAX];
	member_u64(holder, "share_permille", &share);
	table_cell(t, share > 0 ? units_permille(text, share) : NULL);
}

void cell_printf(struct table *t, const char *format, ...)
{
	char text[CELL_MAX];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	table_cell(t, text);
}

enum err cells_finish(struct table *t, struct buf *out)
{
	table_print(t, out);
	table_fini(t);
	return buf_err(out);
}

void cells_heads(struct table *t, const char *const *names, size_t n)
{
	table_init(t, n);
	for (size_t i = 0; i < n; i++)
		table_cell(t, names[i]);
}

/* -- rows in order -- */

int members_cmp(const json_t *a, const json_t *b, const char *const *keys)
{
	int order = 0;
	for (; order == 0 && *keys != NULL; keys++) {
		const char *x = member_str(a, *keys), *y = member_str(b, *keys);
		order = strverscmp(x == NULL ? "" : x, y == NULL ? "" : y);
	}
	return order;
}

struct order {
	const char *const *keys;
};

static int by_keys(const void *a, const void *b, void *order)
{
	return members_cmp(*(json_t *const *)a, *(json_t *const *)b, ((const struct order *)order)->keys);
}

json_t **members_sorted(const json_t *array, const char *const *keys, size_t *n)
{
	*n = json_array_size(array);
	json_t **rows = calloc(*n + 1, sizeof(json_t *));
	if (rows == NULL || !json_is_array(array)) {
		free(rows);
		return NULL;
	}
	for (size_t i = 0; i < *n; i++) {
		rows[i] = json_array_get(array, i);
		if (!json_is_object(rows[i])) {
			free(rows);
			return NULL;
		}
	}
	struct order order = { keys };
	qsort_r(rows, *n, sizeof(json_t *), by_keys, &order);
	return rows;
}
