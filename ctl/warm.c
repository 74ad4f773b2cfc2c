#include "ctl/warm.h"

#include "base/check.h"
#include "ctl/ask.h"
#include "ctl/cells.h"
#include "ctl/commands.h"
#include "ctl/common.h"

#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

enum { ASK_AGAIN_MS = 200, SAY_EVERY_MS = 1000, TARGET_MAX = 128, TEXT_MAX_BYTES = 1 << 20 };

/* -- what a node says of itself -- */

static uint64_t count(const json_t *node, const char *key)
{
	uint64_t n = 0;
	member_u64(node, key, &n);
	return n;
}

static bool is_state(const json_t *node, const char *state)
{
	const char *s = member_str(node, "state");
	return s != NULL && strcmp(s, state) == 0;
}

/* Nothing more is to be waited for. */
static bool is_over(const json_t *node)
{
	return json_is_true(json_object_get(node, "ended")) || is_state(node, "down") ||
	       is_state(node, "unreachable") || is_state(node, "too old");
}

static bool is_warm(const json_t *node)
{
	return is_state(node, "done") && count(node, "failed") == 0;
}

/* How many nodes are over, or how many are warm. */
static size_t count_nodes(const json_t *said, bool (*which)(const json_t *node))
{
	const json_t *nodes = json_object_get(said, "nodes");
	size_t n = 0;
	for (size_t i = 0; i < json_array_size(nodes); i++)
		n += which(json_array_get(nodes, i));
	return n;
}

static size_t nodes_n(const json_t *said)
{
	return json_array_size(json_object_get(said, "nodes"));
}

/* What rises when anything moves. */
static uint64_t progress(const json_t *said)
{
	const json_t *nodes = json_object_get(said, "nodes");
	uint64_t sum = count_nodes(said, is_over);
	for (size_t i = 0; i < json_array_size(nodes); i++) {
		const json_t *node = json_array_get(nodes, i);
		sum += count(node, "objects") + count(node, "failed") + count(node, "bytes");
	}
	return sum;
}

/* -- text -- */

/* "delivery-1 12 of 40, delivery-2 done" */
static void print_progress(const json_t *said, FILE *out)
{
	const json_t *nodes = json_object_get(said, "nodes");
	for (size_t i = 0; i < json_array_size(nodes); i++) {
		const json_t *node = json_array_get(nodes, i);
		const char *name = member_str(node, "node"), *state = member_str(node, "state");
		fprintf(out, "%s%.64s ", i > 0 ? ", " : "", name == NULL ? "?" : name);
		if (is_state(node, "running"))
			fprintf(out, "%" PRIu64 " of %" PRIu64, count(node, "objects"),
			    count(node, "objects") + count(node, "remaining"));
		else
			fprintf(out, "%.32s", state == NULL ? "?" : state);
	}
	fputc('\n', out);
}

static void print_table(const json_t *said, FILE *out)
{
	static const char *const names[] = { "NODE", "HELD BEFORE", "STATE", "OBJECTS", "REMAINING", "FAILED",
		"BYTES", "DETAIL" };
	const json_t *nodes = json_object_get(said, "nodes");
	struct table t;
	struct buf text;
	buf_init(&text, TEXT_MAX_BYTES);
	cells_heads(&t, names, sizeof(names) / sizeof(names[0]));
	for (size_t column = 3; column <= 6; column++)
		table_align_right(&t, column);
	for (size_t i = 0; i < json_array_size(nodes); i++) {
		const json_t *node = json_array_get(nodes, i);
		table_cell(&t, member_str(node, "node"));
		table_cell(&t, json_is_true(json_object_get(node, "holder")) ? "yes" : "no");
		table_cell(&t, member_str(node, "state"));
		cell_u64(&t, node, "objects");
		cell_u64(&t, node, "remaining");
		cell_u64(&t, node, "failed");
		cell_units(&t, node, "bytes", units_bytes);
		table_cell(&t, member_str(node, "detail"));
	}
	if (cells_finish(&t, &text) == OK)
		fwrite(text.p, 1, text.n, out);
	buf_fini(&text);
}

/* -- the order -- */

static json_t *give(
    const struct client *c, const char *content, unsigned copies, char error[CLIENT_ERROR_MAX])
{
	json_t *body = json_pack("{s:s, s:i}", "content", content, "copies", (int)copies);
	if (body == NULL) {
		snprintf(error, CLIENT_ERROR_MAX, "the content's name is no UTF-8");
		return NULL;
	}
	char *text = json_dumps(body, JSON_COMPACT);
	CHECK(text != NULL);
	json_t *said = ask_json(c, "POST", "/v1/warm", bytes_str(text), error);
	free(text);
	json_decref(body);
	return said;
}

/* The latest answer in place of the first, which it ends; NULL: `error` says why. */
static json_t *await_all(const struct client *c, json_t *said, FILE *errors, char error[CLIENT_ERROR_MAX])
{
	char target[TARGET_MAX];
	const char *id = member_str(said, "id");
	uint64_t moved_ms = ctl_now_ms(), said_ms = 0, before = progress(said);
	snprintf(target, sizeof(target), "/v1/warm/%.64s", id == NULL ? "" : id);
	while (count_nodes(said, is_over) < nodes_n(said) && ctl_now_ms() - moved_ms < WARM_STILL_MS) {
		if (ctl_now_ms() - said_ms >= SAY_EVERY_MS) {
			print_progress(said, errors);
			said_ms = ctl_now_ms();
		}
		(void)poll(NULL, 0, ASK_AGAIN_MS);
		json_t *now = ask_json(c, "GET", target, BYTES_NONE, error);
		json_decref(said);
		if (now == NULL)
			return NULL;
		said = now;
		if (progress(said) != before)
			moved_ms = ctl_now_ms();
		before = progress(said);
	}
	return said;
}

int warm_run(const struct client *c, const char *content, unsigned copies, bool wait, bool json, FILE *out,
    FILE *errors)
{
	char error[CLIENT_ERROR_MAX];
	json_t *said = give(c, content, copies, error);
	if (said != NULL && wait)
		said = await_all(c, said, errors, error);
	if (said == NULL)
		return ctl_failed(error, errors);
	size_t n = nodes_n(said), warm = count_nodes(said, is_warm);
	if (json)
		ctl_print_json(said, out);
	else
		print_table(said, out);
	json_decref(said);
	if (n < copies) {
		snprintf(error, sizeof(error), "only %zu delivery nodes could be chosen for %u copies", n, copies);
		return ctl_failed(error, errors);
	}
	if (wait && warm < n) {
		snprintf(error, sizeof(error), "%zu of %zu nodes have all of it", warm, n);
		return ctl_failed(error, errors);
	}
	return CTL_DONE;
}
