/* The store thread over a store that records what it is told and fails on demand. */
#include "node/ev_store.h"

#include "base/obj.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { DEADLINE_S = 20, OPS_MAX = 256, TEXT_MAX = 64 };

/* -- the fake store: what was committed, in order -- */

struct kvs_store {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool gate_closed;                        /* begin waits while it is */
	bool waiting;                            /* begin does wait */
	int fail_begin, fail_apply, fail_commit; /* the next so many fail */
	bool open;
	char pending[OPS_MAX][TEXT_MAX], committed[OPS_MAX][TEXT_MAX];
	size_t pending_n, committed_n;
	unsigned begins, commits, aborts;
	struct kvs_store_gauges gauges;
};

static void lock(struct kvs_store *s)
{
	CHECK(pthread_mutex_lock(&s->lock) == 0);
}

static void unlock(struct kvs_store *s)
{
	CHECK(pthread_mutex_unlock(&s->lock) == 0);
}

static bool fails(int *count)
{
	return *count > 0 && (*count)-- > 0;
}

enum err kvs_store_begin(struct kvs_store *s)
{
	lock(s);
	CHECK(!s->open);
	s->begins++;
	while (s->gate_closed) {
		s->waiting = true;
		CHECK(pthread_cond_broadcast(&s->changed) == 0);
		CHECK(pthread_cond_wait(&s->changed, &s->lock) == 0);
	}
	s->waiting = false;
	bool failed = fails(&s->fail_begin);
	s->open = !failed;
	s->pending_n = 0;
	unlock(s);
	return failed ? ERR_NO_SPACE : OK;
}

enum err kvs_store_apply(struct kvs_store *s, const struct kvs_op *ops, size_t n)
{
	lock(s);
	CHECK(s->open);
	bool failed = fails(&s->fail_apply);
	for (size_t i = 0; i < n && !failed; i++) {
		CHECK(s->pending_n < OPS_MAX);
		char *text = s->pending[s->pending_n++];
		if (ops[i].kind == KVS_OP_ROW)
			snprintf(text, TEXT_MAX, "row %llu", (unsigned long long)ops[i].row->have);
		else
			snprintf(text, TEXT_MAX, "%.*s=%.*s@%llu", (int)ops[i].entry.key.n,
			    (const char *)ops[i].entry.key.p, ops[i].entry.value.n < 20 ? (int)ops[i].entry.value.n : 20,
			    (const char *)ops[i].entry.value.p, (unsigned long long)ops[i].entry.version);
	}
	unlock(s);
	return failed ? ERR_NO_SPACE : OK;
}

enum err kvs_store_commit(struct kvs_store *s)
{
	lock(s);
	CHECK(s->open);
	s->open = false;
	bool failed = fails(&s->fail_commit);
	for (size_t i = 0; i < s->pending_n && !failed; i++) {
		CHECK(s->committed_n < OPS_MAX);
		memcpy(s->committed[s->committed_n++], s->pending[i], TEXT_MAX);
	}
	s->commits += !failed;
	unlock(s);
	return failed ? ERR_IO : OK;
}

void kvs_store_abort(struct kvs_store *s)
{
	lock(s);
	CHECK(s->open);
	s->open = false;
	s->aborts++;
	unlock(s);
}

const char *kvs_store_why(const struct kvs_store *s)
{
	(void)s;
	return "for the test";
}

void kvs_store_gauge(struct kvs_store *s, struct kvs_store_gauges *out)
{
	lock(s);
	*out = s->gauges;
	unlock(s);
}

/* -- control -- */

struct fixture {
	struct ev_loop *loop;
	struct mailbox mailbox;
	ev_timer deadline;
	struct kvs_store kvs;
	struct store *store;
	char told[512]; /* "stored 3; failed; " */
	uint64_t stored;
	unsigned failed;
};

static void on_deadline(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
	fail_msg("nothing came within %d s", DEADLINE_S);
}

static void tell(struct fixture *f, const char *what)
{
	CHECK(strlen(f->told) + strlen(what) < sizeof(f->told));
	memcpy(f->told + strlen(f->told), what, strlen(what) + 1);
}

static void on_stored(void *ctx, uint64_t seq)
{
	struct fixture *f = ctx;
	char text[32];
	snprintf(text, sizeof(text), "stored %llu; ", (unsigned long long)seq);
	tell(f, text);
	assert_true(seq > f->stored);
	f->stored = seq;
}

static void on_failed(void *ctx, enum err e)
{
	struct fixture *f = ctx;
	assert_int_not_equal(e, OK);
	tell(f, "failed; ");
	f->failed++;
}

static const struct store_events events = { on_stored, on_failed };

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	assert_non_null(f);
	f->loop = ev_loop_new(EVFLAG_AUTO);
	assert_non_null(f->loop);
	mailbox_init(&f->mailbox, f->loop);
	ev_timer_init(&f->deadline, on_deadline, DEADLINE_S, 0.0);
	ev_timer_start(f->loop, &f->deadline);
	assert_int_equal(pthread_mutex_init(&f->kvs.lock, NULL), 0);
	assert_int_equal(pthread_cond_init(&f->kvs.changed, NULL), 0);
	f->store = store_start(&f->kvs, &f->mailbox, &events, f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	store_stop(f->store);
	assert_int_equal(pthread_cond_destroy(&f->kvs.changed), 0);
	assert_int_equal(pthread_mutex_destroy(&f->kvs.lock), 0);
	ev_timer_stop(f->loop, &f->deadline);
	mailbox_fini(&f->mailbox);
	ev_loop_destroy(f->loop);
	free(f);
	return 0;
}

static void close_gate(struct fixture *f)
{
	lock(&f->kvs);
	f->kvs.gate_closed = true;
	unlock(&f->kvs);
}

/* The thread stands at the gate with what it took. */
static void wait_at_gate(struct fixture *f)
{
	struct timespec until;
	assert_int_equal(clock_gettime(CLOCK_REALTIME, &until), 0);
	until.tv_sec += DEADLINE_S;
	lock(&f->kvs);
	while (!f->kvs.waiting)
		assert_int_equal(pthread_cond_timedwait(&f->kvs.changed, &f->kvs.lock, &until), 0);
	unlock(&f->kvs);
}

static void open_gate(struct fixture *f)
{
	lock(&f->kvs);
	f->kvs.gate_closed = false;
	CHECK(pthread_cond_broadcast(&f->kvs.changed) == 0);
	unlock(&f->kvs);
}

static void submit_as(struct fixture *f, uint64_t seq, const char *key, const char *value, bool own)
{
	struct kvs_row_meta row = { .have = seq };
	char k[32], v[32];
	snprintf(k, sizeof(k), "%s", key);
	snprintf(v, sizeof(v), "%s", value);
	struct kvs_op ops[3] = {
		{ .kind = KVS_OP_ROW, .row = &row },
		{ .kind = KVS_OP_ENTRY, .entry = { .key = bytes_str(k), .value = bytes_str(v), .version = seq } },
		{ .kind = KVS_OP_DROP_ENTRY, .entry = { .key = bytes_str(k), .version = seq } },
	};
	struct kvs_outputs out = { .ops = ops, .ops_n = 3, .ops_seq = seq, .ops_own = own };
	store_submit(f->store, &out);
	/* The batch was copied whole. */
	memset(&row, 0xff, sizeof(row));
	memset(k, '?', sizeof(k));
	memset(v, '?', sizeof(v));
	memset(ops, 0xff, sizeof(ops));
}

static void submit(struct fixture *f, uint64_t seq, const char *key, const char *value)
{
	submit_as(f, seq, key, value, false);
}

static void run_until_stored(struct fixture *f, uint64_t seq)
{
	while (f->stored < seq)
		ev_run(f->loop, EVRUN_ONCE);
}

/* Waits for the thread without running control's loop. */
static void wait_for(struct fixture *f, uint64_t commits, uint64_t failures)
{
	struct store_counters c;
	for (int i = 0; i < DEADLINE_S * 500; i++) {
		store_count(f->store, &c);
		if (c.commits >= commits && c.failures >= failures)
			return;
		(void)poll(NULL, 0, 2); /* gives way between looks */
	}
	fail_msg("the store did not get there");
}

static void assert_committed(struct fixture *f, size_t n, const char *const *expected)
{
	lock(&f->kvs);
	assert_int_equal(f->kvs.committed_n, n);
	for (size_t i = 0; i < n; i++)
		assert_string_equal(f->kvs.committed[i], expected[i]);
	unlock(&f->kvs);
}

/* -- tests -- */

static void a_batch_is_copied_committed_and_told(void **state)
{
	struct fixture *f = *state;
	assert_true(store_idle(f->store));
	submit(f, 1, "a", "x");
	run_until_stored(f, 1);
	assert_true(store_idle(f->store));
	const char *expected[] = { "row 1", "a=x@1", "a=@1" };
	assert_committed(f, 3, expected);
	assert_string_equal(f->told, "stored 1; ");
	struct store_counters c;
	store_count(f->store, &c);
	assert_int_equal(c.commits, 1);
	assert_int_equal(c.batches, 1);
	assert_int_equal(c.failures, 0);
	assert_int_equal(c.queued_bytes, 0);
}

static void what_queues_up_is_one_transaction_in_order(void **state)
{
	struct fixture *f = *state;
	close_gate(f);
	submit(f, 1, "a", "1");
	wait_at_gate(f);
	submit(f, 2, "b", "2");
	submit(f, 3, "c", "3");
	submit(f, 4, "d", "4");
	assert_false(store_idle(f->store));
	open_gate(f);
	run_until_stored(f, 4);
	const char *expected[] = { "row 1", "a=1@1", "a=@1", "row 2", "b=2@2", "b=@2", "row 3", "c=3@3", "c=@3",
		"row 4", "d=4@4", "d=@4" };
	assert_committed(f, 12, expected);
	assert_int_equal(f->kvs.commits, 2);
	struct store_counters c;
	store_count(f->store, &c);
	assert_int_equal(c.commits, 2);
	assert_int_equal(c.batches, 4);
	assert_int_equal(c.queued_bytes, 0);
}

static uint64_t now_ms(void)
{
	struct timespec t;
	CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void others_rows_wait_for_more(void **state)
{
	struct fixture *f = *state;
	uint64_t begin = now_ms();
	for (uint64_t seq = 1; seq <= 10; seq++)
		submit(f, seq, "a", "x");
	/* On a machine that is slow to get there they may be two. */
	bool in_time = now_ms() - begin < STORE_LINGER_MS;
	run_until_stored(f, 10);
	assert_true(now_ms() - begin >= STORE_LINGER_MS);
	if (in_time)
		assert_int_equal(f->kvs.commits, 1);
}

static void own_rows_wait_for_nothing_and_take_the_others_along(void **state)
{
	struct fixture *f = *state;
	uint64_t best = UINT64_MAX;
	for (uint64_t seq = 2; seq <= 20; seq += 2) {
		uint64_t begin = now_ms();
		submit(f, seq - 1, "a", "others");
		submit_as(f, seq, "b", "own", true);
		run_until_stored(f, seq);
		if (now_ms() - begin < best)
			best = now_ms() - begin;
	}
	assert_true(best < STORE_LINGER_MS / 2);
	lock(&f->kvs);
	assert_true(f->kvs.commits <= 20);
	assert_int_equal(f->kvs.committed_n, 60);
	unlock(&f->kvs);
}

/* The core stops emitting at KVS_BATCHES_MAX. */
static void many_batches_wait_for_nothing(void **state)
{
	struct fixture *f = *state;
	uint64_t best = UINT64_MAX, seq = 0;
	for (unsigned round = 0; round < 2; round++) {
		uint64_t begin = now_ms();
		for (unsigned i = 0; i < KVS_BATCHES_MAX / 2; i++)
			submit(f, ++seq, "a", "x");
		run_until_stored(f, seq);
		if (now_ms() - begin < best)
			best = now_ms() - begin;
	}
	assert_true(best < STORE_LINGER_MS);
}

static void a_group_has_a_bound(void **state)
{
	struct fixture *f = *state;
	static char value[STORE_GROUP_BYTES / 3];
	memset(value, 'v', sizeof(value));
	close_gate(f);
	struct kvs_op op = { .kind = KVS_OP_ENTRY };
	op.entry =
	    (struct rpc_entry){ .key = BYTES_LIT("k"), .value = bytes_of(value, sizeof(value)), .version = 1 };
	struct kvs_outputs out = { .ops = &op, .ops_n = 1 };
	for (out.ops_seq = 1; out.ops_seq <= 8; out.ops_seq++)
		store_submit(f->store, &out);
	open_gate(f);
	run_until_stored(f, 8);
	lock(&f->kvs);
	assert_in_range(f->kvs.commits, 4, 8);
	unlock(&f->kvs);
	struct store_counters c;
	store_count(f->store, &c);
	assert_int_equal(c.batches, 8);
	assert_int_equal(c.queued_bytes, 0);
}

static void the_oldest_reader_ages(void **state)
{
	struct fixture *f = *state;
	struct store_counters c;
	lock(&f->kvs);
	f->kvs.gauges = (struct kvs_store_gauges){ .commits = 9, .oldest_reader = 9 };
	unlock(&f->kvs);
	store_count(f->store, &c);
	assert_int_equal(c.oldest_reader_ms, 0);
	lock(&f->kvs);
	f->kvs.gauges = (struct kvs_store_gauges){ .commits = 30, .oldest_reader = 9, .open_readers = 1 };
	unlock(&f->kvs);
	uint64_t begin = now_ms();
	do {
		store_count(f->store, &c);
		assert_int_equal(c.oldest_reader_commits, 21);
		assert_true(now_ms() - begin < DEADLINE_S * 1000);
	} while (c.oldest_reader_ms < 5);
	assert_true(c.oldest_reader_ms <= now_ms() - begin + 1);
	/* It ended, and another began. */
	lock(&f->kvs);
	f->kvs.gauges.oldest_reader = 30;
	unlock(&f->kvs);
	store_count(f->store, &c);
	assert_true(c.oldest_reader_ms < 5);
	assert_int_equal(c.oldest_reader_commits, 0);
}

static void fail_once(struct fixture *f, int *what)
{
	lock(&f->kvs);
	*what = 1;
	unlock(&f->kvs);
	submit(f, 1, "a", "1");
	while (f->failed == 0)
		ev_run(f->loop, EVRUN_ONCE);
	assert_false(store_idle(f->store));
	submit(f, 2, "b", "2");
	run_until_stored(f, 2);
	const char *expected[] = { "row 1", "a=1@1", "a=@1", "row 2", "b=2@2", "b=@2" };
	assert_committed(f, 6, expected);
	assert_string_equal(f->told, "failed; stored 2; ");
	char why[KVS_STORE_DETAIL_BYTES];
	store_why(f->store, why);
	assert_string_equal(why, "for the test");
	struct store_counters c;
	store_count(f->store, &c);
	assert_int_equal(c.failures, 1);
	assert_int_equal(c.queued_bytes, 0);
}

static void a_failed_begin_is_tried_again(void **state)
{
	struct fixture *f = *state;
	fail_once(f, &f->kvs.fail_begin);
	assert_int_equal(f->kvs.aborts, 0);
}

static void a_failed_apply_is_aborted_and_tried_again(void **state)
{
	struct fixture *f = *state;
	fail_once(f, &f->kvs.fail_apply);
	assert_int_equal(f->kvs.aborts, 1);
}

static void a_failed_commit_is_tried_again(void **state)
{
	struct fixture *f = *state;
	fail_once(f, &f->kvs.fail_commit);
	assert_int_equal(f->kvs.aborts, 0);
}

/* What comes during a failing try stands behind what failed. */
static void order_holds_when_batches_come_during_a_failing_try(void **state)
{
	struct fixture *f = *state;
	lock(&f->kvs);
	f->kvs.fail_commit = 1;
	f->kvs.gate_closed = true;
	unlock(&f->kvs);
	submit(f, 1, "a", "1");
	wait_at_gate(f);
	submit(f, 2, "b", "2");
	open_gate(f);
	run_until_stored(f, 2);
	submit(f, 3, "c", "3");
	run_until_stored(f, 3);
	const char *expected[] = { "row 1", "a=1@1", "a=@1", "row 2", "b=2@2", "b=@2", "row 3", "c=3@3", "c=@3" };
	assert_committed(f, 9, expected);
}

static void failing_on_is_told_once(void **state)
{
	struct fixture *f = *state;
	lock(&f->kvs);
	f->kvs.fail_begin = 2;
	unlock(&f->kvs);
	submit(f, 1, "a", "1");
	run_until_stored(f, 1);
	assert_string_equal(f->told, "failed; stored 1; ");
}

/* A success and the next failure that control sees at one look: it must hear of both, or it would believe
 * that the store is well. */
static void a_failure_after_an_unseen_success_is_told(void **state)
{
	struct fixture *f = *state;
	lock(&f->kvs);
	f->kvs.fail_commit = 1;
	unlock(&f->kvs);
	submit(f, 1, "a", "1");
	while (f->failed == 0)
		ev_run(f->loop, EVRUN_ONCE);
	wait_for(f, 1, 1);
	lock(&f->kvs);
	f->kvs.fail_commit = 1;
	unlock(&f->kvs);
	submit(f, 2, "b", "2");
	wait_for(f, 1, 2);
	ev_run(f->loop, EVRUN_ONCE);
	assert_string_equal(f->told, "failed; stored 1; failed; ");
	run_until_stored(f, 2);
}

static void it_is_full_past_its_bound(void **state)
{
	struct fixture *f = *state;
	static char value[4 * 1024 * 1024];
	memset(value, 'v', sizeof(value));
	close_gate(f);
	struct kvs_op op = { .kind = KVS_OP_ENTRY };
	op.entry =
	    (struct rpc_entry){ .key = BYTES_LIT("k"), .value = bytes_of(value, sizeof(value)), .version = 1 };
	struct kvs_outputs out = { .ops = &op, .ops_n = 1 };
	uint64_t seq = 0;
	while (!store_full(f->store)) {
		assert_true(seq * sizeof(value) <= STORE_QUEUE_BYTES);
		out.ops_seq = ++seq;
		store_submit(f->store, &out);
	}
	assert_true(seq * sizeof(value) >= STORE_QUEUE_BYTES - sizeof(value));
	open_gate(f);
	run_until_stored(f, seq);
	assert_false(store_full(f->store));
}

static void stop_commits_what_is_queued(void **state)
{
	struct fixture *f = *state;
	close_gate(f);
	submit(f, 1, "a", "1");
	wait_at_gate(f);
	submit(f, 2, "b", "2");
	open_gate(f);
	store_stop(f->store);
	f->store = NULL;
	assert_int_equal(f->kvs.committed_n, 6);
	store_stop(NULL);
}

static void stop_does_not_wait_for_a_store_that_fails(void **state)
{
	struct fixture *f = *state;
	lock(&f->kvs);
	f->kvs.fail_commit = 1000;
	unlock(&f->kvs);
	submit(f, 1, "a", "1");
	while (f->failed == 0)
		ev_run(f->loop, EVRUN_ONCE);
	submit(f, 2, "b", "2");
	store_stop(f->store);
	f->store = NULL;
	assert_int_equal(f->kvs.committed_n, 0);
	assert_true(1000 - f->kvs.fail_commit <= 3);
	assert_false(f->kvs.open);
}

static void deliver_nothing(struct letter *l)
{
	(void)l;
}

/* The news that the store had for control goes with it. */
static void nothing_of_a_stopped_store_is_left_in_the_mailbox(void **state)
{
	struct fixture *f = *state;
	submit(f, 1, "a", "1");
	wait_for(f, 1, 0);
	store_stop(f->store);
	f->store = NULL;
	struct letter other = { .deliver = deliver_nothing };
	assert_true(mailbox_post(&f->mailbox, &other));
	ev_run(f->loop, EVRUN_ONCE);
	assert_false(atomic_load(&other.posted));
	assert_string_equal(f->told, "");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_batch_is_copied_committed_and_told),
		T(what_queues_up_is_one_transaction_in_order),
		T(others_rows_wait_for_more),
		T(own_rows_wait_for_nothing_and_take_the_others_along),
		T(many_batches_wait_for_nothing),
		T(a_group_has_a_bound),
		T(the_oldest_reader_ages),
		T(a_failed_begin_is_tried_again),
		T(a_failed_apply_is_aborted_and_tried_again),
		T(a_failed_commit_is_tried_again),
		T(order_holds_when_batches_come_during_a_failing_try),
		T(failing_on_is_told_once),
		T(a_failure_after_an_unseen_success_is_told),
		T(it_is_full_past_its_bound),
		T(stop_commits_what_is_queued),
		T(stop_does_not_wait_for_a_store_that_fails),
		T(nothing_of_a_stopped_store_is_left_in_the_mailbox),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
