#include "ctl/diff.h"

#include "base/check.h"
#include "ctl/cells.h"

#include <stdlib.h>
#include <string.h>

static const char *const by_row[] = { "id", "stream", NULL };

/* A row that both have, or only one of them. */
struct pair {
	const json_t *rows[2];
};

bool diff_understands(const json_t *answer)
{
	const json_t *rows = json_object_get(answer, "rows");
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const json_t *r = json_array_get(rows, i);
		uint64_t version;
		if (member_str(r, "id") == NULL || member_str(r, "stream") == NULL ||
		    member_str(r, "fingerprint") == NULL || !member_u64(r, "version", &version))
			return false;
	}
	return json_is_array(rows);
}

static bool is_load(const json_t *row)
{
	return strcmp(member_str(row, "stream"), "load") == 0;
}

/* What a replica's own fingerprint is made of. */
static bool same(const struct pair *p)
{
	static const char *const compared[] = { "incarnation", "nonce", "version", "floor", "fingerprint" };
	if (p->rows[0] == NULL || p->rows[1] == NULL)
		return false;
	for (size_t i = 0; i < sizeof(compared) / sizeof(compared[0]); i++) {
		const json_t *x = json_object_get(p->rows[0], compared[i]),
		             *y = json_object_get(p->rows[1], compared[i]);
		if (x != y && !json_equal(x, y))
			return false;
	}
	return true;
}

/* The pairs that differ, to be freed; *all counts them all. */
static struct pair *differing(const json_t *a, const json_t *b, size_t *n, size_t *all)
{
	size_t x_n, y_n, x = 0, y = 0;
	json_t **xs = members_sorted(json_object_get(a, "rows"), by_row, &x_n);
	json_t **ys = members_sorted(json_object_get(b, "rows"), by_row, &y_n);
	struct pair *found = calloc(x_n + y_n + 1, sizeof(*found));
	CHECK(xs != NULL && ys != NULL && found != NULL);
	*n = *all = 0;
	while (x < x_n || y < y_n) {
		int order = x == x_n ? 1 : y == y_n ? -1 : members_cmp(xs[x], ys[y], by_row);
		struct pair p = { { order <= 0 ? xs[x++] : NULL, order >= 0 ? ys[y++] : NULL } };
		if (is_load(p.rows[0] != NULL ? p.rows[0] : p.rows[1]))
			continue;
		++*all;
		if (!same(&p))
			found[(*n)++] = p;
	}
	free(xs);
	free(ys);
	return found;
}

/* What either knows of it: one may not have heard the owner's name yet. */
static const char *either(const struct pair *p, const char *key)
{
	const char *s = member_str(p->rows[0], key);
	return s != NULL && s[0] != '\0' ? s : member_str(p->rows[1], key);
}

static void put_text(
    const struct pair *pairs, size_t n, size_t all, const char *const nodes[2], struct buf *out)
{
	static const char *const names[] = { "OWNER", "STREAM", "NODE", "INC", "VERSION", "FLOOR", "ENTRIES",
		"DELETED", "FINGERPRINT" };
	if (n == 0) {
		buf_printf(out, "the replicas are equal: %zu rows\n", all);
		return;
	}
	struct table t;
	cells_heads(&t, names, sizeof(names) / sizeof(names[0]));
	for (size_t column = 3; column <= 7; column++)
		table_align_right(&t, column);
	for (size_t i = 0; i < 2 * n; i++) {
		const struct pair *p = &pairs[i / 2];
		const json_t *row = p->rows[i % 2];
		const char *owner = either(p, "owner");
		table_cell(&t, owner != NULL && owner[0] != '\0' ? owner : either(p, "id"));
		table_cell(&t, either(p, "stream"));
		table_cell(&t, nodes[i % 2]);
		cell_u64(&t, row, "incarnation");
		cell_u64(&t, row, "version");
		cell_u64(&t, row, "floor");
		cell_u64(&t, row, "entries");
		cell_u64(&t, row, "tombstones");
		table_cell(&t, member_str(row, "fingerprint"));
	}
	table_print(&t, out);
	table_fini(&t);
	buf_printf(out, "the replicas differ: %zu of %zu rows\n", n, all);
}

static json_t *row_or_null(const json_t *row)
{
	return row == NULL ? json_null() : json_deep_copy(row);
}

static void put_json(
    const struct pair *pairs, size_t n, size_t all, const char *const nodes[2], struct buf *out)
{
	json_t *list = json_array();
	for (size_t i = 0; i < n; i++) {
		const struct pair *p = &pairs[i];
		const char *owner = either(p, "owner");
		json_t *pair =
		    json_pack("{s:s, s:s, s:s, s:[o,o]}", "owner", owner == NULL ? "" : owner, "id", either(p, "id"),
		        "stream", either(p, "stream"), "rows", row_or_null(p->rows[0]), row_or_null(p->rows[1]));
		CHECK(pair != NULL && json_array_append_new(list, pair) == 0);
	}
	/* An address that is no UTF-8 is no host's: it has answered. */
	json_t *all_of_it = json_pack("{s:b, s:[s,s], s:I, s:o}", "equal", n == 0, "nodes", nodes[0], nodes[1],
	    "rows", (json_int_t)all, "differing", list);
	CHECK(all_of_it != NULL);
	char *text = json_dumps(all_of_it, JSON_COMPACT);
	CHECK(text != NULL);
	buf_put_str(out, text);
	buf_put_u8(out, '\n');
	free(text);
	json_decref(all_of_it);
}

bool diff_owners(const json_t *a, const json_t *b, const char *const nodes[2], bool json, struct buf *out)
{
	size_t n, all;
	struct pair *pairs = differing(a, b, &n, &all);
	(json ? put_json : put_text)(pairs, n, all, nodes, out);
	free(pairs);
	return n == 0;
}
