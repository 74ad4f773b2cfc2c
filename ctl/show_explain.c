/* Decisions as people read them: who could have taken the viewer, and why one did. */
#include "ctl/show.h"

#include "ctl/cells.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { AGE_IN_SECONDS_MS = 1000, AGE_COARSE_MS = 60 * 1000 };

/* -- cells of one candidate -- */

/* How old a word is matters below a second too. */
static void cell_age(struct table *t, const json_t *object, const char *key)
{
	uint64_t ms;
	char text[UNITS_TEXT_MAX];
	if (!member_u64(object, key, &ms))
		table_cell(t, NULL);
	else if (ms < AGE_IN_SECONDS_MS)
		cell_printf(t, "%" PRIu64 " ms", ms);
	else if (ms < AGE_COARSE_MS)
		cell_printf(t, "%" PRIu64 ".%" PRIu64 " s", ms / 1000, ms % 1000 / 100);
	else
		table_cell(t, units_age(text, ms));
}

static void cell_load(struct table *t, const json_t *candidate)
{
	uint64_t load, capacity;
	if (member_u64(candidate, "load", &load) && member_u64(candidate, "capacity", &capacity))
		cell_printf(t, "%" PRIu64 "/%" PRIu64, load, capacity);
	else
		table_cell(t, NULL);
}

static void cell_held(struct table *t, const json_t *candidate)
{
	if (json_is_true(json_object_get(candidate, "holder")))
		cell_units(t, candidate, "bytes", units_bytes);
	else
		table_cell(t, NULL);
}

static void cell_objects(struct table *t, const json_t *candidate)
{
	if (json_is_true(json_object_get(candidate, "holder")))
		cell_u64(t, candidate, "objects");
	else
		table_cell(t, NULL);
}

/* -- of a content, now -- */

static void put_now(const json_t *answer, struct buf *out)
{
	const char *zone = member_str(answer, "zone"), *node = member_str(answer, "node");
	const char *asked = member_str(answer, "asked");
	struct table t;
	table_init(&t, 2);
	table_cell(&t, "content");
	cell_printf(&t, "%.255s (origin %.64s)", member_str(answer, "content"), member_str(answer, "origin"));
	if (zone != NULL && zone[0] != '\0') {
		table_cell(&t, "viewer's zone");
		table_cell(&t, zone);
	}
	table_cell(&t, "decided now");
	if (node != NULL)
		cell_printf(&t, "%.64s, taken by %.64s", member_str(answer, "outcome"), node);
	else
		table_cell(&t, "refused: no delivery node can take a viewer");
	table_cell(&t, "as known by");
	table_cell(&t, asked);
	table_print(&t, out);
	table_fini(&t);
}

static void candidates_heads(struct table *t)
{
	static const char *const names[] = { "RANK", "NODE", "REASON", "STATE", "ZONE", "SHARE", "HELD",
		"OBJECTS", "LOAD", "HEADROOM", "PLACES", "TOLD", "ORDER" };
	cells_heads(t, names, sizeof(names) / sizeof(names[0]));
	table_align_right(t, 0);
	for (size_t column = 5; column <= 12; column++)
		table_align_right(t, column);
}

static void candidate_row(const json_t *candidate, struct table *t)
{
	cell_u64(t, candidate, "rank");
	table_cell(t, member_str(candidate, "node"));
	table_cell(t, member_str(candidate, "reason"));
	table_cell(t, member_str(candidate, "state"));
	table_cell(t, member_str(candidate, "zone"));
	cell_share(t, candidate);
	cell_held(t, candidate);
	cell_objects(t, candidate);
	cell_load(t, candidate);
	cell_u64(t, candidate, "headroom");
	cell_u64(t, candidate, "places");
	cell_age(t, candidate, "age_ms");
	cell_u64(t, candidate, "order");
}

enum err show_explain_content(const json_t *answer, struct buf *out)
{
	const json_t *candidates = json_object_get(answer, "candidates");
	if (!json_is_array(candidates) || member_str(answer, "content") == NULL ||
	    member_str(answer, "origin") == NULL || member_str(answer, "outcome") == NULL)
		return ERR_INVALID;
	put_now(answer, out);
	if (json_array_size(candidates) == 0) {
		buf_put_str(out, "\nno delivery node is known\n");
		return buf_err(out);
	}
	struct table t;
	candidates_heads(&t);
	for (size_t i = 0; i < json_array_size(candidates); i++)
		candidate_row(json_array_get(candidates, i), &t);
	buf_put_u8(out, '\n');
	return cells_finish(&t, out);
}

/* -- of a session, then -- */

/* "37 not a holder, 2 no headroom" */
static void cell_reasons(struct table *t, const json_t *reasons)
{
	char text[CELL_MAX] = "";
	size_t used = 0;
	void *at = json_object_iter((json_t *)reasons);
	for (; at != NULL; at = json_object_iter_next((json_t *)reasons, at)) {
		json_int_t n = json_integer_value(json_object_iter_value(at));
		if (used < sizeof(text))
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%lld %.64s", used == 0 ? "" : ", ",
			    (long long)n, json_object_iter_key(at));
	}
	table_cell(t, text);
}

static void cell_node_now(struct table *t, const json_t *answer)
{
	const char *then = member_str(answer, "node"), *now = member_str(answer, "node_now");
	if (now == NULL)
		table_cell(t, "nowhere: no delivery node can take it");
	else if (then != NULL && strcmp(then, now) == 0)
		table_cell(t, now);
	else
		cell_printf(t, "%.64s: it moves there at its next heartbeat or redirect", now);
}

static void put_then(const json_t *answer, struct buf *out)
{
	const char *node = member_str(answer, "node"), *at = member_str(answer, "created_at");
	uint64_t nodes = 0, usable = 0;
	struct table t;
	table_init(&t, 2);
	table_cell(&t, "content");
	cell_printf(&t, "%.255s (origin %.64s)", member_str(answer, "content"), member_str(answer, "origin"));
	table_cell(&t, "session");
	cell_printf(&t, "%.64s", member_str(answer, "session_id"));
	table_cell(&t, "created");
	cell_printf(&t, "%.19sZ by %.64s", at == NULL ? "?" : at, member_str(answer, "created_by"));
	table_cell(&t, "decided then");
	cell_printf(&t, "%.64s, taken by %.64s", member_str(answer, "outcome"),
	    node == NULL || node[0] == '\0' ? "a node that is gone" : node);
	table_cell(&t, "belongs now to");
	cell_node_now(&t, answer);
	table_cell(&t, "of nodes");
	member_u64(answer, "nodes", &nodes);
	member_u64(answer, "usable", &usable);
	cell_printf(&t, "%" PRIu64 ", of which %" PRIu64 " could take it", nodes, usable);
	table_cell(&t, "reasons");
	cell_reasons(&t, json_object_get(answer, "reasons"));
	table_print(&t, out);
	table_fini(&t);
}

static void recalled_row(const json_t *candidate, struct table *t)
{
	cell_u64(t, candidate, "rank");
	table_cell(t, member_str(candidate, "node"));
	table_cell(t, member_str(candidate, "reason"));
	table_cell(t, member_str(candidate, "state"));
	table_cell(t, json_is_true(json_object_get(candidate, "holder")) ? "yes" : NULL);
	cell_load(t, candidate);
	cell_u64(t, candidate, "headroom");
	cell_u64(t, candidate, "places");
	cell_age(t, candidate, "age_ms");
}

enum err show_explain_session(const json_t *answer, struct buf *out)
{
	static const char *const names[] = { "RANK", "NODE", "REASON", "STATE", "HOLDER", "LOAD", "HEADROOM",
		"PLACES", "TOLD" };
	static const char *const texts[] = { "content", "origin", "session_id", "created_by", "outcome" };
	const json_t *candidates = json_object_get(answer, "candidates");
	bool fine = json_is_array(candidates);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		fine = fine && member_str(answer, texts[i]) != NULL;
	if (!fine)
		return ERR_INVALID;
	put_then(answer, out);
	struct table t;
	cells_heads(&t, names, sizeof(names) / sizeof(names[0]));
	table_align_right(&t, 0);
	for (size_t column = 5; column <= 8; column++)
		table_align_right(&t, column);
	for (size_t i = 0; i < json_array_size(candidates); i++)
		recalled_row(json_array_get(candidates, i), &t);
	buf_put_u8(out, '\n');
	return cells_finish(&t, out);
}
