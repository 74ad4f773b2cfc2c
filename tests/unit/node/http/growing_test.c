#include "node/http/growing.h"

#include "base/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static int new_file(void)
{
	int fd = memfd_create("growing", MFD_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

struct woken {
	struct growing_waiter waiter;
	unsigned times;
};

static void on_letter(struct letter *l)
{
	struct woken *w = (struct woken *)(void *)((char *)l - offsetof(struct woken, waiter.letter));
	w->times++;
}

static struct ev_loop *new_loop(struct mailbox *m)
{
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	assert_non_null(loop);
	mailbox_init(m, loop);
	return loop;
}

static void run_once(struct ev_loop *loop)
{
	ev_run(loop, EVRUN_NOWAIT);
}

static void wakes_when_there_is_more(void **state)
{
	(void)state;
	struct mailbox m;
	struct ev_loop *loop = new_loop(&m);
	struct growing *g = growing_new(new_file(), 100);
	struct woken a = { .waiter = { .letter.deliver = on_letter, .mailbox = &m } }, b = a;
	growing_wait(g, &a.waiter, 0);
	growing_wait(g, &b.waiter, 0);
	run_once(loop);
	assert_int_equal(a.times, 0);
	growing_publish(g, 0); /* nothing new */
	run_once(loop);
	assert_int_equal(a.times, 0);
	growing_publish(g, 10);
	growing_publish(g, 20); /* woken once, not twice */
	run_once(loop);
	assert_int_equal(a.times, 1);
	assert_int_equal(b.times, 1);
	growing_wait(g, &a.waiter, 10); /* behind already: at once */
	run_once(loop);
	assert_int_equal(a.times, 2);
	growing_wait(g, &a.waiter, 20);
	growing_wait(g, &b.waiter, 20);
	growing_forget(g, &a.waiter);
	growing_forget(g, &a.waiter);
	growing_publish(g, 30);
	run_once(loop);
	assert_int_equal(a.times, 2);
	assert_int_equal(b.times, 2);
	struct growing_view v = growing_look(g);
	assert_int_equal(v.published, 30);
	assert_int_equal(v.total, 100);
	assert_int_equal(v.state, GROWING_OPEN);
	growing_unref(g);
	mailbox_fini(&m);
	ev_loop_destroy(loop);
}

static void wakes_at_either_end(void **state)
{
	(void)state;
	struct mailbox m;
	struct ev_loop *loop = new_loop(&m);
	struct woken w = { .waiter = { .letter.deliver = on_letter, .mailbox = &m } };
	struct growing *g = growing_new(new_file(), 10);
	growing_wait(g, &w.waiter, 0);
	growing_finish(g, GROWING_FAILED);
	run_once(loop);
	assert_int_equal(w.times, 1);
	assert_int_equal(growing_look(g).state, GROWING_FAILED);
	growing_wait(g, &w.waiter, 0);
	run_once(loop);
	assert_int_equal(w.times, 2);
	growing_unref(g);
	g = growing_new(new_file(), 10);
	growing_publish(g, 10);
	growing_finish(g, GROWING_WHOLE);
	growing_wait(g, &w.waiter, 10);
	run_once(loop);
	assert_int_equal(w.times, 3);
	growing_unref(g);
	mailbox_fini(&m);
	ev_loop_destroy(loop);
}

static void moves_and_closes_both(void **state)
{
	(void)state;
	int first = new_file(), second = new_file();
	struct growing *g = growing_new(first, 10);
	assert_ptr_equal(growing_ref(g), g);
	growing_move(g, second);
	assert_int_equal(growing_look(g).fd, second);
	assert_int_equal(lseek(first, 0, SEEK_CUR), 0); /* a reader may still use it */
	growing_unref(g);
	assert_int_equal(lseek(second, 0, SEEK_CUR), 0);
	growing_unref(g);
	assert_int_equal(lseek(first, 0, SEEK_CUR), -1);
	assert_int_equal(lseek(second, 0, SEEK_CUR), -1);
	growing_unref(NULL);
}

/* -- one filler, readers on other threads -- */

enum { READERS = 4, TOTAL = 4 << 20, STEP = 64 << 10, MOVE_AT = TOTAL / 2 };

static uint8_t byte_at(uint64_t i)
{
	return (uint8_t)((i * 2654435761u) >> 13);
}

struct reader {
	struct growing *g;
	pthread_t thread;
	struct growing_waiter waiter;
	uint64_t at;
	uint64_t wrong;
	bool ended;
	struct ev_loop *loop;
	struct mailbox mailbox;
};

/* Reads what is published; waits for more or ends the loop. */
static void read_on(struct reader *r)
{
	static _Thread_local uint8_t piece[STEP];
	for (;;) {
		struct growing_view v = growing_look(r->g);
		if (v.published == r->at) {
			r->ended = v.state != GROWING_OPEN;
			if (!r->ended)
				growing_wait(r->g, &r->waiter, r->at);
			return;
		}
		uint64_t n = v.published - r->at < STEP ? v.published - r->at : STEP;
		CHECK(pread(v.fd, piece, n, (off_t)r->at) == (ssize_t)n);
		for (uint64_t i = 0; i < n; i++)
			r->wrong += piece[i] != byte_at(r->at + i);
		r->at += n;
	}
}

static void on_more(struct letter *l)
{
	read_on((struct reader *)(void *)((char *)l - offsetof(struct reader, waiter.letter)));
}

static void *run_reader(void *arg)
{
	struct reader *r = arg;
	ev_ref(r->loop); /* a mailbox alone does not keep it running */
	read_on(r);
	while (!r->ended) /* it may have been filled before this thread came to life */
		ev_run(r->loop, EVRUN_ONCE);
	ev_unref(r->loop);
	return NULL;
}

static void fill(struct growing *g, int first, int second)
{
	uint8_t *piece = malloc(STEP);
	CHECK(piece != NULL);
	int fd = first;
	for (uint64_t at = 0; at < TOTAL; at += STEP) {
		for (uint64_t i = 0; i < STEP; i++)
			piece[i] = byte_at(at + i);
		if (at == MOVE_AT) {
			/* A disk ran full: what stands there is copied, and the rest goes on. */
			uint8_t *whole = malloc(MOVE_AT);
			CHECK(whole != NULL && pread(first, whole, MOVE_AT, 0) == MOVE_AT);
			CHECK(pwrite(second, whole, MOVE_AT, 0) == MOVE_AT);
			free(whole);
			growing_move(g, second);
			fd = second;
		}
		CHECK(pwrite(fd, piece, STEP, (off_t)at) == STEP);
		growing_publish(g, at + STEP);
	}
	growing_finish(g, GROWING_WHOLE);
	free(piece);
}

static void many_readers_see_right_bytes(void **state)
{
	(void)state;
	int first = new_file(), second = new_file();
	struct growing *g = growing_new(first, TOTAL);
	struct reader readers[READERS];
	memset(readers, 0, sizeof(readers));
	for (int i = 0; i < READERS; i++) {
		struct reader *r = &readers[i];
		r->g = growing_ref(g);
		r->loop = new_loop(&r->mailbox);
		r->waiter.mailbox = &r->mailbox;
		r->waiter.letter.deliver = on_more;
		assert_int_equal(pthread_create(&r->thread, NULL, run_reader, r), 0);
	}
	fill(g, first, second);
	for (int i = 0; i < READERS; i++) {
		assert_int_equal(pthread_join(readers[i].thread, NULL), 0);
		assert_int_equal(readers[i].at, TOTAL);
		assert_int_equal(readers[i].wrong, 0);
		growing_unref(readers[i].g);
		mailbox_fini(&readers[i].mailbox);
		ev_loop_destroy(readers[i].loop);
	}
	growing_unref(g);
}

/* -- the mailbox under many producers -- */

enum { PRODUCERS = 4, LETTERS = 64, ROUNDS = 500 };

struct counted {
	struct letter letter;
	struct box *box;
	atomic_uint posted, delivered;
};

struct box {
	struct mailbox mailbox;
	struct ev_loop *loop;
	struct counted letters[PRODUCERS * LETTERS];
	atomic_uint producers_left;
	struct letter last;
};

static void on_counted(struct letter *l)
{
	struct counted *c = (struct counted *)(void *)l;
	atomic_fetch_add(&c->delivered, 1);
}

static void on_last(struct letter *l)
{
	struct box *b = (struct box *)(void *)((char *)l - offsetof(struct box, last));
	ev_break(b->loop, EVBREAK_ALL);
}

struct producer {
	struct box *box;
	unsigned index;
};

static void *run_producer(void *arg)
{
	const struct producer *p = arg;
	for (unsigned round = 0; round < ROUNDS; round++)
		for (unsigned i = 0; i < LETTERS; i++) {
			struct counted *c = &p->box->letters[p->index * LETTERS + i];
			if (mailbox_post(&p->box->mailbox, &c->letter))
				atomic_fetch_add(&c->posted, 1);
		}
	if (atomic_fetch_sub(&p->box->producers_left, 1) == 1)
		mailbox_post(&p->box->mailbox, &p->box->last);
	return NULL;
}

static void every_posted_letter_is_delivered_once(void **state)
{
	(void)state;
	struct box *b = calloc(1, sizeof(*b));
	assert_non_null(b);
	b->loop = new_loop(&b->mailbox);
	ev_ref(b->loop);
	b->last.deliver = on_last;
	atomic_store(&b->producers_left, PRODUCERS);
	for (unsigned i = 0; i < PRODUCERS * LETTERS; i++)
		b->letters[i].letter.deliver = on_counted;
	pthread_t threads[PRODUCERS];
	struct producer producers[PRODUCERS];
	for (unsigned i = 0; i < PRODUCERS; i++) {
		producers[i] = (struct producer){ b, i };
		assert_int_equal(pthread_create(&threads[i], NULL, run_producer, &producers[i]), 0);
	}
	ev_run(b->loop, 0);
	for (unsigned i = 0; i < PRODUCERS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	for (unsigned i = 0; i < PRODUCERS * LETTERS; i++) {
		assert_true(atomic_load(&b->letters[i].posted) > 0);
		assert_int_equal(atomic_load(&b->letters[i].posted), atomic_load(&b->letters[i].delivered));
	}
	mailbox_fini(&b->mailbox);
	ev_loop_destroy(b->loop);
	free(b);
}

/* A letter may be posted again from inside of its own delivery. */
static void on_again(struct letter *l)
{
	struct woken *w = (struct woken *)(void *)((char *)l - offsetof(struct woken, waiter.letter));
	if (++w->times < 3)
		assert_true(mailbox_post(w->waiter.mailbox, l));
}

static void letters_may_be_posted_while_delivered(void **state)
{
	(void)state;
	struct mailbox m;
	struct ev_loop *loop = new_loop(&m);
	struct woken w = { .waiter = { .letter.deliver = on_again, .mailbox = &m } };
	assert_true(mailbox_post(&m, &w.waiter.letter));
	assert_false(mailbox_post(&m, &w.waiter.letter)); /* its delivery is still to come */
	for (int i = 0; i < 5; i++)
		run_once(loop);
	assert_int_equal(w.times, 3);
	mailbox_fini(&m);
	ev_loop_destroy(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wakes_when_there_is_more),
		cmocka_unit_test(wakes_at_either_end),
		cmocka_unit_test(moves_and_closes_both),
		cmocka_unit_test(many_readers_see_right_bytes),
		cmocka_unit_test(every_posted_letter_is_delivered_once),
		cmocka_unit_test(letters_may_be_posted_while_delivered),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
