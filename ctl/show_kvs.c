/* What a node says of its replica. */
#include "ctl/cells.h"
#include "ctl/show.h"

#include <inttypes.h>
#include <stdlib.h>

/* -- stats -- */

enum err show_kvs_stats(const json_t *answer, struct buf *out)
{
	static const struct {
		const char *title, *key;
	} lines[] = {
		{ "rows", "rows" },
		{ "entries", "entries" },
		{ "tombstones", "tombstones" },
		{ "bytes", NULL },
		{ "frames applied", "frames_applied" },
		{ "frames repeated", "frames_duplicate" },
		{ "frames refused", "frames_refused" },
		{ "entries applied", "entries_applied" },
		{ "digests sent", "digests_sent" },
		{ "resets", "resets" },
		{ "commits", "commits" },
	};
	const char *fingerprint = member_str(answer, "fingerprint");
	if (fingerprint == NULL)
		return ERR_INVALID;
	struct table t;
	table_init(&t, 2);
	table_cell(&t, "node");
	table_cell(&t, member_str(answer, "node"));
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		table_cell(&t, lines[i].title);
		if (lines[i].key != NULL)
			cell_u64(&t, answer, lines[i].key);
		else
			cell_units(&t, answer, "bytes", units_bytes);
	}
	table_cell(&t, "store queue");
	cell_units(&t, answer, "store_queued_bytes", units_bytes);
	table_cell(&t, "mute");
	table_cell(&t,
	    json_is_true(json_object_get(answer, "mute")) ? "YES: its store fails, it writes nothing new" : "no");
	table_cell(&t, "fingerprint");
	table_cell(&t, fingerprint);
	return cells_finish(&t, out);
}

/* -- owners -- */

static const char *yes_no(const json_t *v)
{
	return json_is_true(v) ? "yes" : json_is_false(v) ? "no" : NULL;
}

enum err show_owners(const json_t *answer, struct buf *out)
{
	static const char *const names[] = { "OWNER", "STREAM", "INC", "VERSION", "HORIZON", "FLOOR", "BASE",
		"ENTRIES", "DELETED", "FINGERPRINT", "EXACT", "ID" };
	static const char *const numbers[] = { "incarnation", "version", "horizon", "floor", "base", "entries",
		"tombstones" };
	static const char *const keys[] = { "owner", "id", "stream", NULL };
	size_t n;
	json_t **rows = members_sorted(json_object_get(answer, "rows"), keys, &n);
	if (rows == NULL)
		return ERR_INVALID;
	struct table t;
	cells_heads(&t, names, sizeof(names) / sizeof(names[0]));
	for (size_t column = 2; column <= 8; column++)
		table_align_right(&t, column);
	for (size_t i = 0; i < n; i++) {
		table_cell(&t, member_str(rows[i], "owner"));
		table_cell(&t, member_str(rows[i], "stream"));
		for (size_t j = 0; j < sizeof(numbers) / sizeof(numbers[0]); j++)
			cell_u64(&t, rows[i], numbers[j]);
		table_cell(&t, member_str(rows[i], "fingerprint"));
		table_cell(&t, yes_no(json_object_get(rows[i], "exact")));
		table_cell(&t, member_str(rows[i], "id"));
	}
	free(rows);
	return cells_finish(&t, out);
}

/* -- entries -- */

/* A member of a value, whatever it is: a later version may have more of them. */
static void value_line(struct table *t, const json_t *value, const char *key)
{
	char list[CELL_MAX];
	const json_t *v = json_object_get(value, key);
	cell_printf(t, "value.%s", key);
	if (json_is_string(v))
		table_cell(t, json_string_value(v));
	else if (json_is_array(v))
		table_cell(t, member_list(value, key, list));
	else if (json_is_boolean(v))
		table_cell(t, yes_no(v));
	else
		cell_u64(t, value, key);
}

enum err show_entry(const json_t *answer, struct buf *out)
{
	static const char *const texts[] = { "owner", "id", "stream", "key" };
	const json_t *value = json_object_get(answer, "value");
	if (member_str(answer, "key") == NULL || value == NULL)
		return ERR_INVALID;
	struct table t;
	table_init(&t, 2);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		table_cell(&t, texts[i]);
		table_cell(&t, member_str(answer, texts[i]));
	}
	table_cell(&t, "incarnation");
	cell_u64(&t, answer, "incarnation");
	table_cell(&t, "version");
	cell_u64(&t, answer, "version");
	/* jansson's iterators take no const. */
	json_t *members = json_is_object(value) ? json_object_get(answer, "value") : NULL;
	for (void *at = json_object_iter(members); at != NULL; at = json_object_iter_next(members, at))
		value_line(&t, value, json_object_iter_key(at));
	if (members == NULL) {
		table_cell(&t, "value (hex)");
		table_cell(&t, member_str(answer, "value_hex"));
	}
	return cells_finish(&t, out);
}
