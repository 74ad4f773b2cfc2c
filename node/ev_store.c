#include "node/ev_store.h"

#include "base/obj.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define STORE_MAGIC 0x73746f72u

/* A submitted batch: its ops with all they point to copied behind them. */
struct batch {
	struct batch *next;
	uint64_t seq;
	size_t bytes;
	bool own; /* waited for by frames to peers */
	uint64_t submitted_ms;
	struct arena memory;
	struct kvs_op *ops;
	size_t ops_n;
};

struct store {
	unsigned magic;
	struct kvs_store *kvs;
	struct mailbox *control;
	struct store_events events;
	void *ctx;
	pthread_t thread;

	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t changed;
	struct batch *first;
	struct batch **end;
	uint64_t queued_n, own_n;
	struct store_counters count;
	uint64_t oldest_reader, oldest_since_ms; /* the oldest open transaction, and when it was first seen */
	char why[KVS_STORE_DETAIL_BYTES];
	uint64_t submitted_seq, stored_seq;
	enum err error; /* of the last commit */
	bool stopping;

	struct letter news; /* to control: stored_seq or error changed */
	uint64_t told_seq;  /* control's own */
	bool told_error, told_reader;
};

static void lock(struct store *s)
{
	CHECK(pthread_mutex_lock(&s->lock) == 0);
}

static void unlock(struct store *s)
{
	CHECK(pthread_mutex_unlock(&s->lock) == 0);
}

static uint64_t now_us(void)
{
	struct timespec t;
	CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* -- copying a batch -- */

static struct bytes copied(struct arena *a, struct bytes b)
{
	if (b.n == 0)
		return BYTES_NONE;
	struct bytes c = arena_dup(a, b);
	CHECK(c.p != NULL);
	return c;
}

static struct batch *batch_new(const struct kvs_outputs *out)
{
	struct batch *b = calloc(1, sizeof(*b));
	CHECK(b != NULL);
	b->seq = out->ops_seq;
	arena_init(&b->memory, SIZE_MAX / 2);
	b->ops = arena_array(&b->memory, out->ops_n, sizeof(*b->ops));
	CHECK(b->ops != NULL);
	b->ops_n = out->ops_n;
	for (size_t i = 0; i < out->ops_n; i++) {
		struct kvs_op *op = &b->ops[i];
		*op = out->ops[i];
		op->entry.key = copied(&b->memory, op->entry.key);
		op->entry.value = copied(&b->memory, op->entry.value);
		if (op->row != NULL) {
			struct bytes row = copied(&b->memory, bytes_of(op->row, sizeof(*op->row)));
			op->row = (const struct kvs_row_meta *)(const void *)row.p;
		}
	}
	b->bytes = b->memory.used;
	b->own = out->ops_own;
	b->submitted_ms = now_us() / 1000;
	return b;
}

static void batches_free(struct batch *b)
{
	while (b != NULL) {
		struct batch *next = b->next;
		arena_fini(&b->memory);
		free(b);
		b = next;
	}
}

/* -- the thread -- */

/* All queued batches in one transaction. */
static enum err commit_all(struct store *s, const struct batch *first)
{
	enum err e = kvs_store_begin(s->kvs);
	if (e != OK)
		return e;
	for (const struct batch *b = first; b != NULL; b = b->next) {
		e = kvs_store_apply(s->kvs, b->ops, b->ops_n);
		if (e != OK) {
			kvs_store_abort(s->kvs);
			return e;
		}
	}
	return kvs_store_commit(s->kvs);
}

/* Until `ms` on the clock of now_us; false: it has come. */
static bool wait_until(struct store *s, uint64_t ms)
{
	struct timespec until = { .tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000 };
	return pthread_cond_timedwait(&s->changed, &s->lock, &until) == 0;
}

static void wait_before_retry(struct store *s)
{
	uint64_t until = now_us() / 1000 + STORE_RETRY_MS;
	while (!s->stopping && wait_until(s, until))
		;
}

/* Nothing more is waited for: frames wait, the core soon emits no more, or the group is full. */
static bool urgent(const struct store *s)
{
	return s->own_n > 0 || s->queued_n >= KVS_BATCHES_MAX / 2 || s->count.queued_bytes >= STORE_GROUP_BYTES;
}

static void linger(struct store *s)
{
	uint64_t until = s->first->submitted_ms + STORE_LINGER_MS;
	while (!s->stopping && !urgent(s) && wait_until(s, until))
		;
}

struct group {
	struct batch *first, *last;
	uint64_t n, own_n;
	size_t bytes;
};

static struct group take_group(struct store *s)
{
	struct group g = { .first = s->first };
	for (struct batch *b = s->first; b != NULL && (g.n == 0 || g.bytes + b->bytes <= STORE_GROUP_BYTES);
	     b = b->next) {
		g.last = b;
		g.bytes += b->bytes;
		g.own_n += b->own;
		g.n++;
	}
	s->first = g.last->next;
	g.last->next = NULL;
	if (s->first == NULL)
		s->end = &s->first;
	s->queued_n -= g.n;
	s->own_n -= g.own_n;
	return g;
}

static void put_back(struct store *s, const struct group *g)
{
	g->last->next = s->first;
	if (s->first == NULL)
		s->end = &g->last->next;
	s->first = g->first;
	s->queued_n += g->n;
	s->own_n += g->own_n;
}

static void watch_readers(struct store *s)
{
	struct kvs_store_gauges *k = &s->count.kvs;
	kvs_store_gauge(s->kvs, k);
	uint64_t now_ms = now_us() / 1000;
	if (k->oldest_reader != s->oldest_reader || k->open_readers == 0)
		s->oldest_since_ms = now_ms;
	s->oldest_reader = k->oldest_reader;
	s->count.oldest_reader_ms = k->open_readers == 0 ? 0 : now_ms - s->oldest_since_ms;
	s->count.oldest_reader_commits = k->open_readers == 0 ? 0 : k->commits - k->oldest_reader;
}

static void count_commit(struct store *s, const struct group *g, uint64_t took_us)
{
	s->stored_seq = g->last->seq;
	s->count.commits++;
	s->count.batches += g->n;
	s->count.queued_bytes -= g->bytes;
	s->count.commit_us += took_us;
	if (took_us > s->count.commit_max_us)
		s->count.commit_max_us = took_us;
}

/* Takes a group of what is queued, commits it without the lock, and puts it back when that failed. */
static void commit_queue(struct store *s)
{
	struct group g = take_group(s);
	unlock(s);
	uint64_t began_us = now_us();
	enum err e = commit_all(s, g.first);
	uint64_t took_us = now_us() - began_us;
	lock(s);
	s->error = e;
	if (e == OK) {
		count_commit(s, &g, took_us);
		batches_free(g.first);
	} else {
		s->count.failures++;
		snprintf(s->why, sizeof(s->why), "%s", kvs_store_why(s->kvs));
		put_back(s, &g);
	}
	watch_readers(s);
	mailbox_post(s->control, &s->news);
}

static void *store_main(void *arg)
{
	struct store *s = OBJ_CAST(struct store, STORE_MAGIC, arg);
	lock(s);
	for (;;) {
		while (s->first == NULL && !s->stopping)
			CHECK(pthread_cond_wait(&s->changed, &s->lock) == 0);
		if (s->first == NULL)
			break;
		linger(s);
		commit_queue(s);
		if (s->error != OK) {
			if (s->stopping)
				break;
			wait_before_retry(s);
		}
	}
	unlock(s);
	return NULL;
}

/* -- control's side -- */

static void tell_reader(struct store *s, uint64_t age_ms, uint64_t commits)
{
	bool stays = age_ms >= s->events.reader_stays_ms && commits > 0;
	if (stays && !s->told_reader)
		s->events.reader_stays(s->ctx, age_ms, commits);
	s->told_reader = stays;
}

static void on_news(struct letter *l)
{
	struct store *s = CONTAINER_OF(l, struct store, news);
	lock(s);
	uint64_t seq = s->stored_seq;
	enum err e = s->error;
	uint64_t reader_ms = s->count.oldest_reader_ms, reader_commits = s->count.oldest_reader_commits;
	unlock(s);
	if (seq > s->told_seq) {
		s->told_seq = seq;
		s->told_error = false; /* one that succeeded and failed again between two looks is told as both */
		s->events.stored(s->ctx, seq);
	}
	if (e != OK && !s->told_error)
		s->events.failed(s->ctx, e);
	s->told_error = e != OK;
	tell_reader(s, reader_ms, reader_commits);
}

struct store *store_start(
    struct kvs_store *kvs, struct mailbox *control, const struct store_events *events, void *ctx)
{
	struct store *s = OBJ_NEW(struct store, STORE_MAGIC);
	s->kvs = kvs;
	s->control = control;
	s->events = *events;
	s->ctx = ctx;
	s->end = &s->first;
	s->news.deliver = on_news;
	CHECK(pthread_mutex_init(&s->lock, NULL) == 0);
	pthread_condattr_t monotonic; /* a wall clock that is set does not stretch the wait for a retry */
	CHECK(pthread_condattr_init(&monotonic) == 0);
	CHECK(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
	CHECK(pthread_cond_init(&s->changed, &monotonic) == 0);
	CHECK(pthread_condattr_destroy(&monotonic) == 0);
	CHECK(pthread_create(&s->thread, NULL, store_main, s) == 0);
	return s;
}

void store_submit(struct store *s, const struct kvs_outputs *batch)
{
	struct batch *b = batch_new(batch);
	lock(s);
	*s->end = b;
	s->end = &b->next;
	s->submitted_seq = b->seq;
	s->count.queued_bytes += b->bytes;
	s->own_n += b->own;
	/* What only adds to a group that is waited for wakes nobody. */
	if (s->queued_n++ == 0 || urgent(s))
		CHECK(pthread_cond_signal(&s->changed) == 0);
	unlock(s);
}

bool store_full(struct store *s)
{
	lock(s);
	bool full = s->count.queued_bytes > STORE_QUEUE_BYTES;
	unlock(s);
	return full;
}

bool store_idle(struct store *s)
{
	lock(s);
	bool idle = s->stored_seq == s->submitted_seq;
	unlock(s);
	return idle;
}

void store_count(struct store *s, struct store_counters *out)
{
	lock(s);
	watch_readers(s);
	*out = s->count;
	unlock(s);
}

void store_why(struct store *s, char out[KVS_STORE_DETAIL_BYTES])
{
	lock(s);
	memcpy(out, s->why, sizeof(s->why));
	unlock(s);
}

void store_stop(struct store *s)
{
	if (s == NULL)
		return;
	lock(s);
	s->stopping = true;
	CHECK(pthread_cond_signal(&s->changed) == 0);
	unlock(s);
	CHECK(pthread_join(s->thread, NULL) == 0);
	mailbox_withdraw(s->control, &s->news);
	batches_free(s->first);
	CHECK(pthread_cond_destroy(&s->changed) == 0);
	CHECK(pthread_mutex_destroy(&s->lock) == 0);
	OBJ_FREE(s);
}
