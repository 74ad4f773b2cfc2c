#include "node/api/session.h"

#include "node/http/path.h"
#include "node/json_text.h"
#include "node/rfc3339.h"

#include <inttypes.h>

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

static void put_uri(
    struct buf *out, const struct place_node *n, struct bytes token, struct bytes content, struct bytes entry)
{
	buf_put_bytes(out, n->url);
	buf_put_str(out, "/p/");
	buf_put_bytes(out, token);
	buf_put_u8(out, '/');
	http_path_encode(out, content);
	buf_put_u8(out, '/');
	http_path_encode(out, entry);
}

static void put_json_uri(struct buf *out, const struct place_node *n, struct bytes token,
    const struct token *t, struct bytes entry)
{
	/* URLs of nodes, tokens and encoded paths need no escape in JSON. */
	buf_put_u8(out, '"');
	put_uri(out, n, token, t->content, entry);
	buf_put_u8(out, '"');
}

static void put_text(struct buf *out, const char *key, struct bytes value)
{
	json_put_key(out, key);
	json_put_string(out, value);
}

static const char *outcome_now(const struct place *p, size_t at)
{
	const struct assign_result *d = &p->decision;
	if (d->outcome != ASSIGN_REFUSED && d->node == at)
		return assign_outcome_str(d->outcome);
	return assign_outcome_str(p->nodes[at].holder ? ASSIGN_WARM : ASSIGN_COLD);
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

	buf_put_u8(out, '{');
	put_text(out, "session", handle);
	put_text(out, "content", t->content);
	put_text(out, "node", p->nodes[at].name);
	put_text(out, "outcome", bytes_str(outcome_now(p, at)));
	json_put_key(out, "uri");
	put_json_uri(out, &p->nodes[at], token, t, entry);
	json_put_key(out, "alternates");
	buf_put_u8(out, '[');
	for (size_t i = 0, n = 0; i < p->decision.usable_n && n < SESSION_ALTERNATES; i++) {
		uint32_t other = p->decision.candidates[i].node;
		if (other == at)
			continue;
		json_put_next(out);
		put_json_uri(out, &p->nodes[other], token, t, entry);
		n++;
	}
	buf_put_u8(out, ']');
	put_text(out, "not_after", bytes_str(not_after));
	json_put_key(out, "heartbeat_s");
	/* A third of the lifetime: two may be lost. */
	uint64_t heartbeat_s = api->c.config->idle_timeout_ms / 3000;
	buf_printf(out, "%" PRIu64 "}", heartbeat_s > 0 ? heartbeat_s : 1);
	return buf_err(out);
}
