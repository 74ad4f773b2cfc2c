/* Which batches the store thread commits together, and what it sees of readers. */
#include "ev_store_fixture.h"

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

static void see_reader(struct fixture *f, uint64_t commits, uint64_t oldest, uint64_t open)
{
	lock(&f->kvs);
	f->kvs.gauges =
	    (struct kvs_store_gauges){ .commits = commits, .oldest_reader = oldest, .open_readers = open };
	unlock(&f->kvs);
}

/* Until a reader that is open has been seen for so long. */
static void wait_age(struct fixture *f, uint64_t ms)
{
	struct store_counters c;
	uint64_t begin = now_ms();
	do {
		store_count(f->store, &c);
		assert_true(now_ms() - begin < DEADLINE_S * 1000);
	} while (c.oldest_reader_ms < ms);
}

static void a_reader_that_stays_is_told_once(void **state)
{
	struct fixture *f = *state;
	uint64_t seq = 0;
	see_reader(f, 30, 9, 1);
	while (f->reader_stays == 0 && seq < 9) { /* the first commit sees it, a later one that it is old */
		submit_as(f, ++seq, "a", "x", true);
		run_until_stored(f, seq);
		wait_age(f, READER_STAYS_MS);
	}
	assert_int_equal(f->reader_stays, 1);
	for (unsigned i = 0; i < 3; i++) {
		submit_as(f, ++seq, "a", "x", true);
		run_until_stored(f, seq);
	}
	assert_int_equal(f->reader_stays, 1);
	see_reader(f, 40, 40, 0);
	submit_as(f, ++seq, "a", "x", true);
	run_until_stored(f, seq);
	/* Another one; one that holds nothing back is no news, however old. */
	see_reader(f, 41, 41, 1);
	for (unsigned i = 0; i < 2; i++) {
		submit_as(f, ++seq, "a", "x", true);
		run_until_stored(f, seq);
		wait_age(f, READER_STAYS_MS);
	}
	assert_int_equal(f->reader_stays, 1);
	see_reader(f, 42, 41, 1);
	submit_as(f, ++seq, "a", "x", true);
	run_until_stored(f, seq);
	assert_int_equal(f->reader_stays, 2);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(others_rows_wait_for_more),
		T(own_rows_wait_for_nothing_and_take_the_others_along),
		T(many_batches_wait_for_nothing),
		T(a_group_has_a_bound),
		T(the_oldest_reader_ages),
		T(a_reader_that_stays_is_told_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
