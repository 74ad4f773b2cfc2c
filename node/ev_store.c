#include "node/ev_store.h"

#include "base/obj.h"

#include <string.h>
#include <time.h>

#define STORE_MAGIC 0x73746f72u

/* A submitted batch: its ops with all they point to copied behind them. */
struct batch {
	struct batch *next;
	uint64_t seq;
	size_t bytes;
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
	struct store_counters count;
	uint64_t submitted_seq, stored_seq;
	enum err error; /* of the last commit */
	bool stopping;

	struct letter news; /* to control: stored_seq or error changed */
	uint64_t told_seq;  /* control's own */
	bool told_error;
};

static void lock(struct store *s)
{
	CHECK(pthread_mutex_lock(&s->lock) == 0);
}

static void unlock(struct store *s)
{
	CHECK(pthread_mutex_unlock(&s->lock) == 0);
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

static void wait_before_retry(struct store *s)
{
	struct timespec until;
	CHECK(clock_gettime(CLOCK_MONOTONIC, &until) == 0);
	until.tv_sec += STORE_RETRY_MS / 1000;
	while (!s->stopping && pthread_cond_timedwait(&s->changed, &s->lock, &until) == 0)
		;
}

/* Takes what is queued, commits it without the lock, and puts it back when that failed. */
static void commit_queue(struct store *s)
{
	struct batch *taken = s->first;
	uint64_t seq = 0, n = 0;
	size_t bytes = 0;
	for (struct batch *b = taken; b != NULL; b = b->next) {
		seq = b->seq;
		bytes += b->bytes;
		n++;
	}
	struct batch **taken_end = s->end;
	s->first = NULL;
	s->end = &s->first;
	unlock(s);
	enum err e = commit_all(s, taken);
	lock(s);
	s->error = e;
	if (e == OK) {
		s->stored_seq = seq;
		s->count.commits++;
		s->count.batches += n;
		s->count.queued_bytes -= bytes;
		batches_free(taken);
	} else {
		s->count.failures++;
		*taken_end = s->first;
		if (s->first == NULL)
			s->end = taken_end;
		s->first = taken;
	}
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

static void on_news(struct letter *l)
{
	struct store *s = CONTAINER_OF(l, struct store, news);
	lock(s);
	uint64_t seq = s->stored_seq;
	enum err e = s->error;
	unlock(s);
	if (seq > s->told_seq) {
		s->told_seq = seq;
		s->told_error = false; /* one that succeeded and failed again between two looks is told as both */
		s->events.stored(s->ctx, seq);
	}
	if (e != OK && !s->told_error)
		s->events.failed(s->ctx, e);
	s->told_error = e != OK;
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
	*out = s->count;
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
