#include "node/delivery/places.h"

#include "base/obj.h"

#include <pthread.h>

#define PLACES_MAGIC 0x706c6373u

/* A burst is not a bitrate: one second's measure counts little, and no weight is far above a session's share
 * of the capacity. */
enum { LEARN_SHARE = 64, WEIGHT_TIMES_MAX = 8 };

struct places {
	unsigned magic;
	pthread_mutex_t lock;
	struct lease_book *book;
	uint32_t each_kbps, most_kbps;
};

static uint32_t to_u32(uint64_t n)
{
	return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

static struct places *lock_places(struct places *p)
{
	OBJ_CHECK(p, PLACES_MAGIC);
	CHECK(pthread_mutex_lock(&p->lock) == 0);
	return p;
}

static void unlock_places(struct places *p)
{
	CHECK(pthread_mutex_unlock(&p->lock) == 0);
}

struct places *places_new(const struct lease_book_config *c)
{
	struct places *p = OBJ_NEW(struct places, PLACES_MAGIC);
	CHECK(pthread_mutex_init(&p->lock, NULL) == 0);
	p->book = lease_book_new(c);
	p->each_kbps = c->weight_kbps;
	p->most_kbps = to_u32((uint64_t)c->weight_kbps * WEIGHT_TIMES_MAX);
	return p;
}

void places_free(struct places *p)
{
	if (p == NULL)
		return;
	OBJ_CHECK(p, PLACES_MAGIC);
	CHECK(pthread_mutex_destroy(&p->lock) == 0);
	lease_book_free(p->book);
	OBJ_FREE(p);
}

/* -- sessions -- */

static bool admit(void *ctx, const struct session_claim *claim, uint64_t now_mono_ms)
{
	struct places *p = lock_places(OBJ_CAST(struct places, PLACES_MAGIC, ctx));
	struct lease_place place = { claim->incarnation, claim->batch, claim->index };
	enum lease_admission a =
	    lease_book_arrive(p->book, now_mono_ms, claim->kept ? &place : NULL, claim->kept, p->each_kbps);
	unlock_places(p);
	return a != LEASE_FULL;
}

static void leave(void *ctx, size_t n)
{
	struct places *p = lock_places(OBJ_CAST(struct places, PLACES_MAGIC, ctx));
	for (size_t i = 0; i < n; i++)
		lease_book_leave(p->book, p->each_kbps);
	unlock_places(p);
}

struct session_gate places_gate(struct places *p)
{
	return (struct session_gate){ admit, leave, p };
}

/* -- api nodes -- */

bool places_ask(struct places *p, uint64_t now_ms, const struct lease_asker *asker, uint64_t req_id,
    uint32_t want, struct lease_grant *grant)
{
	lock_places(p);
	bool answer = lease_book_ask(p->book, now_ms, asker, req_id, want, grant);
	unlock_places(p);
	return answer;
}

void places_close(struct places *p, uint64_t now_ms, const struct node_id *api, const struct lease_close *c)
{
	lock_places(p);
	lease_book_close(p->book, now_ms, api, c);
	unlock_places(p);
}

/* -- the node -- */

void places_set_draining(struct places *p, bool draining)
{
	lock_places(p);
	lease_book_set_draining(p->book, draining);
	unlock_places(p);
}

void places_set_lending(struct places *p, bool lending)
{
	lock_places(p);
	lease_book_set_lending(p->book, lending);
	unlock_places(p);
}

void places_look(struct places *p, struct lease_book_view *v)
{
	lock_places(p);
	lease_book_look(p->book, v);
	unlock_places(p);
}

static void learn(struct places *p, uint64_t egress_kbps, uint32_t active)
{
	if (active == 0)
		return;
	uint64_t measured = egress_kbps / active;
	if (measured > p->most_kbps)
		measured = p->most_kbps;
	uint32_t was = p->each_kbps;
	p->each_kbps = to_u32((was * (uint64_t)(LEARN_SHARE - 1) + measured) / LEARN_SHARE);
	/* All of them at once: each weighs the same. */
	lease_book_reweigh(p->book, (uint64_t)was * active, (uint64_t)p->each_kbps * active);
	lease_book_set_weight(p->book, p->each_kbps);
}

void places_tick(struct places *p, uint64_t now_ms, uint64_t egress_kbps)
{
	struct lease_book_view v;
	lock_places(p);
	lease_book_expire(p->book, now_ms);
	lease_book_look(p->book, &v);
	learn(p, egress_kbps, v.active);
	unlock_places(p);
}
