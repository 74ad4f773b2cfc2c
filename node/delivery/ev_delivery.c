/* The delivery role's door: path, token and session, before any object is looked for. */
#include "node/delivery/delivery.h"

#include "base/obj.h"
#include "node/delivery/ev_job.h"
#include "node/delivery/respond.h"
#include "node/ev_revoked.h"
#include "node/http/ev_server.h"
#include "node/http/path.h"
#include "node/origin/freshness.h"

#include <string.h>

#define DELIVERY_MAGIC 0x64656c76u

static uint64_t read_count(const _Atomic uint64_t *n)
{
	return atomic_load_explicit(n, memory_order_relaxed);
}

struct delivery *delivery_new(const struct delivery_config *c)
{
	CHECK(c->config != NULL && c->cache != NULL && c->fills != NULL && c->keys != NULL);
	CHECK(c->sessions != NULL && c->self != NULL && c->elsewhere != NULL && c->moved != NULL);
	CHECK(c->now_wall_ms != NULL && c->now_mono_ms != NULL);
	struct delivery *d = OBJ_NEW(struct delivery, DELIVERY_MAGIC);
	d->c = *c;
	if (c->config->pace != NULL && c->config->pace[0] != '\0')
		CHECK(config_value_pace(bytes_str(c->config->pace), &d->pace)); /* as the configuration has found */
	orphans_init(&d->orphans);
	return d;
}

void delivery_count(const struct delivery *d, struct delivery_counters *out)
{
	OBJ_CHECK(d, DELIVERY_MAGIC);
	*out = (struct delivery_counters){
		.requests = read_count(&d->n.requests),
		.hits = read_count(&d->n.hits),
		.hits_ahead = read_count(&d->n.hits_ahead),
		.misses = read_count(&d->n.misses),
		.collapsed = read_count(&d->n.collapsed),
		.bytes = read_count(&d->n.bytes),
		.hit_bytes = read_count(&d->n.hit_bytes),
		.token_refused = read_count(&d->n.token_refused),
		.not_found = read_count(&d->n.not_found),
		.failed = read_count(&d->n.failed),
		.sent_elsewhere = read_count(&d->n.sent_elsewhere),
		.no_place = read_count(&d->n.no_place),
		.peer_served = read_count(&d->n.peer_served),
		.peer_bytes = read_count(&d->n.peer_bytes),
		.peer_misses = read_count(&d->n.peer_misses),
		.peer_refused = read_count(&d->n.peer_refused),
		.shed = read_count(&d->n.shed),
		.hot_objects = read_count(&d->hot_objects),
		.hot_bytes = read_count(&d->hot_bytes),
		.hot_hits = read_count(&d->hot_hits),
		.rendered = read_count(&d->n.rendered),
		.looks_aside = read_count(&d->looks_aside),
		.peer_errors = read_count(&d->n.peer_errors),
		.cmcd_requests = read_count(&d->n.cmcd_requests),
		.cmcd_stalls = read_count(&d->n.cmcd_stalls),
		.peer_fills = read_count(&d->n.peer_fills),
		.peer_fills_pending = read_count(&d->n.peer_fills_pending),
		.loops = read_count(&d->n.loops),
	};
}

void delivery_hook(struct delivery *d, const struct delivery_hooks *h)
{
	OBJ_CHECK(d, DELIVERY_MAGIC);
	if (h != NULL)
		d->hooks = *h;
	atomic_store(&d->hooked, h != NULL);
}

void delivery_free(struct delivery *d)
{
	if (d == NULL)
		return;
	OBJ_CHECK(d, DELIVERY_MAGIC);
	orphans_fini(&d->orphans);
	media_workers_free(d);
	OBJ_FREE(d);
}

/* -- the request -- */

unsigned delivery_loops(const struct delivery *d, const struct http_request *r)
{
	const char *cluster = d->c.config->cluster;
	return cluster == NULL ? 0 : media_loops(r, bytes_str(cluster));
}

static void refuse_token(struct delivery *d, struct http_exchange *x, enum media_access access)
{
	delivery_add(&d->n.token_refused, 1);
	switch (access) {
	case MEDIA_TOKEN_EXPIRED:
		http_problem(x, 403, "token-expired", "The token has expired; create a new session.", 0);
		break;
	case MEDIA_TOKEN_REVOKED: http_problem(x, 403, "token-revoked", "The session was revoked.", 0); break;
	case MEDIA_TOKEN_SCOPE:
		http_problem(x, 403, "token-scope", "The token does not open this object.", 0);
		break;
	default:
		http_problem(x, 403, "token-invalid", "The token is not one that this cluster signed.", 0);
		break;
	}
}

/* Its origin store is this cluster itself, by whatever detour (RFC 8586). A failure of the store to whoever
 * asked: no 404, which would say that there is no such object. */
static void refuse_loop(struct delivery *d, struct http_exchange *x)
{
	delivery_add(&d->n.loops, 1);
	http_problem(x, 508, "loop", "This request was sent out by this cluster.", 0);
}

static void refuse_path(struct delivery *d, struct http_exchange *x, enum err e)
{
	switch (e) {
	case ERR_TOO_BIG: http_problem(x, 414, "too-long", "The object's name is too long.", 0); break;
	case ERR_NO_MEMORY:
		delivery_add(&d->n.failed, 1);
		http_reset(x);
		break;
	default: http_problem(x, 400, "malformed", "The path is not /p/TOKEN/CONTENT/PATH.", 0); break;
	}
}

const struct config_origin *delivery_origin(const struct delivery *d, struct bytes name)
{
	const struct config *c = d->c.config;
	for (size_t i = 0; i < c->origins_n; i++)
		if (bytes_eq(bytes_str(c->origins[i].name), name))
			return &c->origins[i];
	return NULL;
}

/* D3: while its session lives, a token that has become old is replaced. At playlists only: what they name
 * is fetched relative to where they were found, while a redirect of each segment would be forgotten
 * at once. The session's hard end stays. */
static bool renew(struct delivery *d, struct http_exchange *x, const struct token *t, struct bytes object)
{
	uint64_t now_s = d->c.now_wall_ms() / 1000;
	struct rpc_session_id id;
	memcpy(id.b, t->session, sizeof(id.b));
	if (!token_wants_renewal(t, now_s) || freshness_class(d->c.config, object) != CLASS_PLAYLIST ||
	    !sessions_alive(d->c.sessions, &id, d->c.now_mono_ms()))
		return false;
	struct token fresh = *t;
	uint64_t after_s = d->c.config->renew_after_ms / 1000;
	fresh.issued_at_s = now_s;
	fresh.start_by_s = 0;
	fresh.renew_after_s = after_s > 0 && now_s + after_s < t->not_after_s ? now_s + after_s : 0;
	struct bytes text;
	char *location = NULL;
	if (token_sign(d->c.keys, &fresh, http_arena(x), &text) == OK)
		location = media_location(http_arena(x), text, object);
	/* The old one is good still: without a fresh one the object is served under it. */
	if (location == NULL)
		return false;
	media_send_redirect(x, location);
	return true;
}

static bool was_sent_on(struct http_exchange *x)
{
	return bytes_eq(http_query(http_request(x)->query, "hop"), BYTES_LIT("1"));
}

/* D1: one hop to a node with room, never two. False: there is none. */
static bool send_on(struct delivery *d, struct http_exchange *x, const struct token *t)
{
	const struct http_request *r = http_request(x);
	struct bytes url = was_sent_on(x) ? BYTES_NONE : d->c.elsewhere(d->c.ctx, x, t);
	char *location = NULL;
	if (url.n > 0)
		location = arena_printf(http_arena(x), "%.*s%.*s?%.*s%shop=1", (int)url.n, (const char *)url.p,
		    (int)r->path.n, (const char *)r->path.p, (int)r->query.n, (const char *)r->query.p,
		    r->query.n > 0 ? "&" : "");
	if (location == NULL)
		return false;
	delivery_add(&d->n.sent_elsewhere, 1);
	media_send_redirect(x, location);
	return true;
}

/* Else an answer that lets the player fail over at once. */
static void send_elsewhere(struct delivery *d, struct http_exchange *x, const struct token *t)
{
	if (send_on(d, x, t))
		return;
	delivery_add(&d->n.no_place, 1);
	http_problem(x, 404, "no-place", "This node is full, and so are those that it knows of.", 0);
}

/* While the node sends more than capacity.egress_mbps, who is served keeps his pace, and who is not yet goes
 * to another node. If there is none, a place that was promised counts (A3), and without one he is told at
 * once (D1). True: answered. */
static bool shed(
    struct delivery *d, struct http_exchange *x, const struct token *t, const struct session_claim *claim)
{
	struct rpc_session_id session;
	memcpy(session.b, t->session, sizeof(session.b));
	if (!http_overloaded(http_worker_of(x)) || sessions_alive(d->c.sessions, &session, d->c.now_mono_ms()))
		return false;
	bool sent_on = send_on(d, x, t);
	if (!sent_on && claim->kept)
		return false;
	delivery_add(&d->n.shed, 1);
	if (sent_on)
		return true;
	delivery_add(&d->n.no_place, 1);
	http_problem(
	    x, 404, "no-place", "This node sends as much as it may, and so do those that it knows of.", 0);
	return true;
}

/* A3: a place is taken by the session's first request here, or its first after a pause. False: answered. */
static bool take_place(struct delivery *d, struct http_exchange *x, const struct token *t)
{
	struct rpc_session_id session;
	memcpy(session.b, t->session, sizeof(session.b));
	bool here = node_id_eq(&t->node, d->c.self);
	struct session_claim claim = {
		.kept = here && t->lease_batch != 0,
		.incarnation = t->node_incarnation,
		.batch = t->lease_batch,
		.index = t->lease_index,
		.kbps = t->kbps,
		.origin = t->origin,
		.content = t->content,
	};
	if (shed(d, x, t, &claim))
		return false;
	switch (sessions_touch(d->c.sessions, &session, &claim, d->c.now_mono_ms())) {
	case SESSION_ACTIVE: return true;
	case SESSION_STARTED:
		/* Who was sent on had no place where he came from: a word of it that comes late would end him when
		 * he has found one there after all. */
		if (!here && !was_sent_on(x))
			(void)d->c.moved(d->c.ctx, &t->node, &session);
		return true;
	case SESSION_FULL: break;
	}
	send_elsewhere(d, x, t);
	return false;
}

static void serve(
    struct delivery *d, struct http_exchange *x, const struct token *t, const struct media_path *path)
{
	if (renew(d, x, t, path->object) || !take_place(d, x, t))
		return;
	const struct config_origin *origin = delivery_origin(d, t->origin);
	if (origin == NULL) {
		delivery_add(&d->n.failed, 1);
		http_problem(x, 404, "origin-unavailable", "This node has no origin store of that name.", 0);
		return;
	}
	media_job_start(d, x, origin, t, path);
}

static bool is_revoked(const struct delivery *d, const struct token *t)
{
	struct rpc_session_id id;
	memcpy(id.b, t->session, sizeof(id.b));
	return d->c.revoked != NULL && revoked_has(d->c.revoked, &id);
}

static void count_said(struct delivery *d, struct http_exchange *x)
{
	struct cmcd c;
	const struct http_request *r = http_request(x);
	if (r->method != HTTP_GET)
		return;
	cmcd_read(r, http_arena(x), &c);
	delivery_add(&d->n.cmcd_requests, c.said);
	delivery_add(&d->n.cmcd_stalls, c.starved);
}

void delivery_handle(struct delivery *d, struct http_exchange *x)
{
	OBJ_CHECK(d, DELIVERY_MAGIC);
	const struct http_request *r = http_request(x);
	delivery_add(&d->n.requests, 1);
	if (r->method == HTTP_OPTIONS) {
		http_preflight(x, "GET, HEAD, OPTIONS");
		return;
	}
	if (r->method != HTTP_GET && r->method != HTTP_HEAD) {
		struct http_response refusal;
		media_refuse_method(&refusal);
		http_respond(x, &refusal);
		return;
	}
	if (delivery_loops(d, r) > 0) {
		refuse_loop(d, x);
		return;
	}
	struct media_path path;
	enum err e = media_path_parse(http_arena(x), r->path, &path);
	if (e != OK) {
		refuse_path(d, x, e);
		return;
	}
	struct token t;
	enum media_access access = media_authorize(
	    d->c.keys, media_tokens_of(d, x), &path, http_arena(x), d->c.now_wall_ms() / 1000, &t);
	if (access == MEDIA_ALLOWED && is_revoked(d, &t))
		access = MEDIA_TOKEN_REVOKED;
	if (access == MEDIA_ALLOWED) {
		count_said(d, x);
		serve(d, x, &t, &path);
	} else if (access == MEDIA_NO_MEMORY) {
		refuse_path(d, x, ERR_NO_MEMORY);
	} else {
		refuse_token(d, x, access);
	}
}
