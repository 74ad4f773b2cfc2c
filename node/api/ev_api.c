#include "node/api/api.h"

#include "node/api/ev_admit.h"
#include "node/api/ev_revoke.h"
#include "node/api/ev_steering.h"
#include "node/api/place.h"
#include "node/api/recall.h"
#include "node/api/session.h"
#include "node/api/session_request.h"
#include "node/http/path.h"

#include <string.h>

/* One request on its way through the api. */
struct call {
	struct api *api;
	struct api_worker *worker;
	struct http_exchange *x;
	const struct http_request *request;
	struct arena *arena;
	uint64_t now_s;
	struct admit *admit; /* of a creation */
};

/* -- answers -- */

static void count(_Atomic uint64_t *c)
{
	atomic_fetch_add_explicit(c, 1, memory_order_relaxed);
}

static void malformed(struct call *c, const char *why)
{
	count(&c->api->count.malformed);
	http_problem(c->x, 400, "malformed", why, 0);
}

/* What should not happen to a sound request: out of memory, or the replica could not be read. */
static void failed(struct call *c, enum err e)
{
	http_problem(c->x, 503, "unavailable", err_str(e), 1);
}

/* A token of that request could not be made. */
static void unsigned_token(struct call *c, enum err e)
{
	if (e == ERR_TOO_BIG)
		malformed(c, "\"content\", \"prefixes\" and \"client\" are too long together for one token.");
	else
		failed(c, e);
}

static void answer_json(struct call *c, int status, struct bytes body, struct bytes location)
{
	struct http_response r = { .status = status, .constant_fields = API_JSON_FIELDS };
	if (location.n > 0)
		http_add(&r, "Location", location);
	r.parts[0] = (struct http_part){ .kind = HTTP_PART_BYTES, .bytes = body };
	r.parts_n = 1;
	http_respond(c->x, &r);
}

/* Empty past the arena's bound. */
static struct bytes location_of(struct call *c, struct bytes handle)
{
	static const char folder[] = "/v1/sessions/";
	size_t folder_n = sizeof(folder) - 1;
	char *p = arena_alloc(c->arena, folder_n + handle.n);
	if (p == NULL)
		return BYTES_NONE;
	memcpy(p, folder, folder_n);
	memcpy(p + folder_n, handle.p, handle.n);
	return bytes_of(p, folder_n + handle.n);
}

/* Answers with the session on node `at`. */
static void answer_session(struct call *c, int status, const struct token *t,
    const struct session_tokens *tokens, const struct place *p, size_t at)
{
	struct bytes json;
	enum err e = session_json(c->api, &c->worker->writer, t, tokens, p, at, &json);
	if (e != OK) {
		unsigned_token(c, e);
		return;
	}
	struct bytes location = status == 201 ? location_of(c, tokens->handle) : BYTES_NONE;
	if (status == 201)
		admit_created(c->admit, location, json);
	answer_json(c, status, json, location);
}

/* -- POST /v1/sessions -- */

static void count_outcome(struct api *api, enum assign_outcome o)
{
	_Atomic uint64_t *const counters[] = {
		[ASSIGN_WARM] = &api->count.created_warm,
		[ASSIGN_SPILL] = &api->count.created_spill,
		[ASSIGN_COLD] = &api->count.created_cold,
		[ASSIGN_REFUSED] = &api->count.refused,
	};
	count(counters[o]);
}

/* The content and the extra prefixes must come from the same origin store: a token names one. */
static const struct config_origin *one_origin(struct call *c, const struct session_request *r)
{
	const struct config_origin *origin = config_origin_of(c->api->c.config, r->content);
	if (origin == NULL) {
		http_problem(
		    c->x, 404, "no-such-content", "No origin store of this cluster has contents of that name.", 0);
		return NULL;
	}
	for (size_t i = 0; i < r->prefixes_n; i++) {
		if (config_origin_of(c->api->c.config, r->prefixes[i]) != origin) {
			malformed(c, "Each of \"prefixes\" must lie in the origin store of \"content\".");
			return NULL;
		}
	}
	return origin;
}

static struct token session_of(struct call *c, const struct session_request *r,
    const struct config_origin *origin, const struct place *p)
{
	const struct place_node *n = &p->nodes[p->decision.node];
	struct token t = {
		.origin = bytes_str(origin->name),
		.content = r->content,
		.prefixes_n = r->prefixes_n,
		.node = n->id,
		.node_incarnation = n->incarnation,
		.kbps = p->kbps,
		.not_after_s =
		    r->not_after_s != 0 ? r->not_after_s : c->now_s + c->api->c.config->not_after_ms / 1000,
		.client = r->client,
		.entry = r->entry,
	};
	session_begin(c->api, c->now_s, &t);
	memcpy(t.prefixes, r->prefixes, sizeof(t.prefixes));
	c->worker->random(c->worker->random_ctx, t.session, sizeof(t.session));
	return t;
}

/* A place that is kept, if there is one (A3); else the session is placeless. */
static void take_place(struct call *c, const struct place_node *n, uint64_t now_ms, struct token *t)
{
	struct lease_place kept;
	enum lease_take take = lease_slots_take(c->api->c.slots, n->slot, now_ms, &kept);
	if (take == LEASE_TAKEN) {
		t->node_incarnation = kept.incarnation;
		t->lease_batch = kept.batch;
		t->lease_index = kept.index;
		return;
	}
	count(&c->api->count.placeless);
	if (take == LEASE_DRY_WAKE)
		c->api->c.places_dry(c->api->c.dry_ctx);
}

static void create_placed(struct call *c, const struct session_request *r, const struct config_origin *origin,
    const struct place *p)
{
	size_t at = p->decision.node;
	struct token t = session_of(c, r, origin, p);
	take_place(c, &p->nodes[at], p->now_ms, &t);
	struct session_tokens tokens;
	enum err e = token_sign_session(c->api->c.keys, &t, c->arena, &tokens.playback, &tokens.handle);
	if (e != OK) {
		unsigned_token(c, e);
		return;
	}
	tally_add(c->api->c.tally, p->nodes[at].slot, p->now_ms / 1000);
	recall_add(c->api->recall, c->worker->view_reader, t.session, p, at);
	answer_session(c, 201, &t, &tokens, p, at);
}

static bool is_json(const struct http_request *r)
{
	struct bytes type = http_header(r, "Content-Type");
	if (type.p == NULL)
		return true;
	size_t end = bytes_index(type, ';');
	while (end > 0 && type.p[end - 1] == ' ')
		end--;
	return http_header_is(bytes_head(type, end), "application/json");
}

static void create_admitted(struct call *c)
{
	struct session_request r;
	const char *why = NULL;
	if (!is_json(c->request)) {
		count(&c->api->count.malformed);
		http_problem(c->x, 415, "media-type", "Send the request with Content-Type: application/json.", 0);
		return;
	}
	if (session_request_parse(c->request->body, c->now_s, c->arena, &r, &why) != OK) {
		malformed(c, why != NULL ? why : "The body is too large.");
		return;
	}
	if (!admit_session(c->admit, &r))
		return;
	const struct config_origin *origin = one_origin(c, &r);
	if (origin == NULL)
		return;
	struct place p;
	enum err e = place_decide(c->api, c->worker, bytes_str(origin->name), r.content, r.zone, c->arena, &p);
	if (e != OK) {
		failed(c, e);
		return;
	}
	count_outcome(c->api, p.decision.outcome);
	if (p.decision.outcome == ASSIGN_REFUSED)
		http_problem(c->x, 503, "no-headroom", "No delivery node has headroom now.", 5);
	else
		create_placed(c, &r, origin, &p);
}

static void create(struct call *c)
{
	struct admit admit;
	c->admit = &admit;
	if (admit_caller(&admit, c->api->c.admission, c->x))
		create_admitted(c);
	admit_end(&admit);
}

/* -- a session that is there already -- */

/* The handle in the path, verified; false when it was answered. */
static bool take_handle(struct call *c, struct bytes text, struct token *t)
{
	enum err e = token_verify(c->api->c.keys, text, TOKEN_SESSION, c->arena, t);
	if (e == OK)
		return true;
	if (e == ERR_NO_MEMORY)
		failed(c, e);
	else
		http_problem(c->x, 404, "no-such-session", "That is no session of this cluster.", 0);
	return false;
}

static bool still_valid(struct call *c, const struct token *t)
{
	bool revoked = session_is_revoked(c->api, t);
	if (!revoked && token_check(t, c->now_s) == OK)
		return true;
	http_problem(c->x, 404, "no-such-session",
	    revoked ? "That session has ended: it was revoked." : "That session has ended: its time is over.", 0);
	return false;
}

/* Answers with where the session belongs now (GET and heartbeat). */
static void present(struct call *c, const struct token *t, struct bytes handle, bool beat)
{
	struct place p;
	enum err e = place_decide(c->api, c->worker, t->origin, t->content, BYTES_NONE, c->arena, &p);
	if (e != OK) {
		failed(c, e);
		return;
	}
	size_t at = place_keep(&p, &t->node, bytes_of(t->session, sizeof(t->session)));
	if (at == SIZE_MAX) {
		http_problem(c->x, 503, "no-headroom", "No delivery node has headroom now.", 5);
		return;
	}
	if (beat) {
		struct rpc_session_id id;
		memcpy(id.b, t->session, sizeof(id.b));
		count(&c->api->count.heartbeats);
		(void)c->api->c.tell_node(c->api->c.tell_ctx, &p.nodes[at].id, &id, false);
	}
	struct session_tokens tokens = { .handle = handle };
	e = session_playback(c->api, t, c->now_s, c->arena, &tokens.playback);
	if (e == OK)
		answer_session(c, 200, t, &tokens, &p, at);
	else
		unsigned_token(c, e);
}

/* A session that moved since holds its place where GET and heartbeat led it. */
static void tell_present_node(struct call *c, const struct token *t, const struct rpc_session_id *id)
{
	struct place p;
	enum err e = place_decide(c->api, c->worker, t->origin, t->content, BYTES_NONE, c->arena, &p);
	if (e != OK)
		return; /* idleness ends it there */
	size_t at = place_keep(&p, &t->node, bytes_of(t->session, sizeof(t->session)));
	if (at != SIZE_MAX && !node_id_eq(&p.nodes[at].id, &t->node))
		(void)c->api->c.tell_node(c->api->c.tell_ctx, &p.nodes[at].id, id, true);
}

static void end(struct call *c, const struct token *t)
{
	struct rpc_session_id id;
	memcpy(id.b, t->session, sizeof(id.b));
	count(&c->api->count.ended);
	(void)c->api->c.tell_node(c->api->c.tell_ctx, &t->node, &id, true);
	tell_present_node(c, t, &id);
	struct http_response r = { .status = 204 };
	http_add(&r, "Cache-Control", BYTES_LIT("no-store"));
	http_add_cors(&r);
	http_respond(c->x, &r);
}

/* -- routes -- */

static void not_allowed(struct call *c, const char *allowed)
{
	struct http_response r = { .status = 405 };
	static const char body[] =
	    "{\"type\":\"urn:warmcast:problem:method\",\"title\":\"Method Not Allowed\",\"status\":405}";
	http_add(&r, "Allow", bytes_str(allowed));
	http_add(&r, "Content-Type", BYTES_LIT("application/problem+json"));
	http_add(&r, "Cache-Control", BYTES_LIT("no-store"));
	http_add_cors(&r);
	r.parts[0] = (struct http_part){ .kind = HTTP_PART_BYTES, .bytes = BYTES_LIT(body) };
	r.parts_n = 1;
	http_respond(c->x, &r);
}

static void on_sessions(struct call *c)
{
	if (c->request->method == HTTP_OPTIONS)
		http_preflight(c->x, "POST, OPTIONS");
	else if (c->request->method == HTTP_POST)
		create(c);
	else
		not_allowed(c, "POST, OPTIONS");
}

static void on_session(struct call *c, struct bytes text)
{
	struct token t;
	enum http_method m = c->request->method;
	if (m == HTTP_OPTIONS)
		http_preflight(c->x, "GET, HEAD, DELETE, OPTIONS");
	else if (m == HTTP_GET || m == HTTP_HEAD) {
		if (take_handle(c, text, &t) && still_valid(c, &t))
			present(c, &t, text, false);
	} else if (m == HTTP_DELETE) {
		if (take_handle(c, text, &t) && session_revoke_if_asked(c->api, c->x, &t, c->now_s))
			end(c, &t);
	} else
		not_allowed(c, "GET, HEAD, DELETE, OPTIONS");
}

static void on_heartbeat(struct call *c, struct bytes text)
{
	struct token t;
	if (c->request->method == HTTP_OPTIONS)
		http_preflight(c->x, "POST, OPTIONS");
	else if (c->request->method != HTTP_POST)
		not_allowed(c, "POST, OPTIONS");
	else if (take_handle(c, text, &t) && still_valid(c, &t))
		present(c, &t, text, true);
}

void api_worker_fini(struct api_worker *w)
{
	buf_fini(&w->writer.text);
}

/* /v1/sessions..., when that was taken off. */
static void on_sessions_path(struct call *c, struct bytes path)
{
	struct bytes session = BYTES_NONE, verb = BYTES_NONE;
	if (http_path_next(&path, &session))
		(void)http_path_next(&path, &verb);
	if (path.n > 0 || (verb.n > 0 && !bytes_eq(verb, BYTES_LIT("heartbeat"))))
		http_problem(c->x, 404, "not-found", "There is nothing here.", 0);
	else if (session.n == 0)
		on_sessions(c);
	else if (verb.n == 0)
		on_session(c, session);
	else
		on_heartbeat(c, session);
}

void api_handle(struct api *api, struct api_worker *w, struct http_exchange *x)
{
	struct call c = { api, w, x, http_request(x), http_arena(x), api->c.now_wall_ms() / 1000, NULL };
	struct bytes path, version, what, token;
	if (bytes_eq(
	        c.request->path, BYTES_LIT("/v1/sessions"))) { /* what is asked most; the rest would find it */
		on_sessions(&c);
		return;
	}
	if (http_path_decode(c.arena, c.request->path, &path) != OK) {
		malformed(&c, "The path is malformed.");
		return;
	}
	bool known =
	    http_path_next(&path, &version) && bytes_eq(version, BYTES_LIT("v1")) && http_path_next(&path, &what);
	if (known && bytes_eq(what, BYTES_LIT("sessions")))
		on_sessions_path(&c, path);
	else if (known && bytes_eq(what, BYTES_LIT("steering")) && http_path_next(&path, &token) && path.n == 0)
		steering_handle(api, w, x, token);
	else
		http_problem(
		    x, 404, "not-found", "There is nothing here. Sessions are made by POST /v1/sessions.", 0);
}
