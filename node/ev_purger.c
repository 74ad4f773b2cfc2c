#include "node/ev_purger.h"

#include "base/obj.h"
#include "base/text.h"
#include "node/fs_log.h"
#include "node/purge_reader.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PURGER_MAGIC 0x70757267u

enum { LOOK_EVERY_MS = 1000, LOOK_FIRST_MS = 50 }; /* often, until it is proven */

/* What the thread is to do: its own from the hand-over until its letter is delivered. */
struct job {
	struct letter letter;
	struct purge_reading reading;
	struct purges_row *rows;
	size_t rows_n;
	struct cache_purge_ids ids;
	enum err result;
};

struct purger {
	unsigned magic;
	struct purger_config c;
	ev_timer timer;
	struct purge_reader reader; /* as the disks have it, or will when the job is done */
	bool look, proven, told;
	struct job job;
	bool busy; /* the job is the thread's */

	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t work;
	bool has_work, stopping;
};

static uint64_t now_mono_ms(void)
{
	struct timespec t;
	CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* -- the thread -- */

static void apply(struct purger *p, struct job *j)
{
	for (size_t i = 0; i < j->reading.found_n; i++) {
		struct purge_found *one = &j->reading.found[i];
		struct bytes content = bytes_of(one->content, one->content_n);
		purged_begin(p->c.purged, &one->id, content, now_mono_ms());
		warmer_purge(p->c.warmer, content);
		fills_purge(p->c.fills, content);
		one->units = cache_purge(p->c.cache, content);
		purged_done(p->c.purged, &one->id);
	}
	j->result = cache_purges_store(p->c.cache, j->rows, j->rows_n, &j->ids);
}

static void *run(void *arg)
{
	struct purger *p = arg;
	CHECK(pthread_mutex_lock(&p->lock) == 0);
	for (;;) {
		while (!p->has_work && !p->stopping)
			CHECK(pthread_cond_wait(&p->work, &p->lock) == 0);
		if (p->stopping)
			break;
		p->has_work = false;
		CHECK(pthread_mutex_unlock(&p->lock) == 0);
		apply(p, &p->job);
		(void)mailbox_post(p->c.mailbox, &p->job.letter);
		CHECK(pthread_mutex_lock(&p->lock) == 0);
	}
	CHECK(pthread_mutex_unlock(&p->lock) == 0);
	return NULL;
}

/* -- reading the replica -- */

static void log_doubt(const struct node_id *owner)
{
	char id[2 * NODE_ID_BYTES + 1];
	text_hex(id, bytes_of(owner->b, NODE_ID_BYTES));
	LOG_EVENT(LOG_WARN, "cache", "purges-missed",
	    "purges of a node may have been missed: what the cache holds is confirmed by the origin store before "
	    "it is served",
	    LOG_STR("owner_id", id));
}

static void hand_over(struct purger *p)
{
	struct job *j = &p->job;
	j->rows = calloc(p->reader.applied.n + 1, sizeof(j->rows[0]));
	CHECK(j->rows != NULL);
	j->rows_n = 0;
	for (size_t i = 0; i < p->reader.applied.n; i++) {
		if (!p->reader.applied.rows[i].dirty)
			continue;
		j->rows[j->rows_n++] = p->reader.applied.rows[i];
		p->reader.applied.rows[i].dirty = false;
	}
	j->ids = p->reader.ids;
	if (j->rows_n == 0) {
		free(j->rows);
		j->rows = NULL;
		return;
	}
	p->busy = true;
	CHECK(pthread_mutex_lock(&p->lock) == 0);
	p->has_work = true;
	CHECK(pthread_cond_signal(&p->work) == 0);
	CHECK(pthread_mutex_unlock(&p->lock) == 0);
}

static bool caught_up(const struct purger *p)
{
	const struct kvs *kvs = control_kvs(p->c.control);
	/* Alone, where the disks know of others: the replica was lost, and they are not there yet. */
	return kvs_caught_up(kvs) && (kvs_members_n(kvs) > 1 || p->reader.applied.n <= 1);
}

static void put_applied(void *arg, const struct kvs_command *c)
{
	struct purger *p = arg;
	if (c->what.kind != RPC_COMMAND_PURGE)
		return;
	purged_begin(p->c.purged, &c->id, c->what.subject, now_mono_ms());
	purged_done(p->c.purged, &c->id);
}

/* All that the replica has was applied: also in runs before this one. */
static void complete(struct purger *p)
{
	const struct kvs *kvs = control_kvs(p->c.control);
	for (size_t i = 0; i < kvs_members_n(kvs); i++) {
		struct kvs_member m;
		kvs_member_at(kvs, i, &m);
		kvs_each_command(kvs, &m.id, 0, put_applied, p);
	}
	purged_complete(p->c.purged);
}

static void look(struct purger *p)
{
	const struct kvs *kvs = control_kvs(p->c.control);
	if (p->busy) {
		p->look = true;
		return;
	}
	p->look = false;
	purge_reader_read(&p->reader, kvs, &p->job.reading);
	if (p->job.reading.doubts) {
		log_doubt(&p->job.reading.doubted);
		purged_doubt(p->c.purged);
		cache_doubt(p->c.cache);
	}
	bool all = p->job.reading.whole;
	p->look = !all;
	hand_over(p);
	if (all && p->job.reading.found_n == 0 && !p->proven && caught_up(p)) {
		p->proven = true;
		complete(p);
		cache_prove(p->c.cache);
		LOG_EVENT(LOG_INFO, "cache", "proven",
		    "all purges that this node's peers know are applied to what its disks held", LOG_END);
	}
}

static void on_commands(void *ctx)
{
	look(OBJ_CAST(struct purger, PURGER_MAGIC, ctx));
}

/* -- what was done -- */

static void tell(struct purger *p)
{
	struct rpc_applied a = { .n = p->job.ids.n };
	_Static_assert((int)CACHE_PURGE_IDS_MAX == (int)RPC_APPLIED_MAX, "all of them are told");
	_Static_assert(sizeof(a.ids[0]) == sizeof(p->job.ids.ids[0]), "the same ids");
	memcpy(a.ids, p->job.ids.ids, a.n * sizeof(a.ids[0]));
	control_tell_applied(p->c.control, &a);
}

static void log_purges(const struct job *j)
{
	for (size_t i = 0; i < j->reading.found_n; i++) {
		char id[2 * RPC_COMMAND_ID_BYTES + 1];
		text_hex(id, bytes_of(j->reading.found[i].id.b, RPC_COMMAND_ID_BYTES));
		LOG_EVENT(LOG_INFO, "cache", "content-purged", "a content was purged from this node's cache",
		    LOG_BYTES("content", bytes_of(j->reading.found[i].content, j->reading.found[i].content_n)),
		    LOG_STR("purge", id), LOG_U64("units", j->reading.found[i].units));
	}
}

static void on_done(struct letter *l)
{
	struct job *j = CONTAINER_OF(l, struct job, letter);
	struct purger *p = CONTAINER_OF(j, struct purger, job);
	OBJ_CHECK(p, PURGER_MAGIC);
	p->busy = false;
	log_purges(j);
	if (j->result == OK) {
		tell(p);
	} else {
		/* Applied all the same; but it will be applied again after a restart, and is not told before it is
		 * certain. */
		LOG_EVENT(LOG_ERROR, "cache", "purges-not-stored",
		    "a cache disk cannot remember which purges it has applied; it is tried again",
		    LOG_STR("error", err_str(j->result)));
		for (size_t i = 0; i < j->rows_n; i++)
			purges_at(&p->reader.applied, &j->rows[i].owner)->dirty = true;
	}
	free(j->rows);
	j->rows = NULL;
	j->reading.found_n = 0;
	if (p->look && j->result == OK)
		look(p);
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)revents;
	struct purger *p = OBJ_CAST(struct purger, PURGER_MAGIC, w->data);
	if (!p->told && !p->busy) {
		p->job.ids = p->reader.ids; /* of the run before */
		p->told = true;
		if (p->reader.ids.n > 0)
			tell(p);
	}
	look(p);
	w->repeat = (p->proven ? LOOK_EVERY_MS : LOOK_FIRST_MS) / 1000.0;
	ev_timer_again(loop, w);
}

enum err purger_start(const struct purger_config *c, struct purger **out)
{
	struct purger *p = OBJ_NEW(struct purger, PURGER_MAGIC);
	p->c = *c;
	p->job.letter.deliver = on_done;
	purges_init(&p->reader.applied);
	cache_purges_load(c->cache, &p->reader.applied, &p->reader.ids);
	CHECK(pthread_mutex_init(&p->lock, NULL) == 0);
	CHECK(pthread_cond_init(&p->work, NULL) == 0);
	if (pthread_create(&p->thread, NULL, run, p) != 0) {
		purges_fini(&p->reader.applied);
		OBJ_FREE(p);
		return ERR_NO_MEMORY;
	}
	ev_timer_init(&p->timer, on_timer, 0.0, LOOK_FIRST_MS / 1000.0);
	p->timer.data = p;
	ev_timer_start(c->loop, &p->timer);
	control_on_commands(c->control, on_commands, p);
	look(p);
	*out = p;
	return OK;
}

void purger_stop(struct purger *p)
{
	if (p == NULL)
		return;
	OBJ_CHECK(p, PURGER_MAGIC);
	control_on_commands(p->c.control, NULL, p);
	ev_timer_stop(p->c.loop, &p->timer);
	CHECK(pthread_mutex_lock(&p->lock) == 0);
	p->stopping = true;
	CHECK(pthread_cond_signal(&p->work) == 0);
	CHECK(pthread_mutex_unlock(&p->lock) == 0);
	CHECK(pthread_join(p->thread, NULL) == 0);
	mailbox_withdraw(p->c.mailbox, &p->job.letter);
	free(p->job.rows);
	purges_fini(&p->reader.applied);
	CHECK(pthread_cond_destroy(&p->work) == 0);
	CHECK(pthread_mutex_destroy(&p->lock) == 0);
	OBJ_FREE(p);
}
