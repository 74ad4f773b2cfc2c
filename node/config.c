#include "node/config.h"

#include "node/config_reading.h"

enum err config_parse(
    struct bytes yaml, const char *name, struct arena *a, struct config *out, char error[CONFIG_ERROR_MAX])
{
	struct config_reading r = { .file = name, .arena = a, .error = error };
	struct config_yaml_error syntax;
	struct config_node *root;
	enum err e = config_yaml_parse(yaml, a, &root, &syntax);
	if (e != OK)
		return config_refuse(&r, e, syntax.line, "", "%s", syntax.text);
	e = config_read_fields(&r, root);
	if (e == OK)
		e = config_check(&r);
	if (e != OK)
		return e;
	r.out.file = arena_str(a, bytes_str(name));
	if (r.out.file == NULL)
		return config_no_memory(&r);
	*out = r.out;
	return OK;
}

const struct config_origin *config_origin_of(const struct config *c, struct bytes content)
{
	for (size_t i = 0; i < c->origins_n; i++)
		if (bytes_starts_with(content, bytes_str(c->origins[i].match)))
			return &c->origins[i];
	return NULL;
}
