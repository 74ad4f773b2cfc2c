#include "node/warm/ev_bring.h"

#include "base/obj.h"

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
		end(f, (struct bring_end){ .outcome = BRING_WHOLE, .fd = v.fd, .length = f->length });
	else
		end(f, (struct bring_end){ .outcome = BRING_FAILED, .error = ERR_IO });
	growing_unref(growing);
}

static void begin_growing(struct bring *f, const struct fill_answer *a)
{
	f->state = BRING_GROWING;
	f->growing = a->growing;
	f->length = a->meta.length;
	f->growing_waiter = (struct growing_waiter){ .mailbox = f->mailbox };
	f->growing_waiter.letter.deliver = on_grown;
	growing_wait(f->growing, &f->growing_waiter, f->length); /* nothing is published past that: at its end */
}

static void end_held(struct bring *f, struct cache_unit *unit)
{
	end(f, (struct bring_end){ .outcome = BRING_WHOLE, .fd = unit->fd, .length = unit->meta->length });
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
	case FILL_PENDING: /* nobody but another node is told so */
	case FILL_FAILED: end(f, (struct bring_end){ .outcome = BRING_FAILED, .error = a.error }); break;
	}
}

void bring_begin(
    struct bring *f, const struct config_origin *origin, struct bytes content, struct bytes object)
{
	CHECK(f->state == BRING_IDLE);
	f->state = BRING_ASKED;
	f->waiter = (struct fill_waiter){ .mailbox = f->mailbox, .ahead = f->is_ahead };
	f->waiter.letter.deliver = on_answer;
	fill_want(f->fills, origin, content, object, &f->waiter);
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
