#include "node/api/ev_steering.h"

#include "node/api/ev_revoke.h"
#include "node/api/steering.h"
#include "node/http/ev_server.h"

/* The session's token, verified; false when it was answered. 410 tells players not to ask again. */
static bool take_token(struct api *api, struct http_exchange *x, struct bytes text, struct token *t)
{
	enum err e = token_verify(api->c.keys, text, TOKEN_PLAYBACK, http_arena(x), t);
	if (e == ERR_NO_MEMORY) {
		http_problem(x, 503, "unavailable", err_str(e), 1);
		return false;
	}
	if (e != OK) {
		http_problem(x, 404, "no-such-session", "That is no token of a session of this cluster.", 0);
		return false;
	}
	if (token_check(t, api->c.now_wall_ms() / 1000) == OK && !session_is_revoked(api, t))
		return true;
	http_problem(x, 410, "session-ended", "That session has ended.", 0);
	return false;
}

static void answer(struct api *api, struct api_worker *w, struct http_exchange *x, const struct token *t)
{
	struct place p;
	struct steering_request r = steering_read(http_request(x)->query);
	enum err e = place_decide(api, w, t->origin, t->content, BYTES_NONE, http_arena(x), &p);
	struct buf *text = &w->writer.text;
	buf_clear(text);
	text->max = STEERING_TEXT_MAX;
	if (e == OK)
		e = steering_write(&p, &t->node, bytes_of(t->session, sizeof(t->session)), &r, text);
	if (e != OK) {
		http_problem(x, 503, "unavailable", err_str(e), 1);
		return;
	}
	atomic_fetch_add_explicit(&api->count.steered, 1, memory_order_relaxed);
	struct http_response out = { .status = 200 };
	http_add(&out, "Content-Type", BYTES_LIT("application/vnd.apple.steering-list"));
	http_add(&out, "Cache-Control", BYTES_LIT("no-store"));
	http_add_cors(&out);
	out.parts[0] = (struct http_part){ .kind = HTTP_PART_BYTES, .bytes = buf_bytes(text) };
	out.parts_n = 1;
	http_respond(x, &out);
}

void steering_handle(struct api *api, struct api_worker *w, struct http_exchange *x, struct bytes token)
{
	struct token t;
	enum http_method m = http_request(x)->method;
	if (m == HTTP_OPTIONS)
		http_preflight(x, "GET, HEAD, OPTIONS");
	else if (m != HTTP_GET && m != HTTP_HEAD)
		http_problem_with(x, 405, "method", "Steering lists are fetched with GET.",
		    &(struct http_field){ "Allow", BYTES_LIT("GET, HEAD, OPTIONS") });
	else if (take_token(api, x, token, &t))
		answer(api, w, x, &t);
}
