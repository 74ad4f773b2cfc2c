#include "ctl/show.h"

#include "ctl/table.h"
#include "ctl/units.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CELL_MAX = 512 };

/* -- members of answers -- */

/* NULL when it is absent or no string. */
static const char *str_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static bool u64_of(const json_t *object, const char *key, uint64_t *out)
{
	const json_t *v = json_object_get(object, key);
	if (!json_is_integer(v) || json_integer_value(v) < 0)
		return false;
	*out = (uint64_t)json_integer_value(v);
	return true;
}

/* "a,b" of an array of strings; "" when it is none. */
static const char *list_of(const json_t *object, const char *key, char out[CELL_MAX])
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

static void cell_u64(struct table *t, const json_t *object, const char *key)
{
	uint64_t n;
	char text[UNITS_TEXT_MAX];
	if (!u64_of(object, key, &n)) {
		table_cell(t, NULL);
		return;
	}
	snprintf(text, sizeof(text), "%" PRIu64, n);
	table_cell(t, text);
}

static void cell_units(
    struct table *t, const json_t *object, const char *key, char *(*units)(char[UNITS_TEXT_MAX], uint64_t))
{
	uint64_t n;
	char text[UNITS_TEXT_MAX];
	table_cell(t, u64_of(object, key, &n) ? units(text, n) : NULL);
}

__attribute__((format(printf, 2, 3))) static void cell_printf(struct table *t, const char *format, ...)
{
	char text[CELL_MAX];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	table_cell(t, text);
}

static const char *or_dash(const char *s)
{
	return s == NULL || s[0] == '\0' ? "-" : s;
}

static enum err finish(struct table *t, struct buf *out)
{
	table_print(t, out);
	table_fini(t);
	return buf_err(out);
}

static void heads(struct table *t, const char *const *names, size_t n)
{
	table_init(t, n);
	for (size_t i = 0; i < n; i++)
		table_cell(t, names[i]);
}

/* -- status -- */

static void status_identity(const json_t *s, struct table *t)
{
	char roles[CELL_MAX];
	uint64_t count = 0;
	table_cell(t, "cluster");
	table_cell(t, str_of(s, "cluster"));
	table_cell(t, "node");
	cell_printf(t, "%s, id %s", or_dash(str_of(s, "node")), or_dash(str_of(s, "id")));
	table_cell(t, "roles");
	table_cell(t, list_of(s, "roles", roles));
	table_cell(t, "zone");
	table_cell(t, str_of(s, "zone"));
	table_cell(t, "state");
	table_cell(t, str_of(s, "state"));
	table_cell(t, "version");
	table_cell(t, str_of(s, "version"));
	table_cell(t, "up");
	uint64_t uptime_s;
	char age[UNITS_TEXT_MAX];
	if (u64_of(s, "uptime_s", &uptime_s) && uptime_s < UINT64_MAX / 1000)
		units_age(age, uptime_s * 1000);
	else
		snprintf(age, sizeof(age), "-");
	if (u64_of(json_object_get(s, "incarnation"), "count", &count))
		cell_printf(t, "%s, incarnation %" PRIu64, age, count);
	else
		table_cell(t, age);
}

static void status_counts(const json_t *s, struct table *t)
{
	const json_t *nodes = json_object_get(s, "nodes");
	uint64_t alive = 0, suspect = 0, down = 0, active = 0, capacity = 0;
	u64_of(nodes, "alive", &alive);
	u64_of(nodes, "suspect", &suspect);
	u64_of(nodes, "down", &down);
	table_cell(t, "nodes");
	cell_printf(t, "%" PRIu64 " alive, %" PRIu64 " suspect, %" PRIu64 " down", alive, suspect, down);
	const json_t *sessions = json_object_get(s, "sessions");
	table_cell(t, "sessions");
	if (u64_of(sessions, "active", &active) && u64_of(sessions, "capacity", &capacity) && capacity > 0)
		cell_printf(t, "%" PRIu64 " of %" PRIu64, active, capacity);
	else
		table_cell(t, NULL);
}

static void status_stores(const json_t *s, struct table *t)
{
	const json_t *cache = json_object_get(s, "cache"), *kvs = json_object_get(s, "kvs");
	uint64_t units = 0, bytes = 0, size = 0, rows = 0, entries = 0, tombstones = 0;
	char held[UNITS_TEXT_MAX], all[UNITS_TEXT_MAX];
	table_cell(t, "cache");
	if (u64_of(cache, "units", &units) && u64_of(cache, "bytes", &bytes) &&
	    u64_of(cache, "size_bytes", &size))
		cell_printf(
		    t, "%" PRIu64 " units, %s of %s", units, units_bytes(held, bytes), units_bytes(all, size));
	else
		table_cell(t, NULL);
	table_cell(t, "replica");
	u64_of(kvs, "rows", &rows);
	u64_of(kvs, "entries", &entries);
	u64_of(kvs, "tombstones", &tombstones);
	cell_printf(t, "%" PRIu64 " rows, %" PRIu64 " entries, %" PRIu64 " tombstones%s", rows, entries,
	    tombstones,
	    json_is_true(json_object_get(kvs, "mute")) ? "; MUTE: its store fails, it writes nothing new" : "");
}

enum err show_status(const json_t *answer, struct buf *out)
{
	if (!json_is_object(answer) || str_of(answer, "node") == NULL)
		return ERR_INVALID;
	struct table t;
	table_init(&t, 2);
	status_identity(answer, &t);
	status_counts(answer, &t);
	status_stores(answer, &t);
	return finish(&t, out);
}

/* -- rows sorted by name -- */

static int by_name(const void *a, const void *b, void *key)
{
	const char *x = str_of(*(json_t *const *)a, key), *y = str_of(*(json_t *const *)b, key);
	return strcmp(x == NULL ? "" : x, y == NULL ? "" : y);
}

/* The objects of `array` sorted by `key`, to be freed. NULL: it is no array of objects. */
static json_t **sorted(const json_t *array, char *key, size_t *n)
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
	qsort_r(rows, *n, sizeof(json_t *), by_name, key);
	return rows;
}

/* -- nodes -- */

static void node_row(const json_t *node, struct table *t)
{
	char text[CELL_MAX];
	uint64_t sessions = 0, capacity = 0;
	table_cell(t, str_of(node, "name"));
	table_cell(t, str_of(node, "state"));
	table_cell(t, str_of(node, "liveness"));
	cell_units(t, node, "since_ms", units_age);
	table_cell(t, list_of(node, "roles", text));
	table_cell(t, str_of(node, "zone"));
	/* Who takes no viewers has no sessions to show. */
	if (u64_of(node, "capacity", &capacity) && u64_of(node, "sessions", &sessions) && capacity > 0)
		cell_printf(t, "%" PRIu64 "/%" PRIu64, sessions, capacity);
	else
		table_cell(t, NULL);
	table_cell(t, str_of(node, "rpc"));
}

enum err show_nodes(const json_t *answer, struct buf *out)
{
	static const char *const names[] = { "NAME", "STATE", "LIVE", "SINCE", "ROLES", "ZONE", "SESSIONS",
		"ADDRESS" };
	size_t n;
	static char key[] = "name";
	json_t **rows = sorted(json_object_get(answer, "nodes"), key, &n);
	if (rows == NULL)
		return ERR_INVALID;
	struct table t;
	heads(&t, names, sizeof(names) / sizeof(names[0]));
	table_align_right(&t, 3);
	table_align_right(&t, 6);
	for (size_t i = 0; i < n; i++)
		node_row(rows[i], &t);
	free(rows);
	return finish(&t, out);
}

/* -- holders -- */

/* A holder that does not know how large the content is says 0. */
static void cell_share(struct table *t, const json_t *holder)
{
	uint64_t share = 0;
	char text[UNITS_TEXT_MAX];
	u64_of(holder, "share_permille", &share);
	table_cell(t, share > 0 ? units_permille(text, share) : NULL);
}

enum err show_holders(const json_t *answer, struct buf *out)
{
	static const char *const names[] = { "NODE", "STATE", "LIVE", "SHARE", "HELD", "OBJECTS", "ENTRY" };
	size_t n;
	static char key[] = "node";
	json_t **rows = sorted(json_object_get(answer, "holders"), key, &n);
	if (rows == NULL)
		return ERR_INVALID;
	struct table t;
	heads(&t, names, sizeof(names) / sizeof(names[0]));
	for (size_t column = 3; column <= 5; column++)
		table_align_right(&t, column);
	for (size_t i = 0; i < n; i++) {
		table_cell(&t, str_of(rows[i], "node"));
		table_cell(&t, str_of(rows[i], "state"));
		table_cell(&t, str_of(rows[i], "liveness"));
		cell_share(&t, rows[i]);
		cell_units(&t, rows[i], "bytes", units_bytes);
		cell_u64(&t, rows[i], "objects");
		table_cell(&t, str_of(rows[i], "entry"));
	}
	free(rows);
	if (n > 0)
		return finish(&t, out);
	table_fini(&t);
	buf_put_str(out, "no node holds it\n");
	return buf_err(out);
}
