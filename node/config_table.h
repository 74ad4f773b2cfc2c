/* The one table of settings: what is read, checked, printed as defaults and compared at a reload.
 *
 * A setting's key is its path in the YAML ("listen.http"); the maps on the way ("listen") follow from
 * the keys. Values of struct config are reached by offset. Constant: any thread may read it.
 */
#ifndef NODE_CONFIG_TABLE_H
#define NODE_CONFIG_TABLE_H

#include "node/config.h"

enum setting_type {
	SETTING_STRING,   /* const char *; UTF-8 */
	SETTING_NAME,     /* const char *; [A-Za-z0-9._-] */
	SETTING_LABEL,    /* const char *; [A-Za-z0-9_-] */
	SETTING_PATH,     /* const char *; absolute */
	SETTING_LISTEN,   /* const char *; IP address and port */
	SETTING_ADDRESS,  /* const char *; host and port */
	SETTING_URL,      /* const char *; scheme, host and port */
	SETTING_TEMPLATE, /* const char *; a URL with a placeholder for an object */
	SETTING_NETWORK,  /* const char *; IP address or CIDR */
	SETTING_PACE,     /* const char *; config_value_pace reads it */
	SETTING_U32,      /* uint32_t */
	SETTING_SIZE,     /* uint64_t bytes */
	SETTING_DURATION, /* uint64_t milliseconds */
	SETTING_PERCENT,  /* uint32_t permille */
	SETTING_RATE,     /* uint32_t a minute */
	SETTING_ENUM,     /* an enum; index of the word */
	SETTING_ROLES,    /* uint32_t; a list of words, bit 1 << index each */
	SETTING_ITEMS,    /* an array of structs and a size_t */
};

struct setting {
	const char *key;
	enum setting_type type;
	bool list;                /* struct config_strings of that type */
	bool required;            /* else `def` stands in */
	bool unique;              /* in a list, or among the items: no value twice */
	bool reloadable;          /* a running node takes a new value */
	uint32_t of;              /* a field of some items only: bits 1 << word of the item's first field */
	size_t offset;            /* in struct config, or in an item's struct */
	uint64_t min, max;        /* of a number; bytes of a string; 0, 0 = by type */
	const char *def;          /* a scalar's text, without quotes; lists are empty */
	const char *const *words; /* of ENUM and ROLES, NULL ended */
	/* of ITEMS */
	const struct setting *fields;
	size_t fields_n, item_size, count_offset;
	size_t list_max;     /* elements of a list or items */
	const char *example; /* YAML that --print-default-config writes in place of a default */
	const char *note;    /* stands behind the range in errors */
	const char *doc;     /* lines of comment */
};

enum { CONFIG_SETTINGS_MAX = 48 };

extern const struct setting config_settings[];
extern const size_t config_settings_n;

/* The setting of that key, or NULL. */
const struct setting *config_setting(struct bytes key);
/* Whether some setting's key begins with `path` and a dot. */
bool config_is_section(struct bytes path);
/* What is most likely meant by a key that does not exist, NULL when nothing is near. The result is
 * the text of a table's key, of which *n bytes count. */
const char *config_nearest(const struct setting *settings, size_t settings_n, struct bytes key, size_t *n);

#endif
