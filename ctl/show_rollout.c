/* Plans of rollouts as text. */
#include "base/check.h"
#include "ctl/cells.h"
#include "ctl/rollout_said.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t count(const json_t *said, const char *key)
{
	return json_array_size(json_object_get(said, key));
}

static void put_names(const json_t *said, const char *key, const char *before, struct buf *out)
{
	const json_t *names = json_object_get(said, key);
	for (size_t i = 0; i < json_array_size(names); i++) {
		const char *name = json_string_value(json_array_get(names, i));
		buf_printf(out, "%s%s", i == 0 ? before : ", ", name == NULL ? "?" : name);
	}
	if (json_array_size(names) > 0)
		buf_put_u8(out, '\n');
}

/* Table cells of any length, safe for a terminal as the others. */
static void cell_names(struct table *t, const json_t *names)
{
	struct buf text;
	buf_init(&text, 1 << 20);
	for (size_t i = 0; i < json_array_size(names); i++) {
		const char *name = json_string_value(json_array_get(names, i));
		buf_printf(&text, "%s%s", i == 0 ? "" : ",", name == NULL ? "?" : name);
	}
	buf_put_u8(&text, '\0');
	table_cell(t, buf_err(&text) == OK ? (const char *)text.p : NULL);
	buf_fini(&text);
}

static enum err put_batches(const json_t *batches, struct buf *out)
{
	static const char *const names[] = { "BATCH", "ZONE", "API", "DELIVERY", "INGEST", "PLACES", "ONLY HERE",
		"NODES" };
	struct table t;
	cells_heads(&t, names, sizeof(names) / sizeof(names[0]));
	table_align_right(&t, 0);
	for (size_t column = 2; column <= 6; column++)
		table_align_right(&t, column);
	for (size_t i = 0; i < json_array_size(batches); i++) {
		const json_t *b = json_array_get(batches, i), *up = json_object_get(b, "up");
		cell_printf(&t, "%zu", i + 1);
		table_cell(&t, member_str(b, "zone"));
		for (unsigned r = 0; r < ROLLOUT_ROLES; r++)
			cell_u64(&t, up, known_roles[r]);
		cell_u64(&t, b, "places");
		cell_u64(&t, b, "last_copies");
		cell_names(&t, json_object_get(b, "nodes"));
	}
	return cells_finish(&t, out);
}

static void put_load(const json_t *said, struct buf *out)
{
	uint64_t sessions = 0, places = 0, peak = 0;
	member_u64(said, "sessions", &sessions);
	member_u64(said, "places", &places);
	buf_printf(out, "%" PRIu64 " sessions now, ", sessions);
	if (member_u64(said, "peak", &peak))
		buf_printf(out, "%" PRIu64 " at the peak, ", peak);
	buf_printf(out, "%" PRIu64 " places\n", places);
}

enum err show_rollout_plan(const json_t *said, struct buf *out)
{
	const json_t *batches = json_object_get(said, "batches");
	if (!json_is_array(batches))
		return ERR_INVALID;
	const char *refused = member_str(said, "refused");
	if (refused == NULL && json_array_size(batches) == 0) {
		const char *to = member_str(said, "to");
		buf_printf(out, "all nodes run %s\n", to == NULL ? "it" : to);
		return buf_err(out);
	}
	if (json_array_size(batches) > 0) {
		enum err e = put_batches(batches, out);
		if (e != OK)
			return e;
	}
	put_load(said, out);
	if (json_is_false(json_object_get(said, "holders_known")))
		buf_put_str(out, "the asked node does not tell who holds what: no two nodes of a role go together\n");
	else if (json_is_false(json_object_get(said, "watched_known")))
		buf_put_str(
		    out, "the asked node does not tell what is watched: all that is held counts as watched\n");
	put_names(said, "untold",
	    "they do not tell all that is watched there, so what they hold counts as watched: ", out);
	put_names(said, "away", "away, in no batch: ", out);
	put_names(said, "done", "done: ", out);
	return buf_err(out);
}

/* -- status -- */

static void node_row(const json_t *n, struct table *t)
{
	char roles[CELL_MAX];
	uint64_t batch, sessions, capacity;
	table_cell(t, member_str(n, "name"));
	table_cell(t, member_list(n, "roles", roles));
	table_cell(t, member_str(n, "zone"));
	table_cell(t, member_str(n, "state"));
	table_cell(t, member_str(n, "liveness"));
	if (member_u64(n, "sessions", &sessions) && member_u64(n, "capacity", &capacity) && capacity > 0)
		cell_printf(t, "%" PRIu64 "/%" PRIu64, sessions, capacity);
	else
		table_cell(t, NULL);
	table_cell(t, member_str(n, "version"));
	if (json_is_true(json_object_get(n, "done")))
		table_cell(t, "done");
	else if (member_u64(n, "batch", &batch))
		cell_printf(t, "%" PRIu64, batch);
	else
		table_cell(t, NULL);
}

static void put_summary(const json_t *said, struct buf *out)
{
	const char *to = member_str(said, "to"), *version, *between = "";
	const json_t *nodes = json_object_get(said, "nodes");
	json_t *n;
	json_object_foreach(json_object_get(said, "versions"), version, n)
	{
		buf_printf(out, "%s%" JSON_INTEGER_FORMAT " run %s", between, json_integer_value(n),
		    version[0] == '\0' ? "an unknown version" : version);
		between = ", ";
	}
	buf_put_u8(out, '\n');
	if (to == NULL)
		return;
	size_t done = 0;
	for (size_t i = 0; i < json_array_size(nodes); i++)
		done += json_is_true(json_object_get(json_array_get(nodes, i), "done"));
	buf_printf(out, "%zu of %zu nodes done, %zu batches remain\n", done, json_array_size(nodes),
	    count(said, "batches"));
	if (member_str(said, "refused") != NULL)
		buf_printf(out, "the rest cannot go on: %s\n", member_str(said, "refused"));
}

/* One node's part in the story; the last order about it tells it. */
struct chapter {
	const char *node, *drained, *drained_by, *back, *back_by, *version;
};

static const char *version_of(const json_t *said, const char *id)
{
	const json_t *nodes = json_object_get(said, "nodes");
	for (size_t i = 0; i < json_array_size(nodes); i++) {
		const json_t *n = json_array_get(nodes, i);
		const char *other = member_str(n, "id");
		if (id != NULL && other != NULL && strcmp(other, id) == 0)
			return member_str(n, "version");
	}
	return NULL;
}

static void take_order(struct chapter *c, const json_t *order)
{
	const char *what = member_str(order, "order");
	bool drain = what != NULL && strcmp(what, "drain") == 0;
	if (!drain && c->back == NULL) {
		c->back = member_str(order, "at");
		c->back_by = member_str(order, "by");
	}
	if (c->drained == NULL) {
		c->drained = member_str(order, drain ? "at" : "drained_at");
		c->drained_by = member_str(order, drain ? "by" : "drained_by");
	}
}

static const char *or_empty(const char *s)
{
	return s == NULL ? "" : s;
}

static int in_time(const void *x, const void *y)
{
	const struct chapter *a = x, *b = y;
	int by = strcmp(or_empty(a->drained != NULL ? a->drained : a->back),
	    or_empty(b->drained != NULL ? b->drained : b->back));
	return by != 0 ? by : strverscmp(or_empty(a->node), or_empty(b->node));
}

/* From the orders, the latest first. */
static size_t take_story(const json_t *said, struct chapter *chapters)
{
	const json_t *orders = json_object_get(said, "orders");
	const char **ids = calloc(json_array_size(orders), sizeof(*ids));
	size_t n = 0;
	CHECK(ids != NULL);
	for (size_t i = 0; i < json_array_size(orders); i++) {
		const json_t *order = json_array_get(orders, i);
		const char *id = or_empty(member_str(order, "id"));
		size_t at = 0;
		while (at < n && strcmp(ids[at], id) != 0)
			at++;
		if (at == n) {
			ids[n] = id;
			chapters[n++] =
			    (struct chapter){ .node = member_str(order, "node"), .version = version_of(said, id) };
		}
		take_order(&chapters[at], order);
	}
	free(ids);
	return n;
}

/* When which node was away, by whose word, and what it runs now: the oldest first. */
static enum err put_story(const json_t *said, struct buf *out)
{
	static const char *const names[] = { "NODE", "DRAINED", "BY", "BACK", "BY", "VERSION" };
	size_t orders_n = count(said, "orders");
	if (orders_n == 0)
		return OK;
	struct chapter *chapters = calloc(orders_n, sizeof(*chapters));
	CHECK(chapters != NULL);
	size_t n = take_story(said, chapters);
	qsort(chapters, n, sizeof(*chapters), in_time);
	struct table t;
	buf_put_u8(out, '\n');
	cells_heads(&t, names, sizeof(names) / sizeof(names[0]));
	for (size_t i = 0; i < n; i++) {
		const struct chapter *c = &chapters[i];
		const char *cells[] = { c->node, c->drained, c->drained_by, c->back, c->back_by, c->version };
		for (size_t k = 0; k < sizeof(cells) / sizeof(cells[0]); k++)
			table_cell(&t, cells[k]);
	}
	free(chapters);
	return cells_finish(&t, out);
}

enum err show_rollout_status(const json_t *said, struct buf *out)
{
	static const char *const names[] = { "NAME", "ROLES", "ZONE", "STATE", "LIVE", "SESSIONS", "VERSION",
		"BATCH" };
	static const char *const keys[] = { "name", NULL };
	size_t n;
	json_t **rows = members_sorted(json_object_get(said, "nodes"), keys, &n);
	if (rows == NULL)
		return ERR_INVALID;
	struct table t;
	cells_heads(&t, names, sizeof(names) / sizeof(names[0]));
	table_align_right(&t, 5);
	table_align_right(&t, 7);
	for (size_t i = 0; i < n; i++)
		node_row(rows[i], &t);
	free(rows);
	enum err e = cells_finish(&t, out);
	if (e == OK)
		put_summary(said, out);
	return e == OK ? put_story(said, out) : e;
}
