#include "ev_store_fixture.h"

#include "base/obj.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* -- the fake store: what was committed, in order -- */

void lock(struct kvs_store *s)
{
	CHECK(pthread_mutex_lock(&s->lock) == 0);
}

void unlock(struct kvs_store *s)
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

static void on_reader_stays(void *ctx, uint64_t age_ms, uint64_t commits)
{
	struct fixture *f = ctx;
	assert_true(age_ms >= READER_STAYS_MS && commits > 0);
	tell(f, "reader stays; ");
	f->reader_stays++;
}

static const struct store_events events = { on_stored, on_failed, on_reader_stays, READER_STAYS_MS };

int setup(void **state)
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

int teardown(void **state)
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

void close_gate(struct fixture *f)
{
	lock(&f->kvs);
	f->kvs.gate_closed = true;
	unlock(&f->kvs);
}

void wait_at_gate(struct fixture *f)
{
	struct timespec until;
	assert_int_equal(clock_gettime(CLOCK_REALTIME, &until), 0);
	until.tv_sec += DEADLINE_S;
	lock(&f->kvs);
	while (!f->kvs.waiting)
		assert_int_equal(pthread_cond_timedwait(&f->kvs.changed, &f->kvs.lock, &until), 0);
	unlock(&f->kvs);
}

void open_gate(struct fixture *f)
{
	lock(&f->kvs);
	f->kvs.gate_closed = false;
	CHECK(pthread_cond_broadcast(&f->kvs.changed) == 0);
	unlock(&f->kvs);
}

void submit_as(struct fixture *f, uint64_t seq, const char *key, const char *value, bool own)
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

void submit(struct fixture *f, uint64_t seq, const char *key, const char *value)
{
	submit_as(f, seq, key, value, false);
}

void run_until_stored(struct fixture *f, uint64_t seq)
{
	while (f->stored < seq)
		ev_run(f->loop, EVRUN_ONCE);
}

void wait_for(struct fixture *f, uint64_t commits, uint64_t failures)
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

void assert_committed(struct fixture *f, size_t n, const char *const *expected)
{
	lock(&f->kvs);
	assert_int_equal(f->kvs.committed_n, n);
	for (size_t i = 0; i < n; i++)
		assert_string_equal(f->kvs.committed[i], expected[i]);
	unlock(&f->kvs);
}

uint64_t now_ms(void)
{
	struct timespec t;
	CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}
