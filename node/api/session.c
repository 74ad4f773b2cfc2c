#include "node/api/session.h"

#include "node/http/path.h"
#include "node/json_text.h"
#include "node/rfc3339.h"

/* The playback token of a session: opens its content on every node until not_after (D3). */
static enum err sign_playback(
    const struct api *api, const struct token *handle, uint64_t now_s, struct arena *a, struct bytes *text)
{
	const struct config *c = api->c.config;
	struct token t = *handle;
	t.kind = TOKEN_PLAYBACK;
	t.issued_by = *api->c.self;
	t.issued_at_s = now_s;
	t.entry = BYTES_NONE;
	t.start_by_s = now_s + c->start_within_ms / 1000;
	t.renew_after_s = now_s + c->renew_after_ms / 1000;
	return token_sign(api->c.keys, &t, a, text);
}

/* What all URIs of a session share, behind the node's own part. */
static struct bytes uri_path(struct arena *a, struct bytes token, struct bytes content, struct bytes entry)
{
	struct buf out;
	buf_init(&out, SESSION_TEXT_MAX);
	buf_put_str(&out, "/p/");
	buf_put_bytes(&out, token);
	buf_put_u8(&out, '/');
	http_path_encode(&out, content);
	buf_put_u8(&out, '/');
	http_path_encode(&out, entry);
	struct bytes path = buf_err(&out) == OK ? arena_dup(a, buf_bytes(&out)) : BYTES_NONE;
	buf_fini(&out);
	return path;
}

/* URLs of nodes, tokens and encoded paths need no escape in JSON. */
static void put_json_uri(struct buf *out, const struct place_node *n, struct bytes path)
{
	buf_put_u8(out, '"');
	buf_put_bytes(out, n->url);
	buf_put_bytes(out, path);
	buf_put_u8(out, '"');
}

#define PUT_LITERAL(out, literal) buf_put((out), (literal), sizeof(literal) - 1)

static const char *outcome_now(const struct place *p, size_t at)
{
	const struct assign_result *d = &p->decision;
	if (d->outcome != ASSIGN_REFUSED && d->node == at)
		return assign_outcome_str(d->outcome);
	return assign_outcome_str(p->nodes[at].holder ? ASSIGN_WARM : ASSIGN_COLD);
}

static void put_number(struct buf *out, uint64_t n)
{
	char digits[20];
	size_t at = sizeof(digits);
	do
		digits[--at] = (char)('0' + n % 10);
	while ((n /= 10) > 0);
	buf_put(out, digits + at, sizeof(digits) - at);
}

enum err session_json(const struct api *api, const struct token *t, struct bytes handle,
    const struct place *p, size_t at, uint64_t now_s, struct arena *a, struct buf *out)
{
	struct bytes token;
	enum err e = sign_playback(api, t, now_s, a, &token);
	if (e != OK)
		return e;
	char not_after[RFC3339_SECONDS_LEN + 1];
	rfc3339_seconds(not_after, t->not_after_s);
	struct bytes entry = t->entry;
	if (entry.n == 0)
		entry = p->entry.n > 0 ? p->entry : BYTES_LIT("master.m3u8");

	struct bytes path = uri_path(a, token, t->content, entry);
	if (path.p == NULL)
		return ERR_NO_MEMORY;

	PUT_LITERAL(out, "{\"session\":\"");
	buf_put_bytes(out, handle); /* base64url */
	PUT_LITERAL(out, "\",\"content\":");
	json_put_string(out, t->content);
	PUT_LITERAL(out, ",\"node\":");
	json_put_string(out, p->nodes[at].name);
	PUT_LITERAL(out, ",\"outcome\":\"");
	buf_put_str(out, outcome_now(p, at));
	PUT_LITERAL(out, "\",\"uri\":");
	put_json_uri(out, &p->nodes[at], path);
	PUT_LITERAL(out, ",\"alternates\":[");
	for (size_t i = 0, n = 0; i < p->decision.usable_n && n < SESSION_ALTERNATES; i++) {
		uint32_t other = p->decision.candidates[i].node;
		if (other == at)
			continue;
		if (n++ > 0)
			buf_put_u8(out, ',');
		put_json_uri(out, &p->nodes[other], path);
	}
	PUT_LITERAL(out, "],\"not_after\":\"");
	buf_put(out, not_after, RFC3339_SECONDS_LEN);
	/* A third of the lifetime: two may be lost. */
	uint64_t heartbeat_s = api->c.config->idle_timeout_ms / 3000;
	PUT_LITERAL(out, "\",\"heartbeat_s\":");
	put_number(out, heartbeat_s > 0 ? heartbeat_s : 1);
	buf_put_u8(out, '}');
	return buf_err(out);
}
