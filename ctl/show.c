#include "ctl/show.h"

#include "ctl/cells.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	CLAIMERS_MAX = 64,   /* of a node; it has ten watchers */
	CLAIMERS_WIDTH = 40, /* of the cell that names them */
};

static const char *or_dash(const char *s)
{
	return s == NULL || s[0] == '\0' ? "-" : s;
}

/* -- status -- */

static void status_identity(const json_t *s, struct table *t)
{
	char roles[CELL_MAX];
	uint64_t count = 0;
	table_cell(t, "cluster");
	table_cell(t, member_str(s, "cluster"));
	table_cell(t, "node");
	cell_printf(t, "%s, id %s", or_dash(member_str(s, "node")), or_dash(member_str(s, "id")));
	table_cell(t, "roles");
	table_cell(t, member_list(s, "roles", roles));
	table_cell(t, "zone");
	table_cell(t, member_str(s, "zone"));
	table_cell(t, "state");
	table_cell(t, member_str(s, "state"));
	table_cell(t, "version");
	table_cell(t, member_str(s, "version"));
	table_cell(t, "up");
	uint64_t uptime_s;
	char age[UNITS_TEXT_MAX];
	if (member_u64(s, "uptime_s", &uptime_s) && uptime_s < UINT64_MAX / 1000)
		units_age(age, uptime_s * 1000);
	else
		snprintf(age, sizeof(age), "-");
	if (member_u64(json_object_get(s, "incarnation"), "count", &count))
		cell_printf(t, "%s, incarnation %" PRIu64, age, count);
	else
		table_cell(t, age);
}

static void status_counts(const json_t *s, struct table *t)
{
	const json_t *nodes = json_object_get(s, "nodes");
	uint64_t alive = 0, suspect = 0, down = 0, left = 0, active = 0, capacity = 0;
	member_u64(nodes, "alive", &alive);
	member_u64(nodes, "suspect", &suspect);
	member_u64(nodes, "down", &down);
	table_cell(t, "nodes");
	char gone[UNITS_TEXT_MAX] = "";
	if (member_u64(nodes, "left", &left) && left > 0)
		snprintf(gone, sizeof(gone), ", %" PRIu64 " left", left);
	cell_printf(t, "%" PRIu64 " alive, %" PRIu64 " suspect, %" PRIu64 " down%s", alive, suspect, down, gone);
	const json_t *sessions = json_object_get(s, "sessions");
	table_cell(t, "sessions");
	if (member_u64(sessions, "active", &active) && member_u64(sessions, "capacity", &capacity) &&
	    capacity > 0)
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
	if (member_u64(cache, "units", &units) && member_u64(cache, "bytes", &bytes) &&
	    member_u64(cache, "size_bytes", &size))
		cell_printf(
		    t, "%" PRIu64 " units, %s of %s", units, units_bytes(held, bytes), units_bytes(all, size));
	else
		table_cell(t, NULL);
	table_cell(t, "replica");
	member_u64(kvs, "rows", &rows);
	member_u64(kvs, "entries", &entries);
	member_u64(kvs, "tombstones", &tombstones);
	cell_printf(t, "%" PRIu64 " rows, %" PRIu64 " entries, %" PRIu64 " tombstones%s", rows, entries,
	    tombstones,
	    json_is_true(json_object_get(kvs, "mute")) ? "; MUTE: its store fails, it writes nothing new" : "");
}

enum err show_status(const json_t *answer, struct buf *out)
{
	if (!json_is_object(answer) || member_str(answer, "node") == NULL)
		return ERR_INVALID;
	struct table t;
	table_init(&t, 2);
	status_identity(answer, &t);
	status_counts(answer, &t);
	status_stores(answer, &t);
	return cells_finish(&t, out);
}

/* -- nodes -- */

/* Its build, and the protocol versions between which it speaks. */
static void cell_version(struct table *t, const json_t *node)
{
	const json_t *protocol = json_object_get(node, "protocol");
	uint64_t min, max;
	if (member_u64(protocol, "min", &min) && member_u64(protocol, "max", &max))
		cell_printf(t, "%s (%" PRIu64 "-%" PRIu64 ")", or_dash(member_str(node, "version")), min, max);
	else
		table_cell(t, member_str(node, "version"));
}

static bool is(const json_t *object, const char *key, const char *value)
{
	const char *s = member_str(object, key);
	return s != NULL && strcmp(s, value) == 0;
}

/* Who has left is not reached, and nobody wants to reach it. */
static void cell_liveness(struct table *t, const json_t *node)
{
	if (is(node, "state", "left"))
		table_cell(t, NULL);
	else if (json_is_true(json_object_get(node, "disputed")))
		table_cell(t, "disputed");
	else
		table_cell(t, member_str(node, "liveness"));
}

static int by_name(const void *a, const void *b)
{
	return strverscmp(*(const char *const *)a, *(const char *const *)b);
}

/* Who claims that it cannot be reached: as many names as have room, and how many more there are. What nobody
 * claims yet is the asked node's own suspicion. */
static void cell_claimers(struct table *t, const json_t *node)
{
	const json_t *array = json_object_get(node, "claimed_by");
	const char *names[CLAIMERS_MAX];
	size_t n = 0;
	for (size_t i = 0; i < json_array_size(array) && n < CLAIMERS_MAX; i++) {
		names[n] = json_string_value(json_array_get(array, i));
		n += names[n] != NULL;
	}
	if (n == 0) {
		table_cell(t, is(node, "liveness", "suspect") ? "the asked node" : NULL);
		return;
	}
	qsort(names, n, sizeof(names[0]), by_name);
	char text[CELL_MAX];
	size_t shown = 0;
	int used = 0;
	while (shown < n && (shown == 0 || (size_t)used + strlen(names[shown]) < CLAIMERS_WIDTH)) {
		used += snprintf(
		    text + used, sizeof(text) - (size_t)used, "%s%.64s", shown == 0 ? "" : ",", names[shown]);
		shown++;
	}
	if (shown < n)
		snprintf(text + used, sizeof(text) - (size_t)used, " +%zu", n - shown);
	table_cell(t, text);
}

/* `lag`: with how far the asked node is behind it. */
static void node_row(const json_t *node, bool lag, struct table *t)
{
	char text[CELL_MAX];
	uint64_t sessions = 0, capacity = 0;
	table_cell(t, member_str(node, "name"));
	table_cell(t, member_str(node, "state"));
	cell_liveness(t, node);
	cell_units(t, node, "since_ms", units_age);
	cell_claimers(t, node);
	if (lag)
		cell_u64(t, node, "behind");
	table_cell(t, member_list(node, "roles", text));
	table_cell(t, member_str(node, "zone"));
	/* Who takes no viewers has no sessions to show. */
	if (member_u64(node, "capacity", &capacity) && member_u64(node, "sessions", &sessions) && capacity > 0)
		cell_printf(t, "%" PRIu64 "/%" PRIu64, sessions, capacity);
	else
		table_cell(t, NULL);
	cell_version(t, node);
	table_cell(t, member_str(node, "rpc"));
}

static void nodes_heads(struct table *t, bool lag)
{
	static const char *const before[] = { "NAME", "STATE", "LIVE", "SINCE", "BY" };
	static const char *const after[] = { "ROLES", "ZONE", "SESSIONS", "VERSION", "ADDRESS" };
	size_t lead = sizeof(before) / sizeof(before[0]), rest = sizeof(after) / sizeof(after[0]);
	table_init(t, lead + lag + rest);
	for (size_t i = 0; i < lead; i++)
		table_cell(t, before[i]);
	if (lag)
		table_cell(t, "BEHIND");
	for (size_t i = 0; i < rest; i++)
		table_cell(t, after[i]);
	table_align_right(t, 3);
	table_align_right(t, lead + lag + 2);
	if (lag)
		table_align_right(t, lead);
}

enum err show_nodes(const json_t *answer, struct buf *out)
{
	size_t n;
	static const char *const keys[] = { "name", NULL };
	json_t **rows = members_sorted(json_object_get(answer, "nodes"), keys, &n);
	if (rows == NULL)
		return ERR_INVALID;
	struct table t;
	bool lag = false;
	for (size_t i = 0; i < n; i++)
		lag = lag || json_object_get(rows[i], "behind") != NULL;
	nodes_heads(&t, lag);
	for (size_t i = 0; i < n; i++)
		node_row(rows[i], lag, &t);
	free(rows);
	return cells_finish(&t, out);
}

/* -- holders -- */

enum err show_holders(const json_t *answer, struct buf *out)
{
	static const char *const names[] = { "NODE", "STATE", "LIVE", "SHARE", "HELD", "OBJECTS", "ENTRY" };
	size_t n;
	static const char *const keys[] = { "node", NULL };
	json_t **rows = members_sorted(json_object_get(answer, "holders"), keys, &n);
	if (rows == NULL)
		return ERR_INVALID;
	struct table t;
	cells_heads(&t, names, sizeof(names) / sizeof(names[0]));
	for (size_t column = 3; column <= 5; column++)
		table_align_right(&t, column);
	for (size_t i = 0; i < n; i++) {
		table_cell(&t, member_str(rows[i], "node"));
		table_cell(&t, member_str(rows[i], "state"));
		table_cell(&t, member_str(rows[i], "liveness"));
		cell_share(&t, rows[i]);
		cell_units(&t, rows[i], "bytes", units_bytes);
		cell_u64(&t, rows[i], "objects");
		table_cell(&t, member_str(rows[i], "entry"));
	}
	free(rows);
	if (n > 0)
		return cells_finish(&t, out);
	table_fini(&t);
	buf_put_str(out, "no node holds it\n");
	return buf_err(out);
}
