#include "node/ev_revoked.h"

#include "base/obj.h"
#include "node/revoked_table.h"

#include <pthread.h>
#include <stdatomic.h>

#define REVOKED_MAGIC 0x7265766fu

enum { SHARDS = 64 };

struct shard {
	_Alignas(64) pthread_mutex_t lock;
	struct revoked_table table;
};

struct revoked {
	unsigned magic;
	atomic_size_t n;
	struct shard *shards;
};

struct revoked *revoked_new(void)
{
	struct revoked *r = OBJ_NEW(struct revoked, REVOKED_MAGIC);
	r->shards = aligned_alloc(_Alignof(struct shard), SHARDS * sizeof(struct shard));
	CHECK(r->shards != NULL);
	for (size_t i = 0; i < SHARDS; i++) {
		CHECK(pthread_mutex_init(&r->shards[i].lock, NULL) == 0);
		revoked_table_init(&r->shards[i].table, REVOKED_MAX / SHARDS);
	}
	return r;
}

void revoked_free(struct revoked *r)
{
	if (r == NULL)
		return;
	OBJ_CHECK(r, REVOKED_MAGIC);
	for (size_t i = 0; i < SHARDS; i++) {
		revoked_table_fini(&r->shards[i].table);
		CHECK(pthread_mutex_destroy(&r->shards[i].lock) == 0);
	}
	free(r->shards);
	OBJ_FREE(r);
}

static void lock(struct shard *s)
{
	CHECK(pthread_mutex_lock(&s->lock) == 0);
}

static void unlock(struct shard *s)
{
	CHECK(pthread_mutex_unlock(&s->lock) == 0);
}

static struct shard *shard_of(struct revoked *r, const struct rpc_session_id *id)
{
	return &r->shards[(revoked_table_hash(id) >> 32) % SHARDS];
}

bool revoked_add(struct revoked *r, const struct rpc_session_id *id, uint64_t not_after_s)
{
	OBJ_CHECK(r, REVOKED_MAGIC);
	struct shard *s = shard_of(r, id);
	lock(s);
	size_t before = s->table.n;
	bool fits = revoked_table_add(&s->table, id, not_after_s);
	atomic_fetch_add(&r->n, s->table.n - before);
	unlock(s);
	return fits;
}

bool revoked_has(struct revoked *r, const struct rpc_session_id *id)
{
	OBJ_CHECK(r, REVOKED_MAGIC);
	if (atomic_load_explicit(&r->n, memory_order_relaxed) == 0)
		return false;
	struct shard *s = shard_of(r, id);
	lock(s);
	bool has = revoked_table_has(&s->table, id);
	unlock(s);
	return has;
}

void revoked_expire(struct revoked *r, uint64_t now_s)
{
	OBJ_CHECK(r, REVOKED_MAGIC);
	for (size_t i = 0; i < SHARDS; i++) {
		struct shard *s = &r->shards[i];
		lock(s);
		size_t before = s->table.n;
		revoked_table_expire(&s->table, now_s);
		atomic_fetch_sub(&r->n, before - s->table.n);
		unlock(s);
	}
}

size_t revoked_n(const struct revoked *r)
{
	OBJ_CHECK(r, REVOKED_MAGIC);
	return atomic_load_explicit(&r->n, memory_order_relaxed);
}
