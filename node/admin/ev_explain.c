/* GET /v1/explain: why viewers go where they go (A5), as this api node would decide. */
#include "base/address.h"
#include "node/admin/admin.h"
#include "node/admin/explain.h"
#include "node/api/session_request.h"
#include "node/http/path.h"
#include "node/member_of.h"
#include "node/rfc3339.h"

enum { DECISION_MAX_BYTES = 16 << 20 };

static bool refuse(struct admin_refusal *why, int status, const char *type, const char *detail)
{
	*why = (struct admin_refusal){ status, type, detail };
	return false;
}

static bool unavailable(struct admin_refusal *why, enum err e)
{
	return refuse(why, 503, "unavailable", err_str(e));
}

/* -- ?content= -- */

/* As a worker decides (node/api/lmdb_place.c), with the holders at hand and all nodes in order. */
static enum err decide(const struct admin *a, struct explain_now *e, struct arena *arena)
{
	struct kvs_holder *holders = arena_array(arena, PLACE_HOLDERS_MAX, sizeof(*holders));
	struct place *place = arena_alloc(arena, sizeof(*place));
	struct place_wish wish = {
		.origin = bytes_str(e->origin->name), .content = e->content, .zone = e->zone, .explain = true
	};
	if (holders == NULL || place == NULL)
		return ERR_NO_MEMORY;
	enum err err = kvs_reader_holders(
	    a->reader, wish.origin, wish.content, arena, holders, PLACE_HOLDERS_MAX, &e->holders_n);
	if (err != OK)
		return err;
	const struct cluster_view *view = view_acquire(a->api->c.views, a->view_reader);
	err = place_among(a->api, view, holders, e->holders_n, &wish, arena, place);
	view_release(a->api->c.views, a->view_reader);
	e->holders = holders;
	e->place = place;
	return err;
}

static bool put_content(const struct admin *a, struct bytes query, struct arena *arena, struct buf *out,
    struct admin_refusal *why)
{
	struct explain_now e = { .node = bytes_str(a->config->node),
		.now_wall_ms = a->now_wall_ms(),
		.leased = a->leased,
		.leased_ctx = a->leased_ctx };
	static const char *const no_content = "Ask for ?content=ID or ?session=HANDLE.";
	if (!admin_take_value(query, "content", no_content, arena, &e.content, why))
		return false;
	if (http_query(query, "zone").n > 0 &&
	    !admin_take_value(query, "zone", "zone must be the name of a zone.", arena, &e.zone, why))
		return false;
	e.origin = config_origin_of(a->config, e.content);
	if (e.origin == NULL || !session_name_ok(e.content))
		return refuse(why, 404, "no-such-content", "No origin store of this node has contents of that name.");
	struct arena own; /* a request's is too small for a large cluster */
	arena_init(&own, DECISION_MAX_BYTES);
	enum err err = decide(a, &e, &own);
	if (err == OK)
		err = explain_put_now(&e, &own, out);
	arena_fini(&own);
	return err == OK || unavailable(why, err);
}

/* -- ?session= -- */

/* "2026-11-21T09:18:53Z" in the arena; "" when that is exhausted. */
static const char *time_text(uint64_t unix_s, struct arena *arena)
{
	char text[RFC3339_SECONDS_LEN + 1];
	rfc3339_seconds(text, unix_s);
	const char *copy = arena_printf(arena, "%s", text);
	return copy != NULL ? copy : "";
}

static bool created_elsewhere(
    const struct admin *a, const struct token *t, struct arena *arena, struct admin_refusal *why)
{
	const char *detail = NULL;
	struct kvs_member m;
	struct address at;
	if (member_of(control_kvs(a->control), &t->issued_by, &m) && m.reg != NULL &&
	    address_parse(m.reg->rpc_address, &at) == OK)
		detail = arena_printf(arena,
		    "%.*s created that session, and only it remembers why: ask its own admin listener, on %.*s%s.",
		    (int)m.reg->name.n, (const char *)m.reg->name.p, (int)at.host.n, (const char *)at.host.p,
		    m.liveness == KVS_DOWN ? " (it is down now)" : "");
	return refuse(why, 404, "created-elsewhere",
	    detail != NULL
	        ? detail
	        : "A node that this one does not know created that session, and only it remembers why.");
}

static bool forgotten(
    const struct admin *a, const struct token *t, struct arena *arena, struct admin_refusal *why)
{
	uint64_t up_s = (a->now_mono_ms() - a->started_mono_ms) / 1000;
	bool before_start = t->issued_at_s + up_s < a->now_wall_ms() / 1000;
	const char *at = time_text(t->issued_at_s, arena);
	const char *detail =
	    before_start
	        ? arena_printf(arena,
	              "This node created that session at %s, before its last start, and no longer knows why.", at)
	        : arena_printf(arena,
	              "This node created that session at %s, and no longer knows why: each worker remembers its "
	              "last %d.",
	              at, RECALL_SESSIONS);
	return refuse(
	    why, 404, "forgotten", detail != NULL ? detail : "This node no longer knows why that session is so.");
}

/* Where the session belongs now, as a heartbeat would be told. NULL: nowhere. */
static const struct place_node *present(const struct admin *a, const struct token *t, struct arena *arena)
{
	struct config_origin origin = { .name = arena_str(arena, t->origin) };
	struct explain_now e = { .origin = &origin, .content = t->content };
	if (origin.name == NULL || decide(a, &e, arena) != OK)
		return NULL;
	size_t at = place_keep(e.place, &t->node, bytes_of(t->session, sizeof(t->session)));
	return at != SIZE_MAX ? &e.place->nodes[at] : NULL;
}

static bool put_session(
    const struct admin *a, struct bytes text, struct arena *arena, struct buf *out, struct admin_refusal *why)
{
	struct token t;
	struct recalled recalled;
	enum err err = token_verify(a->api->c.keys, text, TOKEN_SESSION, arena, &t);
	if (err == ERR_NO_MEMORY)
		return unavailable(why, err);
	if (err != OK)
		return refuse(why, 404, "no-such-session", "That is no session of this cluster.");
	if (!node_id_eq(&t.issued_by, a->self))
		return created_elsewhere(a, &t, arena, why);
	if (a->api->recall == NULL || !recall_find(a->api->recall, t.session, &recalled))
		return forgotten(a, &t, arena, why);
	struct arena own;
	arena_init(&own, DECISION_MAX_BYTES);
	struct explain_then e = { .node = bytes_str(a->config->node), .t = &t, .recalled = &recalled };
	e.now = present(a, &t, &own);
	e.view = view_acquire(a->api->c.views, a->view_reader);
	explain_put_then(&e, out);
	view_release(a->api->c.views, a->view_reader);
	arena_fini(&own);
	return true;
}

void admin_explain(const struct admin *a, struct http_exchange *x)
{
	struct bytes query = http_request(x)->query;
	struct bytes session = http_query(query, "session");
	struct arena *arena = http_arena(x);
	struct admin_refusal why = { 0 };
	struct buf out;
	buf_init(&out, ADMIN_ANSWER_MAX);
	bool put = false;
	if (a->api == NULL)
		admin_no_api_here(a, arena, &why);
	else if (session.n > 0)
		put = put_session(a, session, arena, &out, &why);
	else
		put = put_content(a, query, arena, &out, &why);
	if (put)
		admin_answer_json(x, &out);
	else
		http_problem(x, why.status, why.type, why.detail, why.status == 503 ? 1 : 0);
	buf_fini(&out);
}
