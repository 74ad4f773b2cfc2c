#include "node/admin/admin.h"

#include "node/api/session_request.h"
#include "node/http/path.h"

static void answer(struct http_exchange *x, int status, const char *type, struct bytes body)
{
	struct http_response r = { .status = status };
	http_add(&r, "Content-Type", bytes_str(type));
	http_add(&r, "Cache-Control", BYTES_LIT("no-store"));
	r.parts[0] = (struct http_part){ .kind = HTTP_PART_BYTES, .bytes = body };
	r.parts_n = 1;
	http_respond(x, &r);
}

static void answer_buf_as(struct http_exchange *x, int status, const char *type, struct buf *body)
{
	if (buf_err(body) == OK)
		answer(x, status, type, buf_bytes(body));
	else
		http_problem(x, 503, "unavailable", "The answer is too large.", 1);
}

static void answer_buf(struct http_exchange *x, const char *type, struct buf *body)
{
	answer_buf_as(x, 200, type, body);
}

void admin_answer_json(struct http_exchange *x, struct buf *body)
{
	answer_buf(x, "application/json", body);
}

void admin_answer_json_as(struct http_exchange *x, int status, struct buf *body)
{
	answer_buf_as(x, status, "application/json", body);
}

static void on_json(
    const struct admin *a, struct http_exchange *x, void (*put)(const struct admin *, struct buf *))
{
	struct buf out;
	buf_init(&out, ADMIN_ANSWER_MAX);
	put(a, &out);
	answer_buf(
	    x, put == admin_put_metrics ? "text/plain; version=0.0.4; charset=utf-8" : "application/json", &out);
	buf_fini(&out);
}

static void on_ready(const struct admin *a, struct http_exchange *x)
{
	enum node_state s = control_state(a->control);
	if (s == NODE_READY)
		answer(x, 200, "text/plain", BYTES_LIT("ready\n"));
	else
		http_problem(x, 503, "not-ready", node_state_str(s), 1);
}

static void on_contents(const struct admin *a, struct http_exchange *x, struct bytes content)
{
	const struct config_origin *origin = config_origin_of(a->config, content);
	if (origin == NULL || !session_name_ok(content)) {
		http_problem(x, 404, "no-such-content", "No origin store of this node has contents of that name.", 0);
		return;
	}
	struct buf out;
	buf_init(&out, ADMIN_ANSWER_MAX);
	enum err e = admin_put_holders(a, origin, content, http_arena(x), &out);
	if (e == OK)
		answer_buf(x, "application/json", &out);
	else
		http_problem(x, 503, "unavailable", err_str(e), 1);
	buf_fini(&out);
}

static void on_entry(const struct admin *a, struct http_exchange *x)
{
	struct buf out;
	struct admin_refusal why;
	buf_init(&out, ADMIN_ANSWER_MAX);
	if (admin_put_entry(a, http_request(x)->query, http_arena(x), &out, &why))
		answer_buf(x, "application/json", &out);
	else
		http_problem(x, why.status, why.type, why.detail, why.status == 503 ? 1 : 0);
	buf_fini(&out);
}

static bool is_path(struct bytes path, const char *expected)
{
	return bytes_eq(path, bytes_str(expected));
}

static void route(const struct admin *a, struct http_exchange *x, struct bytes path)
{
	static const struct bytes contents = { (const uint8_t *)"/v1/contents/", 13 };
	if (is_path(path, "/healthz"))
		answer(x, 200, "text/plain", BYTES_LIT("alive\n"));
	else if (is_path(path, "/readyz"))
		on_ready(a, x);
	else if (is_path(path, "/metrics"))
		on_json(a, x, admin_put_metrics);
	else if (is_path(path, "/v1/status"))
		on_json(a, x, admin_put_status);
	else if (is_path(path, "/v1/nodes"))
		on_json(a, x, admin_put_nodes);
	else if (is_path(path, "/v1/explain"))
		admin_explain(a, x);
	else if (is_path(path, "/v1/holders"))
		admin_holders(a, x);
	else if (is_path(path, "/v1/watched"))
		watched_handle(a, x);
	else if (is_path(path, "/v1/drains"))
		admin_drains(a, x);
	else if (is_path(path, "/v1/kvs/stats"))
		on_json(a, x, admin_put_kvs_stats);
	else if (is_path(path, "/v1/kvs/owners"))
		on_json(a, x, admin_put_owners);
	else if (is_path(path, "/v1/kvs/get"))
		on_entry(a, x);
	else if (bytes_starts_with(path, contents) && path.n > contents.n)
		on_contents(a, x, bytes_from(path, contents.n));
	else
		http_problem(x, 404, "not-found", "There is nothing here.", 0);
}

void admin_not_allowed(struct http_exchange *x, const char *allowed)
{
	struct http_response r = { .status = 405 };
	static const char body[] =
	    "{\"type\":\"urn:warmcast:problem:method\",\"title\":\"Method Not Allowed\",\"status\":405}\n";
	http_add(&r, "Allow", bytes_str(allowed));
	http_add(&r, "Content-Type", BYTES_LIT("application/problem+json"));
	http_add(&r, "Cache-Control", BYTES_LIT("no-store"));
	r.parts[0] = (struct http_part){ .kind = HTTP_PART_BYTES, .bytes = BYTES_LIT(body) };
	r.parts_n = 1;
	http_respond(x, &r);
}

void admin_handle(void *ctx, struct http_exchange *x)
{
	const struct admin *a = ctx;
	const struct http_request *r = http_request(x);
	struct bytes path;
	if (http_path_decode(http_arena(x), r->path, &path) != OK)
		http_problem(x, 400, "malformed", "The path is malformed.", 0);
	else if (is_path(path, "/v1/kvs/probe"))
		probe_handle(a, x);
	else if (orders_take(a, x, path) || warm_orders_handle(a, x, path))
		;
	else if (r->method != HTTP_GET && r->method != HTTP_HEAD)
		admin_not_allowed(x, "GET, HEAD");
	else
		route(a, x, path);
}
