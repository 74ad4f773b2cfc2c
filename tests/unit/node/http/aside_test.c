#include "node/http/ev_aside.h"

#include "base/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

/* Works that hold their thread until the test lets them go. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned allowed, ran, running;
	unsigned done, dropped; /* the loop's */
	struct ev_loop *loop;
	unsigned wanted;
} t;

static void wait_change(void)
{
	struct timespec end;
	CHECK(clock_gettime(CLOCK_REALTIME, &end) == 0);
	end.tv_sec += 20;
	CHECK(pthread_cond_timedwait(&t.changed, &t.lock, &end) == 0);
}

static void change(unsigned *what, unsigned by)
{
	CHECK(pthread_mutex_lock(&t.lock) == 0);
	*what += by;
	CHECK(pthread_cond_broadcast(&t.changed) == 0);
	CHECK(pthread_mutex_unlock(&t.lock) == 0);
}

static void await(const unsigned *what, unsigned n)
{
	CHECK(pthread_mutex_lock(&t.lock) == 0);
	while (*what < n)
		wait_change();
	CHECK(pthread_mutex_unlock(&t.lock) == 0);
}

static void run(struct aside_work *w)
{
	(void)w;
	CHECK(pthread_mutex_lock(&t.lock) == 0);
	t.running++;
	CHECK(pthread_cond_broadcast(&t.changed) == 0);
	while (t.allowed == 0)
		wait_change();
	t.allowed--;
	t.ran++;
	t.running--;
	CHECK(pthread_cond_broadcast(&t.changed) == 0);
	CHECK(pthread_mutex_unlock(&t.lock) == 0);
}

static void done(struct aside_work *w)
{
	(void)w;
	if (++t.done == t.wanted)
		ev_break(t.loop, EVBREAK_ALL);
}

static void drop(struct aside_work *w)
{
	(void)w;
	t.dropped++;
}

static struct mailbox mailbox;
static struct aside *a;
enum { WORKS = 40 };
static struct aside_work works[WORKS];

static int setup(void **state)
{
	(void)state;
	memset(&t, 0, sizeof(t));
	CHECK(pthread_mutex_init(&t.lock, NULL) == 0 && pthread_cond_init(&t.changed, NULL) == 0);
	t.loop = ev_loop_new(EVFLAG_AUTO);
	CHECK(t.loop != NULL);
	mailbox_init(&mailbox, t.loop);
	for (unsigned i = 0; i < WORKS; i++)
		works[i] = (struct aside_work){ .mailbox = &mailbox, .run = run, .done = done, .drop = drop };
	a = aside_new();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	aside_free(a);
	mailbox_fini(&mailbox);
	ev_loop_destroy(t.loop);
	CHECK(pthread_cond_destroy(&t.changed) == 0 && pthread_mutex_destroy(&t.lock) == 0);
	return 0;
}

static void on_late(struct ev_loop *loop, ev_timer *timer, int revents)
{
	(void)loop;
	(void)timer;
	(void)revents;
	CHECK(!"done in time");
}

static void turn_until_done(unsigned n)
{
	ev_timer late;
	t.wanted = n;
	ev_timer_init(&late, on_late, 20, 0);
	ev_timer_start(t.loop, &late);
	if (t.done < n)
		ev_run(t.loop, 0);
	ev_timer_stop(t.loop, &late);
	assert_int_equal(t.done, n);
}

static void works_are_run_and_told_of(void **state)
{
	(void)state;
	for (unsigned i = 0; i < WORKS; i++)
		assert_int_equal(aside_do(a, i % 3, &works[i]), OK);
	change(&t.allowed, WORKS);
	turn_until_done(WORKS);
	assert_int_equal(t.ran, WORKS);
	aside_stop(a);
}

static void a_full_lane_holds_up_no_other(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ASIDE_THREADS + 5; i++)
		assert_int_equal(aside_do(a, 1, &works[i]), OK);
	await(&t.running, ASIDE_THREADS);
	assert_int_equal(aside_do(a, 2, &works[WORKS - 1]), OK);
	await(&t.running, ASIDE_THREADS + 1);
	change(&t.allowed, WORKS);
	turn_until_done(ASIDE_THREADS + 6);
	aside_stop(a);
}

/* More disks than lanes: the last ones share. */
static void every_key_is_served(void **state)
{
	(void)state;
	change(&t.allowed, WORKS);
	for (unsigned i = 0; i < WORKS; i++)
		assert_int_equal(aside_do(a, 1000 + i, &works[i]), OK);
	turn_until_done(WORKS);
	aside_stop(a);
}

static void what_has_not_begun_is_taken_back(void **state)
{
	(void)state;
	enum { N = ASIDE_THREADS + 3 };
	for (unsigned i = 0; i < N; i++)
		assert_int_equal(aside_do(a, 1, &works[i]), OK);
	await(&t.running, ASIDE_THREADS);
	assert_false(aside_forget(a, &works[0]));
	assert_true(aside_forget(a, &works[N - 1]));
	assert_true(aside_forget(a, &works[N - 3]));
	change(&t.allowed, WORKS);
	turn_until_done(N - 2);
	assert_int_equal(t.ran, N - 2);
	assert_int_equal(aside_do(a, 1, &works[N - 1]), OK); /* the giver's again */
	turn_until_done(N - 1);
	aside_stop(a);
}

static void what_is_not_delivered_is_dropped(void **state)
{
	(void)state;
	enum { N = ASIDE_THREADS + 3 };
	for (unsigned i = 0; i < N; i++)
		assert_int_equal(aside_do(a, 1, &works[i]), OK);
	await(&t.running, ASIDE_THREADS);
	change(&t.allowed, 2);
	await(&t.ran, 2);
	change(&t.allowed, WORKS);
	aside_stop(a);
	assert_int_equal(aside_do(a, 1, &works[WORKS - 1]), ERR_CLOSED);
	aside_free(a);
	a = NULL;
	assert_int_equal(t.done, 0);
	assert_int_equal(t.dropped, N);
}

#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(works_are_run_and_told_of),
		T(a_full_lane_holds_up_no_other),
		T(every_key_is_served),
		T(what_has_not_begun_is_taken_back),
		T(what_is_not_delivered_is_dropped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
