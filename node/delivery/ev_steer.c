/* What a session starts with, an HLS multivariant playlist or an MPD, with the pathways of the session (D8).
 *
 * It is rendered out of a worker's memory for each answer, and nobody keeps the answer. Ranges and conditions
 * of the request are passed over: they would be of another text.
 */
#include "node/delivery/ev_job.h"

#include "node/delivery/hot.h"
#include "node/delivery/respond.h"
#include "node/http/ev_server.h"
#include "node/playlist/pathways.h"

enum { RENDERED_MAX_BYTES = 4 * HOT_OBJECT_MAX_BYTES };

bool media_is_entry(const struct delivery *d, const struct token *t, struct bytes object)
{
	if (d->c.pathways == NULL || object.n <= t->content.n + 1 || !bytes_starts_with(object, t->content) ||
	    object.p[t->content.n] != '/')
		return false;
	struct bytes name = bytes_from(object, t->content.n + 1);
	if (t->entry.n > 0)
		return bytes_eq(name, t->entry);
	for (unsigned i = 0; i < MEDIA_ENTRIES; i++)
		if (bytes_eq(name, bytes_str(media_entries[i])))
			return true;
	return false;
}

/* Nothing that would end a quoted string or an attribute. */
static bool is_plain(struct bytes s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] == '"' || s.p[i] == '\'' || s.p[i] == '<' || s.p[i] == '>' ||
		    s.p[i] == '&')
			return false;
	return true;
}

/* "/p/TOKEN/CONTENT/folder/" of a request's path. */
static struct bytes folder_of(struct bytes path)
{
	size_t n = path.n;
	while (n > 0 && path.p[n - 1] != '/')
		n--;
	return bytes_head(path, n);
}

/* TOKEN of "/p/TOKEN/...". */
static struct bytes token_of(struct bytes path)
{
	struct bytes rest = bytes_from(path, path.n < 3 ? path.n : 3);
	return bytes_head(rest, bytes_index(rest, '/'));
}

/* Empty: the arena is full. */
static struct bytes text_or_none(const char *text)
{
	return text == NULL ? BYTES_NONE : bytes_str(text);
}

static struct bytes join(struct arena *a, struct bytes url, struct bytes path)
{
	return text_or_none(
	    arena_printf(a, "%.*s%.*s", (int)url.n, (const char *)url.p, (int)path.n, (const char *)path.p));
}

static struct bytes steering_uri(
    struct arena *a, const struct delivery_pathways *known, struct bytes token, struct bytes other)
{
	return text_or_none(arena_printf(a, "%.*s/v1/steering/%.*s?own=%.*s&other=%.*s", (int)known->api_url.n,
	    (const char *)known->api_url.p, (int)token.n, (const char *)token.p, (int)known->own.n,
	    (const char *)known->own.p, (int)other.n, (const char *)other.p));
}

/* False: this session has no pathways, or a name that cannot be one. */
static bool pathways_of(struct delivery *d, struct http_exchange *x, struct hot *h, struct bytes content,
    const struct rpc_session_id *id, struct pathways *out)
{
	struct delivery_session s = { .origin = h->origin, .content = content, .id = *id };
	struct delivery_pathways known = { 0 };
	struct bytes path = http_request(x)->path, folder = folder_of(path);
	struct arena *a = http_arena(x);
	if (!is_plain(folder) || !d->c.pathways(d->c.ctx, x, &s, &known) || !pathway_name_ok(known.own) ||
	    !is_plain(known.own_url) || !is_plain(known.api_url) || !is_plain(known.other_url))
		return false;
	*out = (struct pathways){ .own = known.own, .own_base = join(a, known.own_url, folder) };
	if (known.other.n > 0 && pathway_name_ok(known.other)) {
		out->other = known.other;
		out->other_base = join(a, known.other_url, folder);
	}
	out->steering = steering_uri(a, &known, token_of(path), out->other);
	return out->own_base.n > 0 && out->steering.n > 0 && (out->other.n == 0 || out->other_base.n > 0);
}

/* Lives in the exchange's arena. */
struct steer_send {
	struct delivery *d;
	struct rpc_session_id session;
};

static void on_sent(void *arg, const struct http_end *end)
{
	struct steer_send *s = arg;
	media_account_hit(s->d, &s->session, end->body_bytes_sent);
}

static bool send(struct delivery *d, struct http_exchange *x, const struct media_facts *f, struct bytes text,
    const struct rpc_session_id *session)
{
	struct steer_send *sent = arena_alloc(http_arena(x), sizeof(*sent));
	struct http_response r;
	if (sent == NULL || media_respond_rendered(f, http_arena(x), &r) != OK)
		return false;
	*sent = (struct steer_send){ .d = d, .session = *session };
	r.parts[r.parts_n++] = (struct http_part){ .kind = HTTP_PART_BYTES, .bytes = text };
	r.done = on_sent;
	r.done_arg = sent;
	delivery_add(&d->n.hits, 1);
	delivery_add(&d->n.rendered, 1);
	http_respond(x, &r);
	return true;
}

bool media_steer_answer(struct delivery *d, struct http_exchange *x, struct hot *h, enum media_source source,
    struct bytes content, const struct rpc_session_id *session)
{
	struct media_facts facts = { .meta = &h->meta, .object = h->object, .source = source };
	struct pathways p;
	struct buf text;
	struct bytes body = h->body[HOT_IDENTITY];
	/* A media playlist is asked for again and again: nobody is decided about for it. */
	if (!pathways_fit(body) || !pathways_of(d, x, h, content, session, &p))
		return false;
	buf_init(&text, RENDERED_MAX_BYTES);
	enum err e = pathways_into_hls(body, &p, &text);
	if (e == ERR_NOT_FOUND) {
		p.steering = join(http_arena(x), p.steering, BYTES_LIT("&dash"));
		e = p.steering.n > 0 ? pathways_into_mpd(body, &p, &text) : ERR_NO_MEMORY;
	}
	bool sent = e == OK && send(d, x, &facts, buf_bytes(&text), session);
	buf_fini(&text);
	return sent;
}
