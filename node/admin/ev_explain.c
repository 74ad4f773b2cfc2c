/* GET /v1/explain: why viewers go where they go (A5), as this api node would decide. */
#include "base/address.h"
#include "node/admin/admin.h"
#include "node/admin/explain.h"
#include "node/api/session_request.h"
#include "node/http/path.h"

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

/* Some api node that is reached, as a person may ask it: "api-1 (127.0.0.1)". NULL: none is known. */
static const char *other_api(const struct admin *a, struct arena *arena)
{
	const struct kvs *kvs = control_kvs(a->control);
	const char *found = NULL;
	enum kvs_liveness best = KVS_DOWN;
	for (size_t i = 0; i < kvs_members_n(kvs); i++) {
		struct kvs_member m;
		struct address at;
		kvs_member_at(kvs, i, &m);
		if (m.reg == NULL || (m.reg->roles & RPC_ROLE_API) == 0 || m.liveness == KVS_DOWN ||
		    m.reg->state != NODE_READY || (found != NULL && m.liveness >= best) ||
		    address_parse(m.reg->rpc_address, &at) != OK)
			continue;
		best = m.liveness;
		found = arena_printf(arena, "%.*s on %.*s", (int)m.reg->name.n, (const char *)m.reg->name.p,
		    (int)at.host.n, (const char *)at.host.p);
	}
	return found;
}

static bool no_api_here(const struct admin *a, struct arena *arena, struct admin_refusal *why)
{
	const char *other = other_api(a, arena);
	const char *detail =
	    other == NULL ? NULL
	                  : arena_printf(arena,
	                        "This node creates no sessions, so it decides nothing: ask the admin listener "
	                        "of an api node, as %s.",
	                        other);
	return refuse(why, 404, "no-api-role",
	    detail != NULL ? detail
	                   : "This node creates no sessions, so it decides nothing, and it knows no api node.");
}

/* -- ?content= -- */

/* As a worker decides (node/api/lmdb_place.c), with the holders at hand. */
static enum err decide(const struct admin *a, struct explain_now *e, struct arena *arena)
{
	struct kvs_holder *holders = arena_array(arena, PLACE_HOLDERS_MAX, sizeof(*holders));
	struct place *place = arena_alloc(arena, sizeof(*place));
	struct place_wish wish = { bytes_str(e->origin->name), e->content, e->zone };
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
	static const char *const no_content = "content must be the id of a content.";
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

void admin_explain(const struct admin *a, struct http_exchange *x)
{
	struct bytes query = http_request(x)->query;
	struct arena *arena = http_arena(x);
	struct admin_refusal why = { 0 };
	struct buf out;
	buf_init(&out, ADMIN_ANSWER_MAX);
	bool put;
	if (a->api == NULL)
		put = no_api_here(a, arena, &why);
	else
		put = put_content(a, query, arena, &out, &why);
	if (put)
		admin_answer_json(x, &out);
	else
		http_problem(x, why.status, why.type, why.detail, why.status == 503 ? 1 : 0);
	buf_fini(&out);
}
