#include "ctl/order.h"

#include "base/check.h"
#include "ctl/ask.h"
#include "ctl/cells.h"
#include "ctl/commands.h"
#include "ctl/common.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

enum { ASK_AGAIN_MS = 100, TARGET_MAX = 1024 };

static void print_recorded(const json_t *said, FILE *out)
{
	const char *by = member_str(said, "recorded_by");
	if (by != NULL)
		fprintf(out, "recorded by %s\n", by);
	else
		fprintf(out, "recorded by no second node: it stands, and is lost if the asked node's disk is\n");
}

/* -- purge -- */

static bool is_down(const json_t *node)
{
	return json_is_true(json_object_get(node, "down"));
}

/* Those that are not down and have not told yet. */
static size_t awaited(const json_t *said)
{
	const json_t *pending = json_object_get(said, "pending");
	size_t n = 0;
	for (size_t i = 0; i < json_array_size(pending); i++)
		n += !is_down(json_array_get(pending, i));
	return n;
}

static void print_names(const json_t *nodes, FILE *out)
{
	for (size_t i = 0; i < json_array_size(nodes); i++) {
		const json_t *node = json_array_get(nodes, i);
		const char *name = member_str(node, "node");
		fprintf(out, "%s%s%s", i > 0 ? ", " : "", name == NULL ? "?" : name, is_down(node) ? " (down)" : "");
	}
}

static void print_progress(const json_t *said, FILE *out)
{
	const json_t *applied = json_object_get(said, "applied"), *pending = json_object_get(said, "pending");
	fprintf(out, "applied by %zu of %zu delivery nodes", json_array_size(applied),
	    json_array_size(applied) + json_array_size(pending));
	if (json_array_size(pending) > 0)
		fprintf(out, "; not yet by ");
	print_names(pending, out);
	fputc('\n', out);
}

/* The latest answer in place of the first, which it ends; NULL: `error` says why. */
static json_t *await_all(const struct client *c, json_t *said, FILE *errors, char error[CLIENT_ERROR_MAX])
{
	char target[TARGET_MAX];
	const char *id = member_str(said, "id");
	uint64_t deadline = ctl_now_ms() + ORDER_WAIT_MS;
	size_t before = SIZE_MAX;
	snprintf(target, sizeof(target), "/v1/purge/%.64s", id == NULL ? "" : id);
	while (awaited(said) > 0 && ctl_now_ms() < deadline) {
		if (awaited(said) != before)
			print_progress(said, errors);
		before = awaited(said);
		(void)poll(NULL, 0, ASK_AGAIN_MS);
		json_t *now = ask_json(c, "GET", target, BYTES_NONE, error);
		json_decref(said);
		if (now == NULL)
			return NULL;
		said = now;
	}
	return said;
}

int order_purge(const struct client *c, const char *content, bool wait, bool json, FILE *out, FILE *errors)
{
	char error[CLIENT_ERROR_MAX];
	json_t *body = json_pack("{s:s}", "content", content);
	if (body == NULL)
		return ctl_failed("the content's name is no UTF-8", errors);
	char *text = json_dumps(body, JSON_COMPACT);
	CHECK(text != NULL);
	json_t *said = ask_json(c, "POST", "/v1/purge", bytes_str(text), error);
	free(text);
	json_decref(body);
	if (said != NULL && !json)
		print_recorded(said, out);
	if (said != NULL && wait)
		said = await_all(c, said, errors, error);
	if (said == NULL)
		return ctl_failed(error, errors);
	if (json)
		ctl_print_json(said, out);
	else
		print_progress(said, out);
	bool late = wait && awaited(said) > 0;
	json_decref(said);
	return late ? ctl_failed("not all delivery nodes have applied it in time", errors) : CTL_DONE;
}

/* -- about a node -- */

/* A name in a path: one segment. */
static void put_segment(struct buf *out, const char *text)
{
	for (; *text != '\0'; text++) {
		uint8_t c = (uint8_t)*text;
		bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
		             strchr("-._~", c) != NULL;
		if (plain)
			buf_put_u8(out, c);
		else
			buf_printf(out, "%%%02X", c);
	}
}

int order_node(const struct client *c, const char *node, const char *verb, bool json, FILE *out, FILE *errors)
{
	char error[CLIENT_ERROR_MAX];
	struct buf target;
	buf_init(&target, TARGET_MAX);
	buf_put_str(&target, "/v1/nodes/");
	put_segment(&target, node);
	buf_printf(&target, "/%s", verb);
	buf_put_u8(&target, '\0');
	if (buf_err(&target) != OK) {
		buf_fini(&target);
		return ctl_failed("the node's name is over a stated limit", errors);
	}
	json_t *said = ask_json(c, "POST", (const char *)target.p, BYTES_LIT("{}"), error);
	buf_fini(&target);
	if (said == NULL)
		return ctl_failed(error, errors);
	if (json)
		ctl_print_json(said, out);
	else
		print_recorded(said, out);
	json_decref(said);
	return CTL_DONE;
}
