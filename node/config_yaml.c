#include "node/config_yaml.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

struct reader {
	yaml_parser_t parser;
	struct arena *arena;
	struct config_yaml_error *error;
	struct bytes text;
	size_t nodes_n;
};

static enum err __attribute__((format(printf, 4, 5)))
refuse(struct reader *r, enum err e, size_t line, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	vsnprintf(r->error->text, sizeof(r->error->text), format, ap);
	va_end(ap);
	r->error->line = (uint32_t)line;
	return e;
}

static enum err no_memory(struct reader *r)
{
	return refuse(r, ERR_NO_MEMORY, 1, "%s", err_str(ERR_NO_MEMORY));
}

static enum err refuse_syntax(struct reader *r)
{
	const yaml_parser_t *p = &r->parser;
	if (p->error == YAML_MEMORY_ERROR)
		return no_memory(r);
	const char *problem = p->problem == NULL ? "malformed" : p->problem;
	if (p->error == YAML_READER_ERROR) {
		/* Without a mark: only the offset in the text is known. */
		size_t line = 1;
		for (size_t i = 0; i < p->problem_offset && i < r->text.n; i++)
			line += r->text.p[i] == '\n';
		return refuse(r, ERR_INVALID, line, "not YAML: %s", problem);
	}
	size_t line = p->problem_mark.line + 1;
	if (p->context == NULL)
		return refuse(r, ERR_INVALID, line, "not YAML: %s", problem);
	return refuse(r, ERR_INVALID, line, "not YAML: %s, %s", p->context, problem);
}

static enum err next_event(struct reader *r, yaml_event_t *event)
{
	return yaml_parser_parse(&r->parser, event) ? OK : refuse_syntax(r);
}

static size_t line_of(const yaml_event_t *event)
{
	return event->start_mark.line + 1;
}

/* Whatever makes one YAML mean another than it seems to say. */
static enum err refuse_magic(struct reader *r, const yaml_event_t *event)
{
	const yaml_char_t *anchor = NULL, *tag = NULL;
	switch (event->type) {
	case YAML_ALIAS_EVENT:
		return refuse(r, ERR_INVALID, line_of(event), "aliases (*name) are not taken; write the value out");
	case YAML_SCALAR_EVENT:
		anchor = event->data.scalar.anchor;
		tag = event->data.scalar.tag;
		break;
	case YAML_SEQUENCE_START_EVENT:
		anchor = event->data.sequence_start.anchor;
		tag = event->data.sequence_start.tag;
		break;
	case YAML_MAPPING_START_EVENT:
		anchor = event->data.mapping_start.anchor;
		tag = event->data.mapping_start.tag;
		break;
	default: break;
	}
	if (anchor != NULL)
		return refuse(r, ERR_INVALID, line_of(event), "anchors (&name) are not taken; write the value out");
	if (tag != NULL)
		return refuse(r, ERR_INVALID, line_of(event), "tags (!name) are not taken");
	return OK;
}

static bool has_control(struct bytes s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < 0x20 || s.p[i] == 0x7f)
			return true;
	return false;
}

static enum err scalar_text(struct reader *r, const yaml_event_t *event, struct bytes *out)
{
	struct bytes text = bytes_of(event->data.scalar.value, event->data.scalar.length);
	if (has_control(text))
		return refuse(r, ERR_INVALID, line_of(event), "a control character or line break in a value");
	char *copy = arena_str(r->arena, text);
	if (copy == NULL)
		return no_memory(r);
	*out = bytes_of(copy, text.n);
	return OK;
}

static enum err read_node(
    struct reader *r, const yaml_event_t *event, unsigned depth, struct config_node **out);

/* The next event as a node; *out is NULL at `end`. */
static enum err read_next(struct reader *r, yaml_event_type_t end, unsigned depth, struct config_node **out)
{
	yaml_event_t event;
	enum err e = next_event(r, &event);
	if (e != OK)
		return e;
	*out = NULL;
	if (event.type != end)
		e = read_node(r, &event, depth, out);
	yaml_event_delete(&event);
	return e;
}

static enum err read_list(struct reader *r, struct config_node *list, unsigned depth)
{
	struct config_node **last = &list->first, *child;
	for (;;) {
		enum err e = read_next(r, YAML_SEQUENCE_END_EVENT, depth, &child);
		if (e != OK || child == NULL)
			return e;
		*last = child;
		last = &child->next;
		list->children_n++;
	}
}

static enum err check_key(struct reader *r, const struct config_node *map, const struct config_node *key)
{
	if (key->kind != CONFIG_SCALAR)
		return refuse(r, ERR_INVALID, key->line, "a key must be a word");
	const struct config_node *former = config_node_get(map, (const char *)key->text.p);
	if (former != NULL)
		return refuse(r, ERR_INVALID, key->line,
		    "key '%.64s' stands here for the second time; first in line %u", (const char *)key->text.p,
		    former->key_line);
	return OK;
}

static enum err read_map(struct reader *r, struct config_node *map, unsigned depth)
{
	struct config_node **last = &map->first, *key, *child;
	for (;;) {
		enum err e = read_next(r, YAML_MAPPING_END_EVENT, depth, &key);
		if (e != OK || key == NULL)
			return e;
		e = check_key(r, map, key);
		if (e == OK)
			e = read_next(r, YAML_NO_EVENT, depth, &child);
		if (e != OK)
			return e;
		child->key = key->text;
		child->key_line = key->line;
		*last = child;
		last = &child->next;
		map->children_n++;
	}
}

static enum err read_node(
    struct reader *r, const yaml_event_t *event, unsigned depth, struct config_node **out)
{
	enum err e = refuse_magic(r, event);
	if (e != OK)
		return e;
	if (depth > CONFIG_DEPTH_MAX)
		return refuse(r, ERR_TOO_BIG, line_of(event), "nested more than %d levels deep", CONFIG_DEPTH_MAX);
	if (r->nodes_n++ >= CONFIG_NODES_MAX)
		return refuse(r, ERR_TOO_BIG, line_of(event), "more than %d keys and values", CONFIG_NODES_MAX);
	struct config_node *n = arena_alloc(r->arena, sizeof(*n));
	if (n == NULL)
		return no_memory(r);
	n->line = (uint32_t)line_of(event);
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		n->kind = CONFIG_SCALAR;
		n->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
		e = scalar_text(r, event, &n->text);
		break;
	case YAML_SEQUENCE_START_EVENT:
		n->kind = CONFIG_LIST;
		e = read_list(r, n, depth + 1);
		break;
	case YAML_MAPPING_START_EVENT:
		n->kind = CONFIG_MAP;
		e = read_map(r, n, depth + 1);
		break;
	default: e = refuse(r, ERR_INVALID, line_of(event), "not YAML: unexpected end of a value");
	}
	if (e == OK)
		*out = n;
	return e;
}

/* Stream start, at most one document, stream end. */
static enum err read_stream(struct reader *r, struct config_node **root)
{
	bool seen = false;
	*root = NULL;
	for (bool more = true; more;) {
		yaml_event_t event;
		enum err e = next_event(r, &event);
		if (e != OK)
			return e;
		more = event.type != YAML_STREAM_END_EVENT;
		if (event.type == YAML_DOCUMENT_START_EVENT) {
			if (seen)
				e = refuse(r, ERR_INVALID, line_of(&event), "a second document; one is taken");
			else
				e = read_next(r, YAML_NO_EVENT, 1, root);
			seen = true;
		}
		yaml_event_delete(&event);
		if (e != OK)
			return e;
	}
	return OK;
}

enum err config_yaml_parse(
    struct bytes text, struct arena *a, struct config_node **root, struct config_yaml_error *error)
{
	struct reader r = { .arena = a, .error = error, .text = text };
	if (text.n > CONFIG_FILE_MAX)
		return refuse(&r, ERR_TOO_BIG, 1, "%zu bytes; at most %d are read", text.n, CONFIG_FILE_MAX);
	if (!yaml_parser_initialize(&r.parser))
		return no_memory(&r);
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	/* libyaml wants a pointer even to nothing. */
	yaml_parser_set_input_string(&r.parser, text.n == 0 ? (const uint8_t *)"" : text.p, text.n);
	struct config_node *found;
	enum err e = read_stream(&r, &found);
	yaml_parser_delete(&r.parser);
	if (e == OK)
		*root = found;
	return e;
}

bool config_node_is_null(const struct config_node *n)
{
	if (n->kind != CONFIG_SCALAR || !n->plain)
		return false;
	const char *s = (const char *)n->text.p;
	return *s == '\0' || strcmp(s, "~") == 0 || strcmp(s, "null") == 0;
}

const struct config_node *config_node_get(const struct config_node *map, const char *key)
{
	for (const struct config_node *n = map->first; n != NULL; n = n->next)
		if (bytes_eq(n->key, bytes_str(key)))
			return n;
	return NULL;
}
