#include "node/delivery/places.h"

#include "base/obj.h"

#include <pthread.h>

#define PLACES_MAGIC 0x706c6373u

/* A burst is not a bitrate: one second's measure counts little, and no weight is far above a session's share
 * of the capacity, or what the best of pictures takes. */
enum { LEARN_SHARE = 64, WEIGHT_TIMES_MAX = 8, KNOWN_MAX_KBPS = 50000, WHOLE_PERMILLE = 1000 };

struct places {
	unsigned magic;
	pthread_mutex_t lock;
	struct lease_book *book;
	uint32_t each_kbps, most_kbps; /* of a session of which nothing is known */
	uint32_t active_n, unknown_n;
	uint64_t known_kbps; /* of all others, as their tokens say */
	/* What all take, by what they were reckoned to take; counts above one. */
	uint32_t stretch_permille;
	uint64_t booked_kbps; /* the book's active_kbps */
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

/* What a session of such a token counts with. 0: nothing is known of it. */
static uint32_t known_of(const struct places *p, uint32_t kbps)
{
	uint32_t most = p->most_kbps > KNOWN_MAX_KBPS ? p->most_kbps : KNOWN_MAX_KBPS;
	return kbps < most ? kbps : most;
}

static uint64_t stretched(const struct places *p, uint64_t kbps)
{
	return p->stretch_permille > WHOLE_PERMILLE ? kbps * p->stretch_permille / WHOLE_PERMILLE : kbps;
}

/* Tells the book what all who are active take, as far as it is known now. Somebody is. */
static void book_all(struct places *p)
{
	uint64_t is_kbps = (uint64_t)p->unknown_n * p->each_kbps + stretched(p, p->known_kbps);
	lease_book_reweigh(p->book, p->booked_kbps, is_kbps);
	p->booked_kbps = is_kbps;
}

/* Whoever is still to come is taken to be like those who are here, from the next grant on. */
static void weigh_places(struct places *p)
{
	lease_book_set_weight(p->book, to_u32(p->booked_kbps / p->active_n));
}

static void count_in(struct places *p, uint32_t known_kbps)
{
	p->active_n++;
	p->unknown_n += known_kbps == 0;
	p->known_kbps += known_kbps;
}

static bool admit(void *ctx, const struct session_claim *claim, uint64_t now_mono_ms)
{
	struct places *p = lock_places(OBJ_CAST(struct places, PLACES_MAGIC, ctx));
	struct lease_place place = { claim->incarnation, claim->batch, claim->index };
	uint32_t known_kbps = known_of(p, claim->kbps);
	uint32_t kbps = known_kbps > 0 ? to_u32(stretched(p, known_kbps)) : p->each_kbps;
	enum lease_admission a =
	    lease_book_arrive(p->book, now_mono_ms, claim->kept ? &place : NULL, claim->kept, kbps);
	if (a != LEASE_FULL) {
		p->booked_kbps += kbps;
		count_in(p, known_kbps);
		book_all(p);
		weigh_places(p);
	}
	unlock_places(p);
	return a != LEASE_FULL;
}

static void leave_one(struct places *p, uint32_t known_kbps)
{
	CHECK(p->active_n > 0 && (known_kbps > 0 || p->unknown_n > 0) && p->known_kbps >= known_kbps);
	p->active_n--;
	p->unknown_n -= known_kbps == 0;
	p->known_kbps -= known_kbps;
	book_all(p); /* without it already */
	lease_book_leave(p->book, 0);
}

static void leave(void *ctx, const struct session_end *ends, size_t n)
{
	struct places *p = lock_places(OBJ_CAST(struct places, PLACES_MAGIC, ctx));
	for (size_t i = 0; i < n; i++)
		leave_one(p, known_of(p, ends[i].kbps));
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

static uint32_t nearer(uint32_t was, uint64_t measured)
{
	return to_u32((was * (uint64_t)(LEARN_SHARE - 1) + measured) / LEARN_SHARE);
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void learn(struct places *p, uint64_t egress_kbps)
{
	if (p->active_n == 0)
		return;
	uint64_t reckoned_kbps = (uint64_t)p->unknown_n * p->each_kbps + p->known_kbps;
	p->each_kbps = nearer(p->each_kbps, least(egress_kbps / p->active_n, p->most_kbps));
	if (reckoned_kbps > 0)
		p->stretch_permille = nearer(p->stretch_permille,
		    least(egress_kbps * WHOLE_PERMILLE / reckoned_kbps, WEIGHT_TIMES_MAX * WHOLE_PERMILLE));
	book_all(p);
	weigh_places(p);
}

void places_tick(struct places *p, uint64_t now_ms, uint64_t egress_kbps)
{
	lock_places(p);
	lease_book_expire(p->book, now_ms);
	learn(p, egress_kbps);
	unlock_places(p);
}
