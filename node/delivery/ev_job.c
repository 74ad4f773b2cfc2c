#include "node/delivery/ev_job.h"

#include "node/delivery/ev_media_job.h"
#include "node/delivery/hot.h"
#include "node/delivery/respond.h"
#include "node/http/ev_server.h"
#include "node/origin/freshness.h"

#include <string.h>

enum { TURNS_MAX = 4 };

static struct cache_key key_of(const struct media_job *j)
{
	return (struct cache_key){ .origin = bytes_str(j->origin->name), .object = j->object };
}

/* -- ends of a job -- */

static void drop_answer(struct media_job *j)
{
	struct fill_answer *a = &j->waiter.answer;
	if (a->outcome == FILL_HIT)
		cache_release(j->d->c.cache, a->unit);
	if (a->outcome == FILL_GROWING)
		growing_unref(a->growing);
}

static void orphan_end(struct orphan *o)
{
	struct media_job *j = CONTAINER_OF(o, struct media_job, orphan);
	drop_answer(j);
	OBJ_FREE(j);
}

/* Nobody waits for it any more. */
static void job_end(struct media_job *j)
{
	j->x = NULL;
	growing_unref(j->awaited);
	j->awaited = NULL;
	if (body_end(j))
		orphans_add(&j->d->orphans, &j->orphan, orphan_end);
	else
		OBJ_FREE(j);
}

static void job_problem(struct media_job *j, const char *type, const char *detail)
{
	struct http_exchange *x = j->x;
	job_end(j);
	http_problem(x, 404, type, detail, 0);
}

/* An answer that cannot be built is no answer: the viewer fails over at once (D1). */
static void job_reset(struct media_job *j)
{
	struct http_exchange *x = j->x;
	delivery_add(&j->d->n.failed, 1);
	job_end(j);
	http_reset(x);
}

static void on_sent(void *arg, const struct http_end *end)
{
	struct media_job *j = OBJ_CAST(struct media_job, JOB_MAGIC, arg);
	struct delivery *d = j->d;
	if (j->has_body) {
		uint64_t sent = end->body_bytes_sent, filled = j->body.filled < sent ? j->body.filled : sent;
		uint64_t now_ms = d->c.now_mono_ms();
		delivery_add(&d->n.bytes, sent);
		delivery_add(&d->n.hit_bytes, sent - filled);
		sessions_account(d->c.sessions, &j->session, sent - filled, true, now_ms);
		if (filled > 0)
			sessions_account(d->c.sessions, &j->session, filled, false, now_ms);
	} else {
		sessions_account(d->c.sessions, &j->session, 0, true, d->c.now_mono_ms());
	}
	/* What could not be read before it was sent lies in memory now. */
	if (j->hold_later && end->body_bytes_sent == j->body.now.unit->meta->length) {
		struct cache_key key = key_of(j);
		(void)media_hot_admit(d, j->worker, &key, j->body.now.unit, NULL);
	}
	job_end(j);
}

void media_send_redirect(struct http_exchange *x, const char *location)
{
	struct http_response r;
	media_redirect(&r, location);
	http_respond(x, &r);
}

/* -- answers -- */

static void look(struct media_job *j);
static void answer_hit(struct media_job *j, struct cache_unit *unit, enum media_source source);

/* The bytes that are asked for begin in another slice than was thought: what the object's length tells.
 * False: that was said too often of an object that does not stay the same. */
static bool look_for(struct media_job *j, uint64_t offset)
{
	j->slice = slice_at(offset);
	j->was_stale = false;
	if (++j->turns == TURNS_MAX)
		return false;
	look(j);
	return true;
}

/* Who fetches ahead hears of what a viewer plays and was not here; what was fetched ahead is no merit of the
 * cache's, though he finds it there. */
static void tell_played(struct media_job *j, const struct http_selection *s, bool hit)
{
	const struct delivery_hooks *h = &j->d->hooks;
	const struct http_request *r = http_request(j->x);
	if (!atomic_load(&j->d->hooked) || r->method != HTTP_GET || (s->status != 200 && s->status != 206) ||
	    freshness_class(j->d->c.config, j->object) != CLASS_SEGMENT)
		return;
	bool ahead = h->was_ahead(h->ctx, bytes_str(j->origin->name), j->object);
	delivery_add(&j->d->n.hits_ahead, ahead && hit);
	if (hit && !ahead)
		return;
	struct delivery_played played = {
		.origin = j->origin, .session = j->session, .content = j->content, .object = j->object
	};
	cmcd_read(r, http_arena(j->x), &played.cmcd);
	h->played(h->ctx, &played);
}

static void send_answer(struct media_job *j, const struct cache_meta *meta, const struct http_selection *s,
    struct body_source *from, struct http_response *r)
{
	j->answered = true;
	j->has_body = s->status == 200 || s->status == 206;
	if (j->has_body && s->length > 0)
		body_begin(j, meta, s, from, r);
	else
		j->body.now = *from;
	r->pace_bytes_per_s = j->pace_bytes_per_s;
	r->done = on_sent;
	r->done_arg = j;
	http_respond(j->x, r);
}

/* Answers with the bytes of `from`, which it takes, as far as they are asked for. */
static void answer(struct media_job *j, const struct cache_meta *meta, enum media_source source,
    bool collapsed, struct body_source from)
{
	struct delivery *d = j->d;
	struct http_exchange *x = j->x;
	struct media_facts facts = {
		.meta = meta,
		.object = j->object,
		.now_wall_ms = d->c.now_wall_ms(),
		.source = source,
		.collapsed = collapsed,
		.from_peer = j->from_peer,
		.varies = freshness_class(d->c.config, j->object) == CLASS_PLAYLIST,
	};
	struct http_selection s;
	struct http_response r;
	bool built = media_respond(http_request(x), &facts, http_arena(x), &s, &r) == OK;
	bool there = built && (s.length == 0 || (from.start <= s.first && s.first < from.end));
	if (!there) {
		body_source_end(d, &from);
		if (!built || !look_for(j, s.first))
			job_reset(j);
		return;
	}
	bool hit = source == MEDIA_HIT || source == MEDIA_CONFIRMED; /* the bytes were here */
	delivery_add(hit ? &d->n.hits : &d->n.misses, 1);
	delivery_add(&d->n.collapsed, collapsed);
	tell_played(j, &s, hit);
	send_answer(j, meta, &s, &from, &r);
}

static void answer_unit(
    struct media_job *j, struct cache_unit *unit, enum media_source source, bool collapsed)
{
	struct cache_meta meta = *unit->meta;
	answer(j, &meta, source, collapsed, body_source_of(&meta, j->slice, unit, NULL));
}

static void answer_growing(struct media_job *j, const struct fill_answer *a)
{
	struct cache_meta meta = a->meta;
	j->from_peer = a->from_peer;
	answer(j, &meta, j->was_stale ? MEDIA_RENEWED : MEDIA_FILLED, a->collapsed,
	    body_source_of(&meta, j->slice, NULL, a->growing));
}

/* The content has no first entry, but the one that was looked for in its place: in the same folder. */
static void answer_entry(struct media_job *j)
{
	struct http_exchange *x = j->x;
	const char *name = media_entries[j->entry];
	job_end(j);
	media_send_redirect(x, name);
}

/* -- cache and fill -- */

/* The next name to enter by, when it was the first that does not exist. */
static bool try_next_entry(struct media_job *j)
{
	bool first = j->entry == 0 && media_is_first_entry(j->content, j->object);
	if ((!first && j->entry == 0) || j->entry + 1 == MEDIA_ENTRIES)
		return false;
	struct bytes object = bytes_str(arena_printf(http_arena(j->x), "%.*s/%s", (int)j->content.n,
	    (const char *)j->content.p, media_entries[j->entry + 1]));
	if (object.n == 0)
		return false;
	j->entry++;
	j->object = object;
	j->was_stale = false;
	look(j);
	return true;
}

/* -- what is to be rendered is waited for -- */

static void on_length(struct letter *l)
{
	struct growing_waiter *waiter = CONTAINER_OF(l, struct growing_waiter, letter);
	struct media_job *j = CONTAINER_OF(waiter, struct media_job, at_length);
	OBJ_CHECK(j, JOB_MAGIC);
	if (growing_look(j->awaited).state == GROWING_OPEN) {
		growing_wait(j->awaited, &j->at_length, j->await_bytes);
		return;
	}
	http_on_gone(j->x, NULL, NULL);
	look(j);
}

static void on_gone_while_awaiting(void *arg)
{
	struct media_job *j = OBJ_CAST(struct media_job, JOB_MAGIC, arg);
	growing_forget(j->awaited, &j->at_length);
	mailbox_withdraw(j->waiter.mailbox, &j->at_length.letter);
	job_end(j);
}

/* A playlist is short: it is looked for again when all of it is here. Takes the answer's reference; false: no
 * wait is worth it. */
static bool await_whole(struct media_job *j, const struct fill_answer *a)
{
	if (!j->steered || j->was_awaited || a->meta.total != 0 || a->meta.length > HOT_OBJECT_MAX_BYTES)
		return false;
	j->was_awaited = true;
	j->awaited = a->growing;
	j->await_bytes = a->meta.length; /* nothing is published past that: at its end */
	j->at_length = (struct growing_waiter){ .mailbox = j->waiter.mailbox };
	j->at_length.letter.deliver = on_length;
	http_on_gone(j->x, on_gone_while_awaiting, j);
	growing_wait(j->awaited, &j->at_length, j->await_bytes);
	return true;
}

static void on_answer(struct letter *l)
{
	struct media_job *j = CONTAINER_OF(l, struct media_job, waiter.letter);
	OBJ_CHECK(j, JOB_MAGIC);
	const struct fill_answer *a = &j->waiter.answer;
	if (j->x == NULL) {
		orphans_end(&j->d->orphans, &j->orphan);
		return;
	}
	if (j->answered) {
		body_on_answer(j);
		return;
	}
	http_on_gone(j->x, NULL, NULL);
	bool found = a->outcome == FILL_HIT || a->outcome == FILL_GROWING;
	if (found && j->entry != 0) {
		drop_answer(j);
		answer_entry(j);
		return;
	}
	switch (a->outcome) {
	case FILL_HIT:
		/* The old one serves on, or it came in since the first look. */
		if (j->steered)
			answer_hit(j, a->unit, j->was_stale ? MEDIA_CONFIRMED : MEDIA_HIT);
		else if (j->was_stale)
			answer_unit(j, a->unit, MEDIA_CONFIRMED, a->collapsed);
		else
			answer_unit(j, a->unit, MEDIA_HIT, false);
		break;
	case FILL_GROWING:
		if (!await_whole(j, a))
			answer_growing(j, a);
		break;
	case FILL_NO_SLICE:
		if (!look_for(j, 0))
			job_reset(j);
		break;
	case FILL_NOT_FOUND:
		if (try_next_entry(j))
			break;
		delivery_add(&j->d->n.not_found, 1);
		job_problem(j, "not-found", "The origin store has no such object.");
		break;
	case FILL_PENDING: /* no viewer is told so */
	case FILL_FAILED:
		/* Never 503: players wait tens of seconds before they fail over from that (D1). */
		delivery_add(&j->d->n.failed, 1);
		job_problem(j, "origin-unavailable", "The object could not be fetched from the origin store.");
		break;
	}
}

static void on_gone(void *arg)
{
	struct media_job *j = OBJ_CAST(struct media_job, JOB_MAGIC, arg);
	j->x = NULL;
	if (fill_forget(j->d->c.fills, &j->waiter))
		OBJ_FREE(j);
	else
		orphans_add(&j->d->orphans, &j->orphan, orphan_end);
}

static void want(struct media_job *j)
{
	http_on_gone(j->x, on_gone, j);
	fill_want_slice(j->d->c.fills, j->origin, j->content, j->object, j->slice, NULL, &j->waiter);
}

/* The first slice tells how long the object is: of one that ends before the bytes that are asked for no more
 * has to be known. NULL: it is not here, or they are in it. */
static struct cache_unit *look_past_end(struct media_job *j)
{
	struct cache *c = j->d->c.cache;
	struct cache_key first = { bytes_str(j->origin->name), j->object, 1 };
	struct cache_unit *unit = j->slice > 1 ? cache_look(c, &first) : NULL;
	if (unit == NULL || slice_start(j->slice) >= cache_object_bytes(unit->meta))
		return unit;
	cache_release(c, unit);
	return NULL;
}

static void on_found(void *arg, struct cache_unit *unit);
static void on_gone_while_looking(void *arg);

/* What is to be rendered has to be in memory. Takes the unit; false: that cannot be done aside. */
static bool read_first(struct media_job *j, const struct cache_key *key, struct cache_unit *unit)
{
	if (j->was_read)
		return false;
	j->was_read = true;
	j->look = media_read_aside(j->d, j->x, key, unit, on_found, j);
	if (j->look == NULL)
		return false;
	http_on_gone(j->x, on_gone_while_looking, j);
	cache_release(j->d->c.cache, unit);
	return true;
}

/* A fresh unit: a copy in memory answers where there can be one. */
static void answer_hit(struct media_job *j, struct cache_unit *unit, enum media_source source)
{
	struct delivery *d = j->d;
	struct cache_key key = key_of(j);
	struct hot *h = NULL;
	if (unit->meta->total == 0)
		h = media_hot_admit(d, j->worker, &key, unit, &j->hold_later);
	if (h == NULL && j->steered && j->hold_later && read_first(j, &key, unit))
		return;
	if (h != NULL && j->steered && media_steer_answer(d, j->x, h, source, j->content, &j->session)) {
		cache_release(d->c.cache, unit);
		job_end(j);
		return;
	}
	if (h == NULL || source != MEDIA_HIT) {
		answer_unit(j, unit, source, false);
		return;
	}
	struct http_exchange *x = j->x;
	struct rpc_session_id session = j->session;
	cache_release(d->c.cache, unit);
	job_end(j);
	media_hot_answer(d, x, h, &session);
}

/* The cache has said what it has. */
static void looked(struct media_job *j, struct cache_unit *unit)
{
	struct delivery *d = j->d;
	if (unit == NULL && (unit = look_past_end(j)) != NULL)
		j->slice = 1;
	bool fresh = unit != NULL && freshness_holds(unit->meta, d->c.now_wall_ms());
	if (!fresh && j->awaited != NULL) { /* no disk took it, or it is stale already: not fetched anew */
		cache_release(d->c.cache, unit);
		j->waiter.answer.growing = j->awaited;
		j->awaited = NULL;
		answer_growing(j, &j->waiter.answer);
	} else if (unit == NULL) {
		want(j);
	} else if (!fresh) {
		cache_release(d->c.cache, unit);
		j->was_stale = true;
		want(j);
	} else if (j->entry != 0) {
		cache_release(d->c.cache, unit);
		answer_entry(j);
	} else {
		answer_hit(j, unit, MEDIA_HIT);
	}
}

static void on_found(void *arg, struct cache_unit *unit)
{
	struct media_job *j = OBJ_CAST(struct media_job, JOB_MAGIC, arg);
	j->look = NULL;
	http_on_gone(j->x, NULL, NULL);
	looked(j, unit);
}

static void on_gone_while_looking(void *arg)
{
	struct media_job *j = OBJ_CAST(struct media_job, JOB_MAGIC, arg);
	media_look_forget(j->look);
	job_end(j);
}

static void look(struct media_job *j)
{
	struct delivery *d = j->d;
	struct cache_key key = key_of(j);
	int disk;
	key.slice = j->slice;
	struct cache_unit *unit = cache_get_now(d->c.cache, &key, &disk);
	if (disk >= 0) {
		j->look = media_look_aside(d, j->x, &key, disk, on_found, j);
		if (j->look != NULL) {
			delivery_add(&d->looks_aside, 1);
			http_on_gone(j->x, on_gone_while_looking, j);
			return;
		}
		unit = cache_get(d->c.cache, &key);
	}
	looked(j, unit);
}

/* What the token says that the content takes is what players ask for on average, at its best. */
static uint64_t pace_of(const struct delivery *d, const struct token *t)
{
	uint64_t bits_per_s = d->pace.bits_per_s + (uint64_t)t->kbps * d->pace.permille;
	if (d->pace.bits_per_s == 0 && d->pace.permille == 0)
		return 0;
	return bits_per_s > 0 ? bits_per_s / 8 : HTTP_PACE_NONE;
}

/* Where the bytes that are asked for begin, as far as the request alone tells it. */
static uint32_t slice_asked(const struct http_request *r)
{
	struct http_range range = { .kind = HTTP_RANGE_WHOLE };
	if (r->method == HTTP_GET)
		range = http_range_parse(http_header(r, "Range"), UINT64_MAX);
	return range.kind == HTTP_RANGE_PART && range.first < SLICED_BYTES_MAX ? slice_at(range.first) : 1;
}

void media_job_start(struct delivery *d, struct http_exchange *x, const struct config_origin *origin,
    const struct token *t, const struct media_path *path)
{
	struct cache_key key = { .origin = bytes_str(origin->name), .object = path->object };
	struct rpc_session_id session;
	memcpy(session.b, t->session, sizeof(session.b));
	bool steered = media_is_entry(d, t, path->object);
	struct hot *h = media_hot_find(d, x, &key);
	if (h != NULL) {
		if (!steered || !media_steer_answer(d, x, h, MEDIA_HIT, t->content, &session))
			media_hot_answer(d, x, h, &session);
		return;
	}
	struct bytes content = arena_dup(http_arena(x), t->content);
	if (content.p == NULL) {
		delivery_add(&d->n.failed, 1);
		http_reset(x);
		return;
	}
	struct media_job *j = OBJ_NEW(struct media_job, JOB_MAGIC);
	j->d = d;
	j->x = x;
	j->origin = origin;
	j->session = session;
	j->content = content;
	j->object = path->object;
	j->steered = steered;
	j->worker = media_worker_of(d, x);
	j->pace_bytes_per_s = pace_of(d, t);
	j->slice = slice_asked(http_request(x));
	j->waiter.mailbox = http_worker_mailbox(http_worker_of(x));
	j->waiter.letter.deliver = on_answer;
	look(j);
}
