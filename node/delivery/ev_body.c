/* The body of an answer: of one source, or of a large object slice after slice. The next slice is asked for a
 * little before it is needed, and no more than that one: a viewer who leaves costs at most a slice that
 * nobody wanted. Slices of another validator are never put together (D5): then the connection is reset. */
#include "node/delivery/ev_media_job.h"

#include "node/http/ev_server.h"

#include <string.h>

/* The next slice is asked for when no more than this is left of the present one. */
enum { AHEAD_BYTES = 6 << 20 };

struct body_source body_source_of(
    const struct cache_meta *m, uint32_t slice, struct cache_unit *unit, struct growing *growing)
{
	uint64_t start = m->total != 0 ? slice_start(slice) : 0;
	return (struct body_source){ .unit = unit, .growing = growing, .start = start, .end = start + m->length };
}

void body_source_end(struct delivery *d, struct body_source *s)
{
	cache_release(d->c.cache, s->unit);
	growing_unref(s->growing);
	*s = (struct body_source){ .unit = NULL };
}

/* -- the next slice -- */

static void ask(struct media_job *j, uint32_t slice)
{
	j->waiter =
	    (struct fill_waiter){ .mailbox = j->waiter.mailbox, .letter.deliver = j->waiter.letter.deliver };
	j->body.state = NEXT_ASKED;
	fill_want_slice(j->d->c.fills, j->origin, j->content, j->object, slice, j->body.etag, &j->waiter);
}

static bool fits(const struct media_job *j, const struct cache_meta *m)
{
	return strcmp(m->etag, j->body.etag) == 0 && cache_object_bytes(m) == j->body.total;
}

static void look_ahead(struct media_job *j)
{
	struct body *b = &j->body;
	struct cache *c = j->d->c.cache;
	if (b->state != NEXT_NONE || b->now.end >= b->end)
		return;
	struct cache_key key = { bytes_str(j->origin->name), j->object, slice_at(b->now.end) };
	struct cache_unit *unit = cache_get(c, &key);
	if (unit == NULL || !fits(j, unit->meta)) {
		cache_release(c, unit);
		ask(j, key.slice);
		return;
	}
	b->next = body_source_of(unit->meta, key.slice, unit, NULL);
	b->state = NEXT_READY;
}

/* -- giving -- */

/* What is to be sent before the next slice is asked for, or of the last one. */
static struct http_part next_part(struct media_job *j)
{
	struct body *b = &j->body;
	struct body_source *s = &b->now;
	uint64_t until = s->end < b->end ? s->end : b->end;
	if (s->end < b->end && b->at + AHEAD_BYTES < s->end)
		until = s->end - AHEAD_BYTES;
	struct http_part p = { .kind = HTTP_PART_FILE, .offset = b->at - s->start, .length = until - b->at };
	if (s->unit != NULL) {
		p.fd = s->unit->fd;
		p.file = s->unit->file;
	} else {
		p.kind = HTTP_PART_GROWING;
		p.growing = s->growing;
		b->filled += p.length;
	}
	b->at = until;
	return p;
}

static void give(struct media_job *j)
{
	struct http_part p = next_part(j);
	if (j->body.at == j->body.now.end)
		look_ahead(j);
	http_give(j->x, &p);
}

/* The present slice is sent: goes on with the next one, if it is there. */
static void go_on(struct media_job *j)
{
	struct body *b = &j->body;
	look_ahead(j);
	if (b->state == NEXT_ASKED)
		return;
	b->waits = false;
	if (b->state == NEXT_FAILED) {
		delivery_add(&j->d->n.failed, 1);
		http_give(j->x, NULL);
		return;
	}
	b->now = b->next;
	b->next = (struct body_source){ .unit = NULL };
	b->state = NEXT_NONE;
	give(j);
}

static void on_more(void *arg)
{
	struct media_job *j = OBJ_CAST(struct media_job, JOB_MAGIC, arg);
	struct body *b = &j->body;
	(void)sessions_alive(j->d->c.sessions, &j->session, j->d->c.now_mono_ms()); /* a sign of life */
	if (b->at < b->now.end) {
		give(j);
		return;
	}
	body_source_end(j->d, &b->now);
	b->now.end = b->at;
	if (b->state == NEXT_FAILED)
		b->state = NEXT_NONE; /* it was asked for early: once more, now that it is needed */
	b->waits = true;
	go_on(j);
}

/* -- answers of the fills -- */

/* False: it is asked for in another way. */
static bool take(struct media_job *j, struct fill_answer *a)
{
	struct body *b = &j->body;
	bool brings = a->outcome == FILL_HIT || a->outcome == FILL_GROWING;
	const struct cache_meta *m = a->outcome == FILL_HIT ? a->unit->meta : &a->meta;
	uint64_t at = b->now.end;
	if (brings && fits(j, m)) {
		b->next = body_source_of(m, slice_at(at), a->unit, a->growing);
		bool reaches = b->next.start <= at && at < b->next.end && (!b->asked_first || m->total == 0);
		b->state = NEXT_READY;
		if (reaches)
			return true;
		body_source_end(j->d, &b->next);
	} else if (brings) {
		struct body_source other = { .unit = a->unit, .growing = a->growing };
		body_source_end(j->d, &other);
	}
	b->state = NEXT_FAILED;
	/* A store that knows no ranges gives all of it or nothing. */
	if (a->outcome == FILL_NO_SLICE && !b->asked_first) {
		b->asked_first = true;
		ask(j, 1);
		return false;
	}
	return true;
}

void body_on_answer(struct media_job *j)
{
	struct fill_answer a = j->waiter.answer;
	CHECK(j->body.state == NEXT_ASKED);
	if (take(j, &a) && j->body.waits)
		go_on(j);
}

/* -- its begin and end -- */

void body_begin(struct media_job *j, const struct cache_meta *m, const struct http_selection *s,
    struct body_source *from, struct http_response *r)
{
	struct body *b = &j->body;
	CHECK(from->start <= s->first && s->first < from->end);
	b->now = *from;
	*from = (struct body_source){ .unit = NULL };
	b->at = s->first;
	b->end = s->first + s->length;
	r->parts[r->parts_n++] = next_part(j);
	if (b->at == b->end)
		return;
	b->total = cache_object_bytes(m);
	memcpy(b->etag, m->etag, sizeof(b->etag));
	r->parts[r->parts_n++] = (struct http_part){
		.kind = HTTP_PART_MORE, .length = b->end - b->at, .more = on_more, .more_arg = j
	};
	if (b->at == b->now.end && http_request(j->x)->method == HTTP_GET)
		look_ahead(j);
}

bool body_end(struct media_job *j)
{
	struct body *b = &j->body;
	body_source_end(j->d, &b->now);
	body_source_end(j->d, &b->next);
	return b->state == NEXT_ASKED && !fill_forget(j->d->c.fills, &j->waiter);
}
