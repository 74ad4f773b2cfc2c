/* YAML text as a small tree with line numbers: what the table of settings is read from.
 *
 * One document of maps, lists and scalars. Refused, each with its line: a key twice, anchors, aliases,
 * tags, keys that are not text, control characters in a scalar, and what is past the limits below.
 *
 * Pure and without state. The tree lives in the arena.
 */
#ifndef NODE_CONFIG_YAML_H
#define NODE_CONFIG_YAML_H

#include "base/arena.h"

enum {
	CONFIG_FILE_MAX = 64 * 1024, /* bytes */
	CONFIG_DEPTH_MAX = 8,
	CONFIG_NODES_MAX = 2048,
};

enum config_kind { CONFIG_SCALAR, CONFIG_LIST, CONFIG_MAP };

struct config_node {
	enum config_kind kind;
	bool plain;                       /* a scalar without quotes */
	uint32_t line;                    /* from 1 */
	uint32_t key_line;                /* of a map's child */
	struct bytes key;                 /* of a map's child; a NUL follows */
	struct bytes text;                /* of a scalar; a NUL follows */
	size_t children_n;                /* of a list or a map */
	struct config_node *first, *next; /* first child; next sibling */
};

struct config_yaml_error {
	uint32_t line;
	char text[256]; /* one line */
};

/* *root is NULL for an empty document. ERR_INVALID, ERR_TOO_BIG or ERR_NO_MEMORY, with *e filled. */
MUST_USE enum err config_yaml_parse(
    struct bytes text, struct arena *a, struct config_node **root, struct config_yaml_error *e);
/* No value was written: `key:`, `key: ~` or `key: null`. */
bool config_node_is_null(const struct config_node *n);
/* The child of a map under that key, or NULL. */
const struct config_node *config_node_get(const struct config_node *map, const char *key);

#endif
