/* What the store thread makes of batches, and of a store that fails. */
#include "ev_store_fixture.h"

#include <poll.h>
#include <stdio.h>

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
