/* The locks around sessions_table.h: a session lives in one of SHARDS tables, picked by its hash, so that
 * workers rarely meet. */
#include "node/delivery/sessions.h"

#include "base/obj.h"
#include "node/delivery/sessions_table.h"

#include <pthread.h>
#include <stdatomic.h>

enum { SHARDS = 64, EXPIRE_BATCH = 32 };

struct shard {
	_Alignas(64) pthread_mutex_t lock;
	struct sessions_table table;
};

struct sessions {
	unsigned magic;
	struct session_gate gate;
	uint32_t idle_timeout_ms;
	atomic_bool draining;
	atomic_size_t active;
	atomic_uint next_shard; /* where the next sessions_expire starts */
	struct shard *shards;
	pthread_mutex_t audience_lock; /* taken inside of a shard's */
	struct audience audience;
};

#define SESSIONS_MAGIC 0x73657373u

static struct shard *lock_shard_of(struct sessions *s, const struct rpc_session_id *id)
{
	OBJ_CHECK(s, SESSIONS_MAGIC);
	struct shard *shard = &s->shards[(sessions_table_hash(id) >> 32) % SHARDS];
	CHECK(pthread_mutex_lock(&shard->lock) == 0);
	return shard;
}

static void unlock(struct shard *shard)
{
	CHECK(pthread_mutex_unlock(&shard->lock) == 0);
}

struct sessions *sessions_new(const struct session_gate *gate, uint32_t idle_timeout_ms)
{
	struct sessions *s = OBJ_NEW(struct sessions, SESSIONS_MAGIC);
	s->gate = *gate;
	s->idle_timeout_ms = idle_timeout_ms;
	CHECK(pthread_mutex_init(&s->audience_lock, NULL) == 0);
	audience_init(&s->audience);
	s->shards = aligned_alloc(_Alignof(struct shard), SHARDS * sizeof(struct shard));
	CHECK(s->shards != NULL);
	for (size_t i = 0; i < SHARDS; i++) {
		CHECK(pthread_mutex_init(&s->shards[i].lock, NULL) == 0);
		sessions_table_init(&s->shards[i].table);
	}
	return s;
}

void sessions_free(struct sessions *s)
{
	if (s == NULL)
		return;
	OBJ_CHECK(s, SESSIONS_MAGIC);
	for (size_t i = 0; i < SHARDS; i++) {
		CHECK(pthread_mutex_destroy(&s->shards[i].lock) == 0);
		sessions_table_fini(&s->shards[i].table);
	}
	free(s->shards);
	CHECK(pthread_mutex_destroy(&s->audience_lock) == 0);
	audience_fini(&s->audience);
	OBJ_FREE(s);
}

/* -- what they watch -- */

static void lock_audience(struct sessions *s)
{
	CHECK(pthread_mutex_lock(&s->audience_lock) == 0);
}

static void unlock_audience(struct sessions *s)
{
	CHECK(pthread_mutex_unlock(&s->audience_lock) == 0);
}

static struct audience_content *begin_watching(struct sessions *s, const struct session_claim *claim)
{
	lock_audience(s);
	struct audience_content *c = audience_enter(&s->audience, claim->origin, claim->content);
	unlock_audience(s);
	return c;
}

static void end_watching(struct sessions *s, struct session_end *ends, size_t n)
{
	lock_audience(s);
	for (size_t i = 0; i < n; i++) {
		if (ends[i].watched != NULL)
			audience_leave(&s->audience, ends[i].watched);
		ends[i].watched = NULL;
	}
	unlock_audience(s);
}

enum err sessions_watched(struct sessions *s, struct arena *a, struct watched **out, size_t *n)
{
	OBJ_CHECK(s, SESSIONS_MAGIC);
	lock_audience(s);
	enum err e = audience_list(&s->audience, a, out, n);
	unlock_audience(s);
	return e;
}

/* -- places -- */

enum session_touch sessions_touch(struct sessions *s, const struct rpc_session_id *id,
    const struct session_claim *claim, uint64_t now_mono_ms)
{
	struct shard *shard = lock_shard_of(s, id);
	enum session_touch result = SESSION_ACTIVE;
	if (!sessions_table_refresh(&shard->table, id, now_mono_ms, true)) {
		result = s->gate.admit(s->gate.ctx, claim, now_mono_ms) ? SESSION_STARTED : SESSION_FULL;
		if (result == SESSION_STARTED) {
			sessions_table_start(&shard->table, id, claim != NULL ? claim->kbps : 0,
			    claim != NULL ? begin_watching(s, claim) : NULL, now_mono_ms);
			atomic_fetch_add(&s->active, 1);
		}
	}
	unlock(shard);
	return result;
}

static void leave(struct sessions *s, struct session_end *ends, size_t n)
{
	if (n == 0)
		return;
	end_watching(s, ends, n);
	atomic_fetch_sub(&s->active, n);
	s->gate.leave(s->gate.ctx, ends, n);
}

void sessions_account(
    struct sessions *s, const struct rpc_session_id *id, uint64_t bytes, bool hit, uint64_t now_mono_ms)
{
	struct shard *shard = lock_shard_of(s, id);
	(void)sessions_table_account(&shard->table, id, bytes, hit, now_mono_ms);
	unlock(shard);
}

bool sessions_alive(struct sessions *s, const struct rpc_session_id *id, uint64_t now_mono_ms)
{
	struct shard *shard = lock_shard_of(s, id);
	bool active = sessions_table_refresh(&shard->table, id, now_mono_ms, false);
	unlock(shard);
	return active;
}

bool sessions_end(
    struct sessions *s, const struct rpc_session_id *id, uint64_t now_mono_ms, struct session_end *end)
{
	struct session_end told;
	struct shard *shard = lock_shard_of(s, id);
	bool ended = sessions_table_end(&shard->table, id, now_mono_ms, &told);
	unlock(shard);
	leave(s, &told, ended);
	if (ended && end != NULL)
		*end = told;
	return ended;
}

void sessions_set_draining(struct sessions *s, bool draining)
{
	OBJ_CHECK(s, SESSIONS_MAGIC);
	atomic_store(&s->draining, draining);
}

/* Ends at most `max` of one shard; their places are free before anybody is told. */
static size_t expire_some(struct sessions *s, struct shard *shard, uint64_t now_ms, size_t max,
    struct session_end ends[EXPIRE_BATCH])
{
	size_t n = 0;
	uint32_t idle_ms = atomic_load(&s->draining) ? s->idle_timeout_ms / 2 : s->idle_timeout_ms;
	CHECK(pthread_mutex_lock(&shard->lock) == 0);
	while (n < max && n < EXPIRE_BATCH && sessions_table_expire(&shard->table, now_ms, idle_ms, &ends[n]))
		n++;
	unlock(shard);
	leave(s, ends, n);
	return n;
}

size_t sessions_expire(struct sessions *s, uint64_t now_mono_ms, size_t max,
    void (*ended)(void *arg, const struct session_end *e), void *arg)
{
	OBJ_CHECK(s, SESSIONS_MAGIC);
	struct session_end ends[EXPIRE_BATCH];
	size_t told = 0;
	/* A call that reaches `max` leaves the rest to the next one, which starts at another shard. */
	for (size_t i = 0; i < SHARDS && told < max; i++) {
		struct shard *shard = &s->shards[atomic_fetch_add(&s->next_shard, 1) % SHARDS];
		size_t n;
		do {
			n = expire_some(s, shard, now_mono_ms, max - told, ends);
			for (size_t k = 0; k < n; k++)
				ended(arg, &ends[k]);
			told += n;
		} while (n == EXPIRE_BATCH && told < max);
	}
	return told;
}

size_t sessions_active(const struct sessions *s)
{
	OBJ_CHECK(s, SESSIONS_MAGIC);
	return atomic_load(&s->active);
}
