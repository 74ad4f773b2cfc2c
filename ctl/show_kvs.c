/* What a node says of its replica. */
#include "ctl/cells.h"
#include "ctl/show.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* -- stats -- */

/* "9 applied, 8 duplicates": the members that the answer has. */
struct part {
	const char *key, *words;
};

static void line_of(
    struct table *t, const json_t *answer, const char *title, const struct part *parts, size_t parts_n)
{
	char text[CELL_MAX];
	int used = 0;
	for (size_t i = 0; i < parts_n; i++) {
		uint64_t n;
		if (member_u64(answer, parts[i].key, &n))
			used += snprintf(text + used, sizeof(text) - (size_t)used, "%s%" PRIu64 " %s",
			    used == 0 ? "" : ", ", n, parts[i].words);
	}
	table_cell(t, title);
	table_cell(t, used > 0 ? text : NULL);
}

#define LINE(t, answer, title, ...)                                 \
	line_of(t, answer, title, (const struct part[]){ __VA_ARGS__ }, \
	    sizeof((const struct part[]){ __VA_ARGS__ }) / sizeof(struct part))

static void stats_holds(const json_t *answer, struct table *t)
{
	uint64_t uptime_s;
	char age[UNITS_TEXT_MAX];
	table_cell(t, "node");
	table_cell(t, member_str(answer, "node"));
	table_cell(t, "up");
	bool known = member_u64(answer, "uptime_s", &uptime_s) && uptime_s < UINT64_MAX / 1000;
	table_cell(t, known ? units_age(age, uptime_s * 1000) : NULL);
	LINE(t, answer, "holds", { "rows", "rows" }, { "entries", "entries" }, { "tombstones", "tombstones" });
	table_cell(t, "bytes");
	cell_units(t, answer, "bytes", units_bytes);
	table_cell(t, "fingerprint");
	table_cell(t, member_str(answer, "fingerprint"));
}

static void stats_came(const json_t *answer, struct table *t)
{
	uint64_t entries, pulled = 0, repaired = 0, applied, duplicate;
	table_cell(t, "entries");
	member_u64(answer, "entries_pulled", &pulled);
	member_u64(answer, "entries_repaired", &repaired);
	if (member_u64(answer, "entries_applied", &entries) && entries >= pulled + repaired)
		cell_printf(t, "%" PRIu64 " applied: %" PRIu64 " pushed, %" PRIu64 " pulled, %" PRIu64 " repaired",
		    entries, entries - pulled - repaired, pulled, repaired);
	else
		table_cell(t, NULL);
	LINE(t, answer, "frames", { "frames_applied", "applied" }, { "frames_duplicate", "duplicates" },
	    { "frames_gap", "gaps" }, { "frames_behind", "behind" }, { "frames_refused", "refused" });
	table_cell(t, "copies");
	if (member_u64(answer, "frames_applied", &applied) && applied > 0 &&
	    member_u64(answer, "frames_duplicate", &duplicate))
		cell_printf(t, "%.2f an update", (double)(applied + duplicate) / (double)applied);
	else
		table_cell(t, NULL);
	LINE(t, answer, "pushed", { "frames_pushed", "frames" });
	LINE(t, answer, "asked", { "pulls", "pulls" }, { "ranges_asked", "ranges" },
	    { "digests_sent", "digests" });
	LINE(t, answer, "resets", { "resets", "rows" });
	LINE(t, answer, "claims", { "claims_made", "made" }, { "claims_standing", "standing" });
}

static void stats_store(const json_t *answer, struct table *t)
{
	uint64_t commits, us, max_us, age_ms = 0;
	char text[UNITS_TEXT_MAX];
	table_cell(t, "commits");
	if (member_u64(answer, "commits", &commits) && commits > 0 && member_u64(answer, "commit_us", &us) &&
	    member_u64(answer, "commit_max_us", &max_us))
		cell_printf(t, "%" PRIu64 ", %.1f ms each, the longest %.1f ms", commits,
		    (double)us / (double)commits / 1000, (double)max_us / 1000);
	else
		cell_u64(t, answer, "commits");
	table_cell(t, "store");
	cell_units(t, answer, "store_file_bytes", units_bytes);
	table_cell(t, "store queue");
	cell_units(t, answer, "store_queued_bytes", units_bytes);
	table_cell(t, "oldest reader");
	if (member_u64(answer, "oldest_reader_ms", &age_ms) && age_ms > 0)
		table_cell(t, units_age(text, age_ms));
	else
		table_cell(t, NULL);
	table_cell(t, "mute");
	table_cell(t,
	    json_is_true(json_object_get(answer, "mute")) ? "YES: its store fails, it writes nothing new" : "no");
	table_cell(t, "links");
	cell_u64(t, answer, "links");
}

/* Kinds of which there were none are left out. */
static enum err stats_traffic(const json_t *kinds, struct buf *out)
{
	static const char *const names[] = { "KIND", "FRAMES IN", "BYTES IN", "FRAMES OUT", "BYTES OUT" };
	static const char *const keys[] = { "frames_in", "bytes_in", "frames_out", "bytes_out" };
	enum { KEYS = sizeof(keys) / sizeof(keys[0]) };
	uint64_t sums[KEYS] = { 0 };
	struct table t;
	cells_heads(&t, names, sizeof(names) / sizeof(names[0]));
	for (size_t i = 1; i <= KEYS; i++)
		table_align_right(&t, i);
	for (size_t row = 0; row < json_array_size(kinds); row++) {
		const json_t *kind = json_array_get(kinds, row);
		uint64_t n[KEYS] = { 0 }, frames = 0;
		for (size_t i = 0; i < KEYS; i++)
			frames += member_u64(kind, keys[i], &n[i]) ? n[i] : 0;
		if (frames == 0)
			continue;
		table_cell(&t, member_str(kind, "kind"));
		for (size_t i = 0; i < KEYS; i++) {
			cell_printf(&t, "%" PRIu64, n[i]);
			sums[i] += n[i];
		}
	}
	table_cell(&t, "all");
	for (size_t i = 0; i < KEYS; i++)
		cell_printf(&t, "%" PRIu64, sums[i]);
	return cells_finish(&t, out);
}

enum err show_kvs_stats(const json_t *answer, struct buf *out)
{
	if (member_str(answer, "fingerprint") == NULL)
		return ERR_INVALID;
	struct table t;
	table_init(&t, 2);
	stats_holds(answer, &t);
	stats_came(answer, &t);
	stats_store(answer, &t);
	enum err e = cells_finish(&t, out);
	const json_t *kinds = json_object_get(answer, "traffic");
	if (e != OK || !json_is_array(kinds))
		return e;
	buf_put_u8(out, '\n');
	return stats_traffic(kinds, out);
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
