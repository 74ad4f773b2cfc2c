/* Many viewers on several workers, and a disk that fills up under a fill. */
#include "origin_fixture.h"

#include "base/obj.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cmocka.h>

enum { MIB = 1 << 20, WORKERS = 4, VIEWERS = 25, LENGTH = 400000 };

static int setup(void **state)
{
	static struct origin_fixture f;
	origin_fixture_make(&f, 64 * MIB, 8 * MIB, 60000);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	origin_fixture_remove(*state);
	return 0;
}

/* Reads the growing file as a worker does: up to what is published, then waits for more. */
struct viewer {
	struct fill_waiter waiter;
	struct growing_waiter progress;
	struct worker *worker;
	uint64_t at;
	bool wrong, failed, whole, leaves;
};

struct worker {
	pthread_t thread;
	struct ev_loop *loop;
	struct mailbox mailbox;
	struct origin_fixture *fixture;
	const char *object;
	struct viewer viewers[VIEWERS];
	unsigned left;
};

static void over(struct viewer *v)
{
	struct worker *w = v->worker;
	growing_unref(v->waiter.answer.growing);
	cache_release(w->fixture->cache, v->waiter.answer.unit);
	if (--w->left == 0)
		ev_break(w->loop, EVBREAK_ALL);
}

static void read_on(struct viewer *v)
{
	struct growing *g = v->waiter.answer.growing;
	struct growing_view now = growing_look(g);
	while (v->at < now.published) {
		uint8_t chunk[16384];
		size_t n = now.published - v->at < sizeof(chunk) ? (size_t)(now.published - v->at) : sizeof(chunk);
		ssize_t got = pread(now.fd, chunk, n, (off_t)v->at);
		v->wrong = v->wrong || got != (ssize_t)n || !fake_wrote(&v->worker->fixture->fake, v->at, chunk, n);
		v->at += n;
	}
	if (v->leaves && v->at > 0) {
		over(v);
		return;
	}
	if (now.state == GROWING_OPEN) {
		growing_wait(g, &v->progress, now.published);
		return;
	}
	v->whole = now.state == GROWING_WHOLE && v->at == now.total;
	v->failed = now.state == GROWING_FAILED;
	over(v);
}

static void on_progress(struct letter *l)
{
	read_on(CONTAINER_OF(l, struct viewer, progress.letter));
}

static void on_answer(struct letter *l)
{
	struct viewer *v = CONTAINER_OF(l, struct viewer, waiter.letter);
	switch (v->waiter.answer.outcome) {
	case FILL_GROWING: read_on(v); return;
	case FILL_HIT: v->whole = unit_is(&v->worker->fixture->fake, v->waiter.answer.unit); break;
	case FILL_NO_SLICE:
	case FILL_NOT_FOUND:
	case FILL_PENDING:
	case FILL_FAILED: v->failed = true; break;
	}
	over(v);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct origin_fixture *f = w->fixture;
	for (unsigned i = 0; i < VIEWERS; i++) {
		struct viewer *v = &w->viewers[i];
		*v = (struct viewer){ .worker = w,
			.leaves = i % 5 == 4,
			.waiter = { .letter = { .deliver = on_answer }, .mailbox = &w->mailbox },
			.progress = { .letter = { .deliver = on_progress }, .mailbox = &w->mailbox } };
		fill_want(f->fills, &f->config.origins[0], BYTES_LIT("c"), bytes_str(w->object), &v->waiter);
	}
	ev_ref(w->loop); /* the mailbox alone would not keep it running */
	ev_run(w->loop, 0);
	ev_unref(w->loop);
	return NULL;
}

static void start(struct origin_fixture *f, struct worker *w, const char *object)
{
	for (unsigned i = 0; i < WORKERS; i++) {
		memset(&w[i], 0, sizeof(w[i]));
		w[i].fixture = f;
		w[i].object = object;
		w[i].left = VIEWERS;
		w[i].loop = ev_loop_new(EVFLAG_AUTO);
		assert_non_null(w[i].loop);
		mailbox_init(&w[i].mailbox, w[i].loop);
		assert_int_equal(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
	}
}

/* How many viewers got everything. */
static unsigned finish(struct worker *w)
{
	unsigned whole = 0;
	for (unsigned i = 0; i < WORKERS; i++) {
		assert_int_equal(pthread_join(w[i].thread, NULL), 0);
		for (unsigned j = 0; j < VIEWERS; j++) {
			assert_false(w[i].viewers[j].wrong);
			whole += w[i].viewers[j].whole;
		}
		mailbox_fini(&w[i].mailbox);
		ev_loop_destroy(w[i].loop);
	}
	return whole;
}

static bool all_asked(void *arg)
{
	struct fills_counters n = counters(arg);
	return n.started + n.joined >= WORKERS * VIEWERS;
}

static bool all_is_told(void *arg)
{
	return counters(arg).running == 0;
}

static void trickle(struct origin_fixture *f)
{
	assert_true(eventually(all_asked, f));
	for (uint64_t given = 1; given < LENGTH; given += given < 1000 ? 300 : 30000)
		fake_give(&f->fake, given);
	fake_give(&f->fake, GIVE_ALL);
}

static void test_a_hundred_viewers_cost_one_request(void **state)
{
	struct origin_fixture *f = *state;
	static struct worker w[WORKERS];
	f->fake.length = LENGTH;
	fake_give(&f->fake, 0);
	start(f, w, "c/1.m4s");
	trickle(f);
	assert_int_equal(finish(w), WORKERS * VIEWERS * 4 / 5);
	assert_int_equal(fake_opens(&f->fake), 1);
	assert_int_equal(counters(f).joined, WORKERS * VIEWERS - 1);
	assert_int_equal(counters(f).bytes_from_origin, LENGTH);
}

static void set_fails_at(struct fake *f, uint64_t v)
{
	f->fails_at = v;
}

static void test_a_failure_resets_every_viewer(void **state)
{
	struct origin_fixture *f = *state;
	static struct worker w[WORKERS];
	f->fake.length = LENGTH;
	fake_give(&f->fake, 0);
	start(f, w, "c/1.m4s");
	assert_true(eventually(all_asked, f));
	fake_set(&f->fake, set_fails_at, LENGTH / 2);
	fake_give(&f->fake, LENGTH / 2);
	assert_int_equal(finish(w), 0);
	for (unsigned i = 0; i < WORKERS; i++)
		for (unsigned j = 0; j < VIEWERS; j++)
			assert_int_equal(w[i].viewers[j].failed, !w[i].viewers[j].leaves);
}

static bool has_begun(void *arg)
{
	return counters(arg).bytes_from_origin == 50000;
}

static bool has_moved(void *arg)
{
	return counters(arg).bytes_from_origin == 150000;
}

/* The cache's disk is a file system of 2 MiB; something else takes what is left of it once the fill has
 * begun. */
static void test_a_disk_that_fills_up_under_a_fill(void **state)
{
	struct origin_fixture *f = *state;
	static struct worker w[WORKERS];
	char path[80], command[256];
	origin_fixture_remove(f);
	(void)snprintf(path, sizeof(path), "/tmp/small-disk-XXXXXX");
	assert_non_null(mkdtemp(path));
	if (mount("tmpfs", path, "tmpfs", 0, "size=2m") != 0) {
		print_message(
		    "no mount here (%s): a disk that fills up under a fill is not tried\n", strerror(errno));
		assert_int_equal(rmdir(path), 0);
		origin_fixture_make(f, 64 * MIB, 8 * MIB, 60000);
		return;
	}
	origin_fixture_make_at(f, path, 64 * MIB, 8 * MIB, 60000);
	f->fake.length = LENGTH;
	fake_give(&f->fake, 0);
	start(f, w, "c/1.m4s");
	assert_true(eventually(all_asked, f));
	fake_give(&f->fake, 50000);
	assert_true(eventually(has_begun, f));
	(void)snprintf(command, sizeof(command), "! dd if=/dev/zero of=%s/other bs=4k 2>/dev/null", path);
	assert_int_equal(system(command), 0);
	fake_give(&f->fake, 150000);
	assert_true(eventually(has_moved, f));
	struct asker late; /* reads what was copied, too */
	ask_and_await(f, &late, "c/1.m4s");
	assert_int_equal(late.waiter.answer.outcome, FILL_GROWING);
	trickle(f);
	assert_true(grows_whole(&f->fake, late.waiter.answer.growing));
	release(f, &late);
	assert_int_equal(finish(w), WORKERS * VIEWERS * 4 / 5);
	assert_true(eventually(all_is_told, f));
	assert_int_equal(counters(f).unstored, 1);
	struct cache_counters n;
	cache_count(f->cache, &n);
	assert_int_equal(n.units, 0);
	assert_int_equal(n.write_failures, 1);
	fills_free(f->fills);
	cache_close(f->cache);
	f->fills = NULL;
	f->cache = NULL;
	assert_int_equal(umount(path), 0);
	assert_int_equal(rmdir(path), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_hundred_viewers_cost_one_request, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_failure_resets_every_viewer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_disk_that_fills_up_under_a_fill, setup, teardown),
	};
	return cmocka_run_group_tests_name("ev_crowd", tests, NULL, NULL);
}
