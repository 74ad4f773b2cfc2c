#include "node/api/session.h"

#include "node/http/path.h"
#include "node/json_text.h"

#include <string.h>

void session_begin(const struct api *api, uint64_t now_s, struct token *t)
{
	const struct config *c = api->c.config;
	t->issued_by = *api->c.self;
	t->issued_at_s = now_s;
	t->start_by_s = now_s + c->start_within_ms / 1000;
	t->renew_after_s = now_s + c->renew_after_ms / 1000;
}

enum err session_playback(const struct api *api, const struct token *handle, uint64_t now_s, struct arena *a,
    struct bytes *playback)
{
	struct token t = *handle;
	session_begin(api, now_s, &t);
	t.kind = TOKEN_PLAYBACK;
	return token_sign(api->c.keys, &t, a, playback);
}

/* What all URIs of a session share, behind the node's own part. */
static void put_path(struct buf *out, struct bytes token, struct bytes content, struct bytes entry)
{
	buf_put_str(out, "/p/");
	buf_put_bytes(out, token);
	buf_put_u8(out, '/');
	http_path_encode(out, content);
	buf_put_u8(out, '/');
	http_path_encode(out, entry);
}

#define PUT_LITERAL(out, literal) buf_put((out), (literal), sizeof(literal) - 1)

static const char *outcome_now(const struct place *p, size_t at)
{
	const struct assign_result *d = &p->decision;
	if (d->outcome != ASSIGN_REFUSED && d->node == at)
		return assign_outcome_str(d->outcome);
	return assign_outcome_str(p->nodes[at].holder ? ASSIGN_WARM : ASSIGN_COLD);
}

/* What stands in the buffer already, once more. */
static void put_again(struct buf *out, size_t at, size_t n)
{
	if (buf_err(out) != OK || !buf_reserve(out, n))
		return;
	memcpy(out->p + out->n, out->p + at, n);
	out->n += n;
}

static void put_alternates(struct buf *out, const struct place *p, size_t at, size_t path_at, size_t path_n)
{
	for (size_t i = 0, n = 0; i < p->decision.usable_n && n < SESSION_ALTERNATES; i++) {
		uint32_t other = p->decision.candidates[i].node;
		if (other == at)
			continue;
		if (n++ > 0)
			buf_put_u8(out, ',');
		buf_put_u8(out, '"');
		buf_put_bytes(out, p->nodes[other].url);
		put_again(out, path_at, path_n);
		buf_put_u8(out, '"');
	}
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

static void put_not_after(struct session_writer *w, uint64_t not_after_s)
{
	if (w->not_after_s != not_after_s)
		rfc3339_seconds(w->not_after, not_after_s);
	w->not_after_s = not_after_s;
	buf_put(&w->text, w->not_after, RFC3339_SECONDS_LEN);
}

static struct bytes entry_of(const struct token *t, const struct place *p)
{
	if (t->entry.n > 0)
		return t->entry;
	return p->entry.n > 0 ? p->entry : BYTES_LIT("master.m3u8");
}

enum err session_json(const struct api *api, struct session_writer *w, const struct token *t,
    const struct session_tokens *tokens, const struct place *p, size_t at, struct bytes *json)
{
	struct buf *out = &w->text;
	buf_clear(out);
	out->max = SESSION_TEXT_MAX;
	PUT_LITERAL(out, "{\"session\":\"");
	buf_put_bytes(out, tokens->handle); /* base64url */
	PUT_LITERAL(out, "\",\"content\":");
	json_put_string(out, t->content);
	PUT_LITERAL(out, ",\"node\":");
	json_put_string(out, p->nodes[at].name);
	PUT_LITERAL(out, ",\"outcome\":\"");
	buf_put_str(out, outcome_now(p, at));
	/* URLs of nodes, tokens and encoded paths need no escape in JSON. */
	PUT_LITERAL(out, "\",\"uri\":\"");
	buf_put_bytes(out, p->nodes[at].url);
	size_t path_at = out->n;
	put_path(out, tokens->playback, t->content, entry_of(t, p));
	size_t path_n = out->n - path_at;
	PUT_LITERAL(out, "\",\"alternates\":[");
	put_alternates(out, p, at, path_at, path_n);
	PUT_LITERAL(out, "],\"not_after\":\"");
	put_not_after(w, t->not_after_s);
	/* A third of the lifetime: two may be lost. */
	uint64_t heartbeat_s = api->c.config->idle_timeout_ms / 3000;
	PUT_LITERAL(out, "\",\"heartbeat_s\":");
	put_number(out, heartbeat_s > 0 ? heartbeat_s : 1);
	buf_put_u8(out, '}');
	if (buf_err(out) == OK)
		*json = buf_bytes(out);
	return buf_err(out);
}
