#include "tests/bench/load/ev_viewer.h"

#include "base/obj.h"
#include "tests/bench/load/opened.h"
#include "tests/bench/load/playlist.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define VIEWER_MAGIC 0x6c766965u

enum {
	/* How often a viewer asks where to go on without having got a segment, and the pause before it tries the
	 * same node again, which doubles: 6 s in all, in which a cluster finds out who is dead. */
	MOVES_IN_A_ROW_MAX = 6,
	PAUSE_MS = 100,
	WINDOW_TEXT_MAX = PLAYLIST_WINDOW * URI_MAX,
};

enum viewer_phase { CREATING, ENTRY, VARIANT, MAP, SEGMENT, RESTING, ENDING };

struct viewer {
	unsigned magic;
	struct viewing *all;
	struct viewer *next, *prev;
	enum viewer_phase phase;
	size_t api;
	uint64_t due_ns; /* when the present step was to begin */
	char content[CONTENT_MAX + 1];
	struct opened opened; /* where it plays */
	bool is_open, playing;
	bool asked_where; /* the heartbeat under way is to say where to go on */
	bool move;        /* opened.uri is new: begin there again */
	bool redirected;  /* this request was, once */
	bool map_done;
	unsigned moves_in_a_row;
	struct client_request media, control;
	char key[64]; /* of the creation */
	ev_timer pace, beat;
	struct buf uri; /* of the request under way; of playlists the base of what they name */
	struct buf base;
	uint64_t next_number; /* of the segment to play next; UINT64_MAX: not yet known */
	/* The segments at hand. Their URIs lie behind each other in window_text. */
	struct buf window_text;
	struct {
		size_t at, n;
		uint32_t duration_ms;
	} window[PLAYLIST_WINDOW];
	size_t window_n, window_at;
	bool window_last; /* nothing follows it */
	uint32_t target_ms;
	uint64_t watched_ms;
};

static void play_from_entry(struct viewer *v);
static void media_next(struct viewer *v);

/* -- life -- */

static void viewer_free(struct viewer *v)
{
	struct viewing *all = v->all;
	client_cancel(&v->media);
	client_cancel(&v->control);
	ev_timer_stop(all->loop, &v->pace);
	ev_timer_stop(all->loop, &v->beat);
	client_request_fini(&v->media);
	client_request_fini(&v->control);
	if (v->is_open)
		opened_fini(&v->opened);
	buf_fini(&v->uri);
	buf_fini(&v->base);
	buf_fini(&v->window_text);
	*(v->prev != NULL ? &v->prev->next : &all->first) = v->next;
	if (v->next != NULL)
		v->next->prev = v->prev;
	all->counts->at_once--;
	OBJ_FREE(v);
}

static void leave(struct viewer *v)
{
	struct viewing *all = v->all;
	viewer_free(v);
	if (all->first == NULL)
		all->idle(all->arg);
}

static enum load_step step_of(enum viewer_phase p)
{
	return p == CREATING              ? STEP_CREATE
	       : p == ENDING              ? STEP_DELETE
	       : p == SEGMENT || p == MAP ? STEP_SEGMENT
	                                  : STEP_PLAYLIST;
}

/* How the answer fails what was asked; FAIL_NONE when it does not. */
static enum load_failure failure_in(const struct client_request *r, unsigned expected)
{
	if (r->failure != FAIL_NONE)
		return r->failure;
	return r->status == expected ? FAIL_NONE : FAIL_STATUS;
}

static void ask_api(struct viewer *v, const char *method, const char *verb)
{
	struct buf uri;
	buf_init(&uri, URI_MAX);
	buf_printf(&uri, "http://%s/v1/sessions", v->all->options->apis[v->api]);
	if (v->is_open)
		buf_printf(&uri, "/%s%s", v->opened.session, verb);
	v->control.method = method;
	v->control.has_body = strcmp(method, "POST") == 0;
	/* Of one that did not fit no URI is left, which the client refuses. */
	client_start(v->all->client, &v->control, buf_err(&uri) == OK ? buf_bytes(&uri) : BYTES_NONE);
	buf_fini(&uri);
}

/* Nothing more is played. */
static void finish(struct viewer *v)
{
	client_cancel(&v->media);
	client_cancel(&v->control);
	ev_timer_stop(v->all->loop, &v->pace);
	ev_timer_stop(v->all->loop, &v->beat);
	v->playing = false;
	if (!v->is_open || !v->all->options->ends) {
		leave(v);
		return;
	}
	v->phase = ENDING;
	buf_clear(&v->control.body);
	ask_api(v, "DELETE", "");
}

static void give_up(struct viewer *v)
{
	v->all->counts->gave_up++;
	finish(v);
}

/* -- where to go on -- */

static void heartbeat(struct viewer *v)
{
	if (client_busy(&v->control))
		return;
	buf_clear(&v->control.body);
	v->control.keep = true;
	v->all->counts->heartbeats++;
	ask_api(v, "POST", "/heartbeat");
}

static void on_beat(struct ev_loop *loop, ev_timer *w, int events)
{
	struct viewer *v = OBJ_CAST(struct viewer, VIEWER_MAGIC, w->data);
	(void)loop, (void)events;
	heartbeat(v);
}

/* Media failed: it was counted. */
static void media_failed(struct viewer *v)
{
	if (!v->all->options->heartbeats || v->moves_in_a_row == MOVES_IN_A_ROW_MAX) {
		give_up(v);
		return;
	}
	v->moves_in_a_row++;
	v->asked_where = true;
	v->phase = RESTING;
	heartbeat(v); /* one that is under way says it too */
}

static void rest(struct viewer *v, uint64_t until_ns)
{
	uint64_t now_ns = client_now_ns();
	v->phase = RESTING;
	ev_now_update(v->all->loop);
	ev_timer_set(&v->pace, now_ns < until_ns ? (double)(until_ns - now_ns) / 1e9 : 0, 0);
	ev_timer_start(v->all->loop, &v->pace);
}

static void on_heartbeat(struct viewer *v)
{
	struct counts *c = v->all->counts;
	struct opened now;
	enum load_failure f = failure_in(&v->control, 200);
	bool asked = v->asked_where;
	v->asked_where = false;
	if (f == FAIL_NONE && opened_parse(buf_bytes(&v->control.kept), &now) != OK)
		f = FAIL_MALFORMED;
	if (f != FAIL_NONE) {
		counts_fail(c, STEP_HEARTBEAT, f, v->control.status);
		if (asked)
			give_up(v);
		return;
	}
	bool moved = strcmp(now.node, v->opened.node) != 0;
	opened_fini(&v->opened);
	v->opened = now;
	c->moves += moved;
	v->move = v->move || moved || asked;
	if (asked && moved)
		play_from_entry(v);
	else if (asked)
		rest(v, client_now_ns() + ((UINT64_C(1000000) * PAUSE_MS) << (v->moves_in_a_row - 1)));
}

/* -- media -- */

static void get(struct viewer *v, enum viewer_phase phase, struct bytes base, struct bytes reference)
{
	v->phase = phase;
	v->redirected = false;
	if (uri_resolve(base, reference, &v->uri) != OK) {
		counts_fail(v->all->counts, step_of(phase), FAIL_MALFORMED, 0);
		give_up(v);
		return;
	}
	v->media.method = "GET";
	v->media.has_body = false;
	v->media.keep = phase == ENTRY || phase == VARIANT;
	client_start(v->all->client, &v->media, buf_bytes(&v->uri));
}

static void play_from_entry(struct viewer *v)
{
	struct bytes uri = bytes_str(v->opened.uri);
	v->move = false;
	v->window_n = v->window_at = 0;
	v->due_ns = client_now_ns();
	get(v, ENTRY, uri, uri);
}

static void on_pace(struct ev_loop *loop, ev_timer *w, int events)
{
	struct viewer *v = OBJ_CAST(struct viewer, VIEWER_MAGIC, w->data);
	(void)loop, (void)events;
	if (v->move)
		play_from_entry(v);
	else
		media_next(v);
}

/* Begins with the next segment, or looks for more of them, or ends. */
static void media_next(struct viewer *v)
{
	const struct options *o = v->all->options;
	struct bytes base = buf_bytes(&v->base);
	if (o->watch_s > 0 && (double)v->watched_ms >= o->watch_s * 1000) {
		v->all->counts->ended++;
		finish(v);
	} else if (v->window_at < v->window_n) {
		struct bytes uri = bytes_of(v->window_text.p + v->window[v->window_at].at, v->window[v->window_at].n);
		get(v, SEGMENT, base, uri);
	} else if (v->window_last) {
		v->all->counts->ended++;
		finish(v);
	} else {
		get(v, VARIANT, base, base);
	}
}

static uint64_t paced_ns(const struct viewer *v, uint32_t media_ms)
{
	return (uint64_t)((double)media_ms * 1e6 / v->all->options->pace);
}

static void on_segment(struct viewer *v)
{
	struct counts *c = v->all->counts;
	uint32_t ms = v->window[v->window_at].duration_ms;
	uint64_t next_ns = v->due_ns + paced_ns(v, ms);
	c->segments++;
	latency_add(&c->first_byte, (v->media.first_byte_ns - v->due_ns) / 1000);
	c->late_segments += v->media.done_ns > next_ns;
	v->moves_in_a_row = 0;
	v->window_at++;
	v->next_number++;
	v->watched_ms += ms;
	/* Who was late plays the next one when that is due, not all the missed ones at once. */
	v->due_ns = next_ns > v->media.done_ns ? next_ns : v->media.done_ns;
	rest(v, v->due_ns);
}

static void take_window(struct viewer *v, const struct playlist *p)
{
	buf_clear(&v->window_text);
	for (size_t i = 0; i < p->n; i++) {
		v->window[i].at = v->window_text.n;
		v->window[i].n = p->segments[i].uri.n;
		v->window[i].duration_ms = p->segments[i].duration_ms;
		buf_put_bytes(&v->window_text, p->segments[i].uri);
	}
	v->window_n = p->n;
	v->window_at = 0;
	v->window_last = p->ended && !p->more;
	v->next_number = p->first;
	v->target_ms = p->target_ms;
}

static void on_playlist(struct viewer *v)
{
	struct playlist p;
	struct buf text = v->media.kept; /* it leaves the request, which the next step starts again */
	buf_init(&v->media.kept, CLIENT_KEEP_MAX);
	v->all->counts->playlists++;
	enum err e = playlist_parse(buf_bytes(&text), v->next_number, &p);
	buf_clear(&v->base);
	buf_put_bytes(&v->base, buf_bytes(&v->uri));
	if (e != OK) {
		/* A manifest of another format: it is there, and more of it is not understood. */
		v->all->counts->ended++;
		finish(v);
	} else if (p.master && v->phase == ENTRY) {
		get(v, VARIANT, buf_bytes(&v->base), p.variant);
	} else if (p.master) {
		counts_fail(v->all->counts, STEP_PLAYLIST, FAIL_MALFORMED, 0);
		give_up(v);
	} else {
		take_window(v, &p);
		if (buf_err(&v->window_text) != OK) {
			counts_fail(v->all->counts, STEP_PLAYLIST, FAIL_TOO_BIG, 0);
			give_up(v);
		} else if (p.map.n > 0 && !v->map_done) {
			get(v, MAP, buf_bytes(&v->base), p.map);
		} else if (p.n == 0 && !p.ended) { /* live, and nothing new: half a target on (RFC 8216, 6.3.4) */
			v->due_ns = client_now_ns() + paced_ns(v, p.target_ms / 2);
			rest(v, v->due_ns);
		} else {
			v->due_ns = client_now_ns();
			media_next(v);
		}
	}
	buf_fini(&text);
}

static bool is_redirect(const struct client_request *r)
{
	return r->failure == FAIL_NONE &&
	       (r->status == 301 || r->status == 302 || r->status == 307 || r->status == 308);
}

/* Follows one; false when this answer is to be judged as it is. */
static bool follow(struct viewer *v)
{
	struct counts *c = v->all->counts;
	if (!is_redirect(&v->media))
		return false;
	c->redirects++;
	struct buf from = v->uri;
	buf_init(&v->uri, URI_MAX);
	enum load_failure f = v->redirected ? FAIL_REDIRECTS : FAIL_NONE;
	if (f == FAIL_NONE &&
	    (v->media.location.n == 0 || uri_resolve(buf_bytes(&from), v->media.location, &v->uri) != OK))
		f = FAIL_MALFORMED;
	buf_fini(&from);
	v->redirected = true;
	if (f == FAIL_NONE) {
		client_start(v->all->client, &v->media, buf_bytes(&v->uri));
	} else {
		counts_fail(c, step_of(v->phase), f, 0);
		media_failed(v);
	}
	return true;
}

static void on_media(struct client_request *r)
{
	struct viewer *v = OBJ_CAST(struct viewer, VIEWER_MAGIC, r->arg);
	v->all->counts->bytes += r->bytes;
	v->all->counts->asked_again += r->again;
	if (follow(v))
		return;
	enum load_failure f = failure_in(r, 200);
	if (f != FAIL_NONE) {
		counts_fail(v->all->counts, step_of(v->phase), f, r->status);
		media_failed(v);
		return;
	}
	switch (v->phase) {
	case SEGMENT: on_segment(v); break;
	case MAP:
		v->map_done = true;
		v->due_ns = client_now_ns();
		media_next(v);
		break;
	default: on_playlist(v); break;
	}
}

/* -- the session -- */

static void on_created(struct viewer *v)
{
	struct counts *c = v->all->counts;
	enum load_failure f = failure_in(&v->control, 201);
	if (f == FAIL_NONE && opened_parse(buf_bytes(&v->control.kept), &v->opened) != OK)
		f = FAIL_MALFORMED;
	if (f != FAIL_NONE) {
		counts_fail(c, STEP_CREATE, f, v->control.status);
		c->failed++;
		c->refused += f == FAIL_STATUS && v->control.status == 503;
		c->apis[v->api].failed++;
		leave(v);
		return;
	}
	v->is_open = true;
	c->created++;
	c->apis[v->api].created++;
	c->outcomes[v->opened.outcome]++;
	counts_node(c, bytes_str(v->opened.node));
	latency_add(&c->creation, (v->control.done_ns - v->due_ns) / 1000);
	if (v->all->options->pace == 0) {
		finish(v);
		return;
	}
	v->playing = true;
	if (v->all->options->heartbeats) {
		ev_timer_set(&v->beat, v->opened.heartbeat_s, v->opened.heartbeat_s);
		ev_timer_start(v->all->loop, &v->beat);
	}
	play_from_entry(v);
}

static void on_control(struct client_request *r)
{
	struct viewer *v = OBJ_CAST(struct viewer, VIEWER_MAGIC, r->arg);
	v->all->counts->asked_again += r->again;
	v->control.key = NULL;
	if (v->phase == CREATING) {
		on_created(v);
	} else if (v->phase == ENDING) {
		enum load_failure f = failure_in(r, 204);
		if (f != FAIL_NONE)
			counts_fail(v->all->counts, STEP_DELETE, f, r->status);
		else
			v->all->counts->deleted++;
		leave(v);
	} else {
		on_heartbeat(v);
	}
}

static struct viewer *viewer_new(struct viewing *all, const char *content, size_t api, uint64_t due_ns)
{
	struct viewer *v = OBJ_NEW(struct viewer, VIEWER_MAGIC);
	v->all = all;
	v->phase = CREATING;
	v->api = api;
	v->due_ns = due_ns;
	v->next_number = UINT64_MAX;
	memcpy(v->content, content, strlen(content) + 1);
	client_request_init(&v->media, on_media, v);
	client_request_init(&v->control, on_control, v);
	ev_timer_init(&v->pace, on_pace, 0, 0);
	ev_timer_init(&v->beat, on_beat, 0, 0);
	v->pace.data = v->beat.data = v;
	buf_init(&v->uri, URI_MAX);
	buf_init(&v->base, URI_MAX);
	buf_init(&v->window_text, WINDOW_TEXT_MAX);
	v->next = all->first;
	if (all->first != NULL)
		all->first->prev = v;
	all->first = v;
	return v;
}

void viewer_open(struct viewing *all, const char *content, size_t api, uint64_t due_ns)
{
	struct counts *c = all->counts;
	uint64_t now_ns = client_now_ns();
	c->scheduled++;
	c->apis[api].asked++;
	latency_add(&c->lag, now_ns > due_ns ? (now_ns - due_ns) / 1000 : 0);
	if (c->at_once == all->options->viewers_max) {
		counts_fail(c, STEP_CREATE, FAIL_VIEWERS, 0);
		c->failed++;
		c->apis[api].failed++;
		return;
	}
	c->at_once++;
	if (c->at_once > c->most_at_once)
		c->most_at_once = c->at_once;
	struct viewer *v = viewer_new(all, content, api, due_ns);
	opened_request(v->content, &v->control.body);
	v->control.keep = true;
	/* Of this run and this viewer alone. */
	(void)snprintf(v->key, sizeof(v->key), "load-%d-%" PRIu64, getpid(), c->scheduled);
	v->control.key = v->key;
	ask_api(v, "POST", "");
}

void viewers_cut_off(struct viewing *all)
{
	struct counts *c = all->counts;
	while (all->first != NULL) {
		struct viewer *v = all->first;
		if (v->playing)
			c->cut_off++;
		else if (v->phase == CREATING) {
			counts_fail(c, STEP_CREATE, FAIL_TIMEOUT, 0);
			c->failed++;
			c->apis[v->api].failed++;
		}
		viewer_free(v);
	}
}
