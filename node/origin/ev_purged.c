#include "node/origin/ev_purged.h"

#include "base/obj.h"
#include "node/cache/cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define PURGED_MAGIC 0x70757264u

struct entry {
	struct rpc_command_id id;
	struct bytes content; /* a copy */
	uint64_t since_ms;
	bool applied;
};

struct purged {
	unsigned magic;
	uint64_t kept_ms;
	pthread_mutex_t lock;
	struct entry entries[PURGED_MAX]; /* by number modulo PURGED_MAX */
	size_t n;                         /* ever */
	uint64_t unnamed_until_ms;        /* some that were dropped are in the replica up to then */
	bool complete, doubted;
};

static void lock(struct purged *p)
{
	OBJ_CHECK(p, PURGED_MAGIC);
	CHECK(pthread_mutex_lock(&p->lock) == 0);
}

static void unlock(struct purged *p)
{
	CHECK(pthread_mutex_unlock(&p->lock) == 0);
}

struct purged *purged_new(uint64_t kept_ms)
{
	struct purged *p = OBJ_NEW(struct purged, PURGED_MAGIC);
	p->kept_ms = kept_ms;
	CHECK(pthread_mutex_init(&p->lock, NULL) == 0);
	return p;
}

static size_t count(const struct purged *p)
{
	return p->n < PURGED_MAX ? p->n : PURGED_MAX;
}

void purged_free(struct purged *p)
{
	if (p == NULL)
		return;
	OBJ_CHECK(p, PURGED_MAGIC);
	for (size_t i = 0; i < count(p); i++)
		free((void *)(uintptr_t)p->entries[i].content.p);
	CHECK(pthread_mutex_destroy(&p->lock) == 0);
	OBJ_FREE(p);
}

/* Under the lock. */
static struct entry *find(struct purged *p, const struct rpc_command_id *id)
{
	for (size_t i = 0; i < count(p); i++)
		if (rpc_command_id_cmp(&p->entries[i].id, id) == 0)
			return &p->entries[i];
	return NULL;
}

void purged_begin(struct purged *p, const struct rpc_command_id *id, struct bytes content, uint64_t now_ms)
{
	uint8_t *copy = malloc(content.n + 1);
	CHECK(copy != NULL);
	memcpy(copy, content.p, content.n);
	lock(p);
	if (find(p, id) == NULL) {
		struct entry *e = &p->entries[p->n % PURGED_MAX];
		if (p->n >= PURGED_MAX && e->since_ms + p->kept_ms > p->unnamed_until_ms)
			p->unnamed_until_ms = e->since_ms + p->kept_ms;
		uint8_t *former = (uint8_t *)(uintptr_t)e->content.p;
		*e = (struct entry){ .id = *id, .content = bytes_of(copy, content.n), .since_ms = now_ms };
		copy = former;
		p->n++;
	}
	unlock(p);
	free(copy);
}

void purged_done(struct purged *p, const struct rpc_command_id *id)
{
	lock(p);
	struct entry *e = find(p, id);
	if (e != NULL)
		e->applied = true;
	unlock(p);
}

void purged_complete(struct purged *p)
{
	lock(p);
	p->complete = true;
	unlock(p);
}

void purged_doubt(struct purged *p)
{
	lock(p);
	p->doubted = true;
	unlock(p);
}

bool purged_names(struct purged *p, struct bytes content, struct bytes object, uint64_t now_ms,
    struct rpc_command_id out[PURGED_NAMED_MAX], size_t *n)
{
	size_t named = 0;
	lock(p);
	bool may = p->complete && !p->doubted && now_ms >= p->unnamed_until_ms;
	for (size_t i = 0; may && i < count(p); i++) {
		const struct entry *e = &p->entries[i];
		if (!cache_purges_object(e->content, content, object))
			continue;
		if (named == PURGED_NAMED_MAX)
			may = false;
		else
			out[named++] = e->id;
	}
	unlock(p);
	if (may)
		*n = named;
	return may;
}

bool purged_has(struct purged *p, const struct rpc_command_id *id)
{
	lock(p);
	const struct entry *e = find(p, id);
	bool has = e != NULL && e->applied;
	unlock(p);
	return has;
}
