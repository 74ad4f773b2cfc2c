#include "node/config_reading.h"

#include "base/check.h"
#include "node/config_value.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { ECHO_BYTES_MAX = 64, ALLOWED_BYTES_MAX = 512 };

enum err config_refuse(
    struct config_reading *r, enum err e, uint32_t line, const char *key, const char *format, ...)
{
	int n = snprintf(
	    r->error, CONFIG_ERROR_MAX, "%.400s:%u: %.100s%s", r->file, line, key, *key == '\0' ? "" : ": ");
	CHECK(n > 0 && n < CONFIG_ERROR_MAX);
	va_list ap;
	va_start(ap, format);
	vsnprintf(r->error + n, CONFIG_ERROR_MAX - (size_t)n, format, ap);
	va_end(ap);
	return e;
}

/* How much of the text is shown: not half a character. */
static size_t echo_length(struct bytes text)
{
	size_t n = text.n < ECHO_BYTES_MAX ? text.n : ECHO_BYTES_MAX;
	while (n > 0 && n < text.n && (text.p[n] & 0xc0) == 0x80)
		n--;
	return n;
}

enum err config_refuse_value(struct config_reading *r, const struct setting *s, const struct config_node *n,
    const char *key, const char *what)
{
	struct buf allowed;
	buf_init(&allowed, ALLOWED_BYTES_MAX);
	config_value_allowed(s, &allowed);
	size_t shown = echo_length(n->text);
	enum err e = config_refuse(r, ERR_INVALID, n->line, key, "'%.*s%s' %s; allowed: %.*s", (int)shown,
	    (const char *)n->text.p, shown < n->text.n ? "..." : "", what, (int)allowed.n,
	    (const char *)allowed.p);
	buf_fini(&allowed);
	return e;
}

enum err config_no_memory(struct config_reading *r)
{
	return config_refuse(r, ERR_NO_MEMORY, 1, "", "%s", err_str(ERR_NO_MEMORY));
}

uint32_t config_line_of(const struct config_reading *r, const char *key)
{
	const char *dot = strchr(key, '.');
	struct bytes map = bytes_of(key, dot == NULL ? 0 : (size_t)(dot - key) + 1);
	uint32_t line = 1;
	for (size_t i = 0; i < config_settings_n; i++) {
		if (strcmp(config_settings[i].key, key) == 0 && r->lines[i] != 0)
			return r->lines[i];
		bool sibling = map.n > 0 && bytes_starts_with(bytes_str(config_settings[i].key), map);
		if (sibling && line == 1 && r->lines[i] != 0)
			line = r->lines[i];
	}
	return line;
}
