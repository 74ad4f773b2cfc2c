/* Handing letters to a loop: order, one delivery a post, many producers, taking a letter back. */
#include "node/ev_mailbox.h"

#include "base/obj.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { DEADLINE_S = 20, LETTERS = 8, PRODUCERS = 4, POSTS = 5000 };

struct fixture {
	struct ev_loop *loop;
	struct mailbox mailbox;
	ev_timer deadline;
};

struct note {
	struct letter letter;
	int id;
};

static int delivered[64];
static size_t delivered_n;

static void record(struct letter *l)
{
	assert_true(delivered_n < sizeof(delivered) / sizeof(delivered[0]));
	delivered[delivered_n++] = CONTAINER_OF(l, struct note, letter)->id;
}

static void on_deadline(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
	fail_msg("nothing was delivered within %d s", DEADLINE_S);
}

static int setup(void **state)
{
	static struct fixture f;
	f.loop = ev_loop_new(EVFLAG_AUTO);
	assert_non_null(f.loop);
	mailbox_init(&f.mailbox, f.loop);
	ev_timer_init(&f.deadline, on_deadline, DEADLINE_S, 0.0);
	ev_timer_start(f.loop, &f.deadline);
	delivered_n = 0;
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	ev_timer_stop(f->loop, &f->deadline);
	mailbox_fini(&f->mailbox);
	ev_loop_destroy(f->loop);
	return 0;
}

static struct note note(int id)
{
	return (struct note){ .letter.deliver = record, .id = id };
}

static void letters_come_in_order_and_once_a_post(void **state)
{
	struct fixture *f = *state;
	struct note notes[LETTERS];
	for (int i = 0; i < LETTERS; i++) {
		notes[i] = note(i);
		assert_true(mailbox_post(&f->mailbox, &notes[i].letter));
		assert_false(mailbox_post(&f->mailbox, &notes[i].letter));
	}
	assert_int_equal(delivered_n, 0); /* on the loop only */
	ev_run(f->loop, EVRUN_ONCE);
	assert_int_equal(delivered_n, LETTERS);
	for (int i = 0; i < LETTERS; i++)
		assert_int_equal(delivered[i], i);
	assert_true(mailbox_post(&f->mailbox, &notes[3].letter));
	ev_run(f->loop, EVRUN_ONCE);
	assert_int_equal(delivered_n, LETTERS + 1);
	assert_int_equal(delivered[LETTERS], 3);
}

static void a_mailbox_alone_does_not_keep_a_loop_running(void **state)
{
	struct fixture *f = *state;
	ev_timer_stop(f->loop, &f->deadline);
	ev_run(f->loop, 0);
}

/* -- what a deliver() may do -- */

static struct mailbox *again_mailbox;

static void post_again(struct letter *l)
{
	record(l);
	if (delivered_n < 3)
		assert_true(mailbox_post(again_mailbox, l));
}

static void a_letter_may_be_posted_from_its_own_delivery(void **state)
{
	struct fixture *f = *state;
	struct note n = note(7);
	n.letter.deliver = post_again;
	again_mailbox = &f->mailbox;
	assert_true(mailbox_post(&f->mailbox, &n.letter));
	while (delivered_n < 3)
		ev_run(f->loop, EVRUN_ONCE);
}

static void free_it(struct letter *l)
{
	record(l);
	free(CONTAINER_OF(l, struct note, letter));
}

static void a_delivery_may_free_what_the_letter_is_part_of(void **state)
{
	struct fixture *f = *state;
	for (int i = 0; i < LETTERS; i++) {
		struct note *n = malloc(sizeof(*n));
		assert_non_null(n);
		*n = note(i);
		n->letter.deliver = free_it;
		assert_true(mailbox_post(&f->mailbox, &n->letter));
	}
	ev_run(f->loop, EVRUN_ONCE);
	assert_int_equal(delivered_n, LETTERS);
}

/* -- taking back -- */

static void withdrawn_letters_are_not_touched_again(void **state)
{
	struct fixture *f = *state;
	for (int gone = 0; gone < 3; gone++) {
		struct note *notes[3], last = note(9);
		for (int i = 0; i < 3; i++) {
			notes[i] = malloc(sizeof(*notes[i]));
			assert_non_null(notes[i]);
			*notes[i] = note(i);
			assert_true(mailbox_post(&f->mailbox, &notes[i]->letter));
		}
		mailbox_withdraw(&f->mailbox, &notes[gone]->letter);
		mailbox_withdraw(&f->mailbox, &notes[gone]->letter); /* not there: nothing happens */
		assert_false(atomic_load(&notes[gone]->letter.posted));
		free(notes[gone]);
		assert_true(mailbox_post(&f->mailbox, &last.letter));
		delivered_n = 0;
		ev_run(f->loop, EVRUN_ONCE);
		assert_int_equal(delivered_n, 3);
		for (int i = 0, at = 0; i < 3; i++)
			if (i != gone)
				assert_int_equal(delivered[at++], i);
		assert_int_equal(delivered[2], 9);
		for (int i = 0; i < 3; i++)
			if (i != gone)
				free(notes[i]);
	}
}

static void the_only_letter_can_be_withdrawn(void **state)
{
	struct fixture *f = *state;
	struct note a = note(1), b = note(2);
	assert_true(mailbox_post(&f->mailbox, &a.letter));
	mailbox_withdraw(&f->mailbox, &a.letter);
	assert_true(mailbox_post(&f->mailbox, &b.letter));
	assert_true(mailbox_post(&f->mailbox, &a.letter));
	ev_run(f->loop, EVRUN_ONCE);
	assert_int_equal(delivered_n, 2);
	assert_int_equal(delivered[0], 2);
	assert_int_equal(delivered[1], 1);
}

static struct mailbox *owner_mailbox;
static struct note *owned;

static void withdraw_other(struct letter *l)
{
	record(l);
	mailbox_withdraw(owner_mailbox, &owned->letter);
	free(owned);
}

static void a_delivery_may_withdraw_one_that_is_due(void **state)
{
	struct fixture *f = *state;
	struct note first = note(0), last = note(2);
	first.letter.deliver = withdraw_other;
	owner_mailbox = &f->mailbox;
	owned = malloc(sizeof(*owned));
	assert_non_null(owned);
	*owned = note(1);
	assert_true(mailbox_post(&f->mailbox, &first.letter));
	assert_true(mailbox_post(&f->mailbox, &owned->letter));
	assert_true(mailbox_post(&f->mailbox, &last.letter));
	ev_run(f->loop, EVRUN_ONCE);
	assert_int_equal(delivered_n, 2);
	assert_int_equal(delivered[0], 0);
	assert_int_equal(delivered[1], 2);
}

/* -- many producers -- */

struct producer {
	pthread_t thread;
	struct mailbox *mailbox;
	struct letter letter;
	atomic_uint posted;
	unsigned delivered; /* the loop's */
};

static void count(struct letter *l)
{
	CONTAINER_OF(l, struct producer, letter)->delivered++;
}

static void *produce(void *arg)
{
	struct producer *p = arg;
	for (int i = 0; i < POSTS; i++)
		if (mailbox_post(p->mailbox, &p->letter))
			atomic_fetch_add(&p->posted, 1);
	return NULL;
}

static void every_post_of_every_thread_is_delivered(void **state)
{
	struct fixture *f = *state;
	struct producer p[PRODUCERS] = { 0 };
	for (int i = 0; i < PRODUCERS; i++) {
		p[i].mailbox = &f->mailbox;
		p[i].letter.deliver = count;
		assert_int_equal(pthread_create(&p[i].thread, NULL, produce, &p[i]), 0);
	}
	for (int i = 0; i < 200; i++)
		ev_run(f->loop, EVRUN_NOWAIT);
	for (int i = 0; i < PRODUCERS; i++)
		assert_int_equal(pthread_join(p[i].thread, NULL), 0);
	for (int i = 0; i < PRODUCERS; i++)
		while (p[i].delivered < atomic_load(&p[i].posted))
			ev_run(f->loop, EVRUN_ONCE);
	for (int i = 0; i < PRODUCERS; i++)
		assert_int_equal(p[i].delivered, atomic_load(&p[i].posted));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(letters_come_in_order_and_once_a_post),
		T(a_mailbox_alone_does_not_keep_a_loop_running),
		T(a_letter_may_be_posted_from_its_own_delivery),
		T(a_delivery_may_free_what_the_letter_is_part_of),
		T(withdrawn_letters_are_not_touched_again),
		T(the_only_letter_can_be_withdrawn),
		T(a_delivery_may_withdraw_one_that_is_due),
		T(every_post_of_every_thread_is_delivered),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
