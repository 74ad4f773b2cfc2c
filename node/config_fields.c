/* The walk over the tree by the table of settings. */
#include "node/config_reading.h"

#include "base/check.h"
#include "node/config_value.h"

#include <string.h>

static void *at(void *base, size_t offset)
{
	return (char *)base + offset;
}

static const char *kind_of(const struct config_node *n)
{
	if (config_node_is_null(n))
		return "nothing";
	if (n->kind == CONFIG_LIST && n->children_n == 0)
		return "an empty list";
	return n->kind == CONFIG_SCALAR ? "one value" : n->kind == CONFIG_LIST ? "a list" : "a map";
}

static enum err refuse_kind(struct config_reading *r, const struct setting *s, const struct config_node *n,
    const char *key, const char *wanted)
{
	struct buf allowed;
	buf_init(&allowed, 512);
	config_value_allowed(s, &allowed);
	enum err e = config_refuse(r, ERR_INVALID, n->line, key, "%s stands here, %s is wanted%s%.*s", kind_of(n),
	    wanted, allowed.n > 0 ? "; allowed: " : "", (int)allowed.n, (const char *)allowed.p);
	buf_fini(&allowed);
	return e;
}

/* A scalar into the place of its type. */
static enum err store_scalar(struct config_reading *r, const struct setting *s, const struct config_node *n,
    const char *key, void *place)
{
	if (n->kind != CONFIG_SCALAR || config_node_is_null(n))
		return refuse_kind(r, s, n, key, "one value");
	if (config_type_is_text(s->type)) {
		const char *wrong = config_value_text(s, n->text);
		if (wrong != NULL)
			return config_refuse_value(r, s, n, key, wrong);
		memcpy(place, &n->text.p, sizeof(const char *));
		return OK;
	}
	uint64_t v;
	if (s->type == SETTING_U32 && !n->plain)
		return config_refuse_value(r, s, n, key, "stands in quotes, which makes it text");
	const char *wrong = config_value_number(s, n->text, &v);
	if (wrong != NULL)
		return config_refuse_value(r, s, n, key, wrong);
	uint32_t v32 = (uint32_t)v;
	if (s->type == SETTING_SIZE || s->type == SETTING_DURATION)
		memcpy(place, &v, sizeof(v));
	else
		memcpy(place, &v32, sizeof(v32));
	return OK;
}
_Static_assert(sizeof(enum log_level) == 4 && sizeof(enum object_class) == 4 && sizeof(enum origin_type) == 4,
    "words are stored as 32 bits");

static enum err check_length(
    struct config_reading *r, const struct config_node *n, const char *key, size_t max)
{
	if (n->children_n > max)
		return config_refuse(
		    r, ERR_TOO_BIG, n->line, key, "%zu entries; at most %zu are allowed", n->children_n, max);
	return OK;
}

static enum err read_strings(struct config_reading *r, const struct setting *s,
    const struct config_node *list, struct config_strings *out)
{
	if (list->kind != CONFIG_LIST)
		return refuse_kind(r, s, list, s->key, "a list [...]");
	enum err e = check_length(r, list, s->key, s->list_max);
	for (const struct config_node *n = list->first; e == OK && n != NULL; n = n->next) {
		const char *key = arena_printf(r->arena, "%s[%zu]", s->key, out->n);
		if (key == NULL)
			return config_no_memory(r);
		e = store_scalar(r, s, n, key, &out->v[out->n]);
		for (size_t i = 0; e == OK && s->unique && i < out->n; i++)
			if (strcmp(out->v[i], out->v[out->n]) == 0)
				e = config_refuse(r, ERR_INVALID, n->line, key, "'%.64s' is in the list twice", out->v[i]);
		out->n++;
	}
	return e;
}

static enum err read_roles(struct config_reading *r, const struct setting *s, const struct config_node *list)
{
	uint32_t roles = 0;
	if (list->kind != CONFIG_LIST || list->children_n == 0)
		return refuse_kind(r, s, list, s->key, "a list with at least one role");
	for (const struct config_node *n = list->first; n != NULL; n = n->next) {
		uint32_t role;
		enum err e = store_scalar(r, s, n, s->key, &role);
		if (e != OK)
			return e;
		if (roles & 1u << role)
			return config_refuse(
			    r, ERR_INVALID, n->line, s->key, "'%s' is in the list twice", s->words[role]);
		roles |= 1u << role;
	}
	r->out.roles = roles;
	return OK;
}

static enum err put_default(struct config_reading *r, const struct setting *s, void *base)
{
	if (s->def == NULL)
		return OK;
	struct config_node n = { .kind = CONFIG_SCALAR, .plain = *s->def != '\0', .text = bytes_str(s->def) };
	return store_scalar(r, s, &n, s->key, at(base, s->offset));
}

static enum err refuse_missing(
    struct config_reading *r, const struct setting *s, uint32_t line, const char *key)
{
	struct buf allowed;
	buf_init(&allowed, 512);
	config_value_allowed(s, &allowed);
	enum err e = config_refuse(
	    r, ERR_INVALID, line, key, "is missing; allowed: %.*s", (int)allowed.n, (const char *)allowed.p);
	buf_fini(&allowed);
	return e;
}

static enum err refuse_unknown(struct config_reading *r, const struct config_node *n, const char *key,
    const char *nearest, size_t nearest_n)
{
	if (nearest == NULL)
		return config_refuse(
		    r, ERR_INVALID, n->key_line, key, "is no setting; --print-default-config shows all");
	return config_refuse(
	    r, ERR_INVALID, n->key_line, key, "is no setting; did you mean '%.*s'?", (int)nearest_n, nearest);
}

static const struct setting *field_of(const struct setting *s, struct bytes key)
{
	for (size_t i = 0; i < s->fields_n; i++)
		if (bytes_eq(key, bytes_str(s->fields[i].key)))
			return &s->fields[i];
	return NULL;
}

/* Whether an item of this first word has the field. */
static bool has_field(const struct setting *s, const struct setting *f, const void *item)
{
	uint32_t word;
	if (f->of == 0)
		return true;
	memcpy(&word, (const char *)item + s->fields[0].offset, sizeof(word));
	return (f->of & 1u << word) != 0;
}

static enum err refuse_foreign(struct config_reading *r, const struct setting *s, const struct config_node *n,
    const char *key, const void *item)
{
	struct buf allowed;
	uint32_t word;
	memcpy(&word, (const char *)item + s->fields[0].offset, sizeof(word));
	buf_init(&allowed, 512);
	for (size_t i = 0; i < s->fields_n; i++)
		if (has_field(s, &s->fields[i], item))
			buf_printf(&allowed, "%s%s", i == 0 ? "" : ", ", s->fields[i].key);
	enum err e = config_refuse(r, ERR_INVALID, n->key_line, key, "is no setting of %s %s; allowed: %.*s",
	    s->fields[0].key, s->fields[0].words[word], (int)allowed.n, (const char *)allowed.p);
	buf_fini(&allowed);
	return e;
}

/* Nobody asks for it; texts are not NULL all the same. */
static void put_none(const struct setting *f, void *item)
{
	static const char *const none = "";
	if (config_type_is_text(f->type))
		memcpy(at(item, f->offset), &none, sizeof(none));
}

/* Fields in the table's order: what a type does not know is said before what the type's other keys are. */
static enum err read_item(struct config_reading *r, const struct setting *s, const struct config_node *map,
    const char *path, void *item)
{
	for (size_t i = 0; i < s->fields_n; i++) {
		const struct setting *f = &s->fields[i];
		const struct config_node *n = config_node_get(map, f->key);
		const char *key = arena_printf(r->arena, "%s.%s", path, f->key);
		if (key == NULL)
			return config_no_memory(r);
		enum err e = OK;
		bool foreign = !has_field(s, f, item);
		if (foreign && n != NULL)
			return refuse_foreign(r, s, n, key, item);
		if (foreign)
			put_none(f, item);
		else if (n != NULL)
			e = store_scalar(r, f, n, key, at(item, f->offset));
		else if (f->required)
			e = refuse_missing(r, f, map->line, key);
		else
			e = put_default(r, f, item);
		if (e != OK)
			return e;
	}
	for (const struct config_node *n = map->first; n != NULL; n = n->next) {
		if (field_of(s, n->key) != NULL)
			continue;
		const char *key = arena_printf(r->arena, "%s.%.64s", path, (const char *)n->key.p);
		if (key == NULL)
			return config_no_memory(r);
		size_t nearest_n = 0;
		const char *nearest = config_nearest(s->fields, s->fields_n, n->key, &nearest_n);
		return refuse_unknown(r, n, key, nearest, nearest_n);
	}
	return OK;
}

/* Unique fields of items are text. */
static enum err check_unique(struct config_reading *r, const struct setting *s, const struct config_node *map,
    const char *path, char *items, size_t last)
{
	for (size_t f = 0; f < s->fields_n; f++) {
		if (!s->fields[f].unique)
			continue;
		const char *value, *former;
		memcpy(&value, items + last * s->item_size + s->fields[f].offset, sizeof(value));
		for (size_t i = 0; i < last; i++) {
			memcpy(&former, items + i * s->item_size + s->fields[f].offset, sizeof(former));
			if (strcmp(former, value) == 0)
				return config_refuse(r, ERR_INVALID, map->line, path, "%s '%.64s' is that of %s[%zu] already",
				    s->fields[f].key, value, s->key, i);
		}
	}
	return OK;
}

static enum err read_items(struct config_reading *r, const struct setting *s, const struct config_node *list)
{
	if (list->kind != CONFIG_LIST)
		return refuse_kind(r, s, list, s->key, "a list of maps [{...}]");
	enum err e = check_length(r, list, s->key, s->list_max);
	char *items = at(&r->out, s->offset);
	size_t n = 0;
	for (const struct config_node *map = list->first; e == OK && map != NULL; map = map->next) {
		const char *path = arena_printf(r->arena, "%s[%zu]", s->key, n);
		if (path == NULL)
			return config_no_memory(r);
		if (map->kind != CONFIG_MAP)
			return refuse_kind(r, s, map, path, "a map {...}");
		e = read_item(r, s, map, path, items + n * s->item_size);
		if (e == OK)
			e = check_unique(r, s, map, path, items, n);
		n++;
	}
	memcpy(at(&r->out, s->count_offset), &n, sizeof(n));
	return e;
}

static enum err read_setting(struct config_reading *r, const struct setting *s, const struct config_node *n)
{
	r->lines[s - config_settings] = n->key_line;
	if (s->list)
		return read_strings(r, s, n, at(&r->out, s->offset));
	if (s->type == SETTING_ITEMS)
		return read_items(r, s, n);
	if (s->type == SETTING_ROLES)
		return read_roles(r, s, n);
	return store_scalar(r, s, n, s->key, at(&r->out, s->offset));
}

/* A map whose path, with its dot, is `prefix`; the root's is empty. Depth is bounded by the keys. */
static enum err read_section(struct config_reading *r, const struct config_node *map, const char *prefix)
{
	for (const struct config_node *n = map->first; n != NULL; n = n->next) {
		const char *key = arena_printf(r->arena, "%s%.64s", prefix, (const char *)n->key.p);
		if (key == NULL)
			return config_no_memory(r);
		const struct setting *s = config_setting(bytes_str(key));
		enum err e = OK;
		if (s != NULL) {
			e = read_setting(r, s, n);
		} else if (!config_is_section(bytes_str(key))) {
			size_t nearest_n = 0;
			const char *nearest =
			    config_nearest(config_settings, config_settings_n, bytes_str(key), &nearest_n);
			e = refuse_unknown(r, n, key, nearest, nearest_n);
		} else if (n->kind == CONFIG_MAP) {
			const char *inner = arena_printf(r->arena, "%s.", key);
			e = inner == NULL ? config_no_memory(r) : read_section(r, n, inner);
		} else if (!config_node_is_null(n)) {
			e = config_refuse(r, ERR_INVALID, n->line, key, "%s stands here, a map is wanted", kind_of(n));
		}
		if (e != OK)
			return e;
	}
	return OK;
}

enum err config_read_fields(struct config_reading *r, const struct config_node *root)
{
	if (root != NULL && root->kind != CONFIG_MAP && !config_node_is_null(root))
		return config_refuse(
		    r, ERR_INVALID, root->line, "", "%s stands here, a map of settings is wanted", kind_of(root));
	enum err e = root == NULL ? OK : read_section(r, root, "");
	for (size_t i = 0; e == OK && i < config_settings_n; i++) {
		const struct setting *s = &config_settings[i];
		if (r->lines[i] != 0)
			continue;
		if (s->required)
			e = refuse_missing(r, s, config_line_of(r, s->key), s->key);
		else
			e = put_default(r, s, &r->out);
	}
	return e;
}
