#include "node/warm/ev_bring.h"

#include "base/obj.h"
#include "node/cache/slices.h"

#include <string.h>

void bring_init(struct bring *f, struct fills *fills, struct cache *cache, struct mailbox *mailbox,
    void (*ended)(struct bring *f, const struct bring_end *end))
{
	*f = (struct bring){ .fills = fills, .cache = cache, .mailbox = mailbox, .ended = ended };
}

static void end(struct bring *f, struct bring_end e)
{
	f->state = BRING_IDLE;
	f->ended(f, &e);
}

static void end_failed(struct bring *f, enum err e)
{
	end(f, (struct bring_end){ .outcome = BRING_FAILED, .error = e });
}

static void ask(struct bring *f);

/* A unit of it is here. */
static void go_on(struct bring *f, int fd)
{
	if (f->total == 0) {
		end(f, (struct bring_end){ .outcome = BRING_WHOLE, .fd = fd, .length = f->length });
	} else if (slice_start(f->slice + 1) < f->total) {
		f->slice++;
		ask(f);
	} else {
		end(f, (struct bring_end){ .outcome = BRING_WHOLE, .fd = -1, .length = f->total });
	}
}

/* What an answer says of the object. Slices of another one are none of it. */
static enum err take_meta(struct bring *f, const struct cache_meta *m)
{
	f->length = m->length;
	if (m->total > f->max_bytes && f->max_bytes > 0)
		return ERR_TOO_BIG;
	if (f->slice > 1 && (m->total != f->total || strcmp(m->etag, f->etag) != 0))
		return ERR_CORRUPT;
	f->total = m->total;
	memcpy(f->etag, m->etag, sizeof(f->etag));
	return OK;
}

static void on_grown(struct letter *l)
{
	struct growing_waiter *waiter = CONTAINER_OF(l, struct growing_waiter, letter);
	struct bring *f = CONTAINER_OF(waiter, struct bring, growing_waiter);
	struct growing *growing = f->growing;
	struct growing_view v = growing_look(growing);
	if (v.state == GROWING_OPEN) {
		growing_wait(growing, &f->growing_waiter, f->length);
		return;
	}
	f->growing = NULL;
	if (v.state == GROWING_WHOLE)
		go_on(f, v.fd);
	else
		end_failed(f, ERR_IO);
	growing_unref(growing);
}

static void begin_growing(struct bring *f, const struct fill_answer *a)
{
	enum err e = take_meta(f, &a->meta);
	if (e != OK) {
		end_failed(f, e);
		growing_unref(a->growing);
		return;
	}
	f->state = BRING_GROWING;
	f->growing = a->growing;
	f->growing_waiter = (struct growing_waiter){ .mailbox = f->mailbox };
	f->growing_waiter.letter.deliver = on_grown;
	growing_wait(f->growing, &f->growing_waiter, f->length); /* nothing is published past that: at its end */
}

static void end_held(struct bring *f, struct cache_unit *unit)
{
	enum err e = take_meta(f, unit->meta);
	if (e == OK)
		go_on(f, unit->fd);
	else
		end_failed(f, e);
	cache_release(f->cache, unit);
}

static void drop_answer(struct bring *f, const struct fill_answer *a)
{
	if (a->outcome == FILL_HIT)
		cache_release(f->cache, a->unit);
	else if (a->outcome == FILL_GROWING)
		growing_unref(a->growing);
	end(f, (struct bring_end){ .outcome = BRING_DROPPED });
}

static void on_answer(struct letter *l)
{
	struct fill_waiter *waiter = CONTAINER_OF(l, struct fill_waiter, letter);
	struct bring *f = CONTAINER_OF(waiter, struct bring, waiter);
	const struct fill_answer a = f->waiter.answer;
	if (f->state == BRING_FORGOTTEN) {
		drop_answer(f, &a);
		return;
	}
	switch (a.outcome) {
	case FILL_HIT: end_held(f, a.unit); break;
	case FILL_GROWING: begin_growing(f, &a); break;
	case FILL_NOT_FOUND: end(f, (struct bring_end){ .outcome = BRING_NOT_FOUND }); break;
	case FILL_NO_SLICE: end_failed(f, ERR_CORRUPT); break; /* it was a longer one before */
	case FILL_PENDING:                                     /* nobody but another node is told so */
	case FILL_FAILED: end_failed(f, a.error); break;
	}
}

static void ask(struct bring *f)
{
	f->state = BRING_ASKED;
	f->waiter = (struct fill_waiter){ .mailbox = f->mailbox, .ahead = f->is_ahead };
	f->waiter.letter.deliver = on_answer;
	fill_want_slice(
	    f->fills, f->origin, f->content, f->object, f->slice, f->slice > 1 ? f->etag : NULL, &f->waiter);
}

void bring_begin(
    struct bring *f, const struct config_origin *origin, struct bytes content, struct bytes object)
{
	CHECK(f->state == BRING_IDLE);
	f->origin = origin;
	f->content = content;
	f->object = object;
	f->slice = 1;
	f->total = 0;
	ask(f);
}

void bring_forget(struct bring *f)
{
	if (f->state == BRING_GROWING) {
		growing_forget(f->growing, &f->growing_waiter);
		mailbox_withdraw(f->mailbox, &f->growing_waiter.letter);
		growing_unref(f->growing);
		f->growing = NULL;
		f->state = BRING_IDLE;
	} else if (f->state == BRING_ASKED) {
		f->state = fill_forget(f->fills, &f->waiter) ? BRING_IDLE : BRING_FORGOTTEN;
	}
}
