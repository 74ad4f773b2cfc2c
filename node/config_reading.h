/* What the parts of config_parse share: where values go, which lines they came from, and the one error
 * line. Private to the config_*.c files.
 */
#ifndef NODE_CONFIG_READING_H
#define NODE_CONFIG_READING_H

#include "node/config_table.h"
#include "node/config_yaml.h"

struct config_reading {
	const char *file;
	struct arena *arena;
	char *error; /* CONFIG_ERROR_MAX characters */
	struct config out;
	uint32_t lines[CONFIG_SETTINGS_MAX]; /* by index in the table; 0 = not in the file */
};

/* Fills the error line and returns `e`. */
MUST_USE enum err config_refuse(struct config_reading *r, enum err e, uint32_t line, const char *key,
    const char *format, ...) __attribute__((format(printf, 5, 6)));
/* "KEY: 'TEXT' WHAT; allowed: ...". */
MUST_USE enum err config_refuse_value(struct config_reading *r, const struct setting *s,
    const struct config_node *n, const char *key, const char *what);
MUST_USE enum err config_no_memory(struct config_reading *r);
/* The line of that setting, or of a former sibling in its map; 1 when neither is in the file. */
uint32_t config_line_of(const struct config_reading *r, const char *key);

/* config_fields.c: the tree, and defaults for what it does not say, into r->out. */
MUST_USE enum err config_read_fields(struct config_reading *r, const struct config_node *root);
/* config_check.c: what holds between settings, and defaults made of other settings. */
MUST_USE enum err config_check(struct config_reading *r);

#endif
