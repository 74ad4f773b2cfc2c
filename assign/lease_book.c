#include "assign/lease_book.h"

#include "assign/lease_rules.h"
#include "assign/lease_share.h"
#include "base/check.h"
#include "base/obj.h"
#include "base/timers.h"

#include <stdlib.h>
#include <string.h>

struct asker {
	struct lease_asker who;
	bool answered;
	struct lease_grant last; /* of this incarnation, when answered */
	uint64_t asked_ms;
	uint32_t wish; /* what it held and wanted then */
	uint32_t held; /* outstanding of its open batches */
	uint32_t open; /* batches */
};

struct batch {
	struct timer closes; /* at close_at */
	struct asker *asker;
	uint32_t id, limit, weight_kbps;
	uint32_t outstanding; /* unset bits below limit */
	uint32_t bits_n;      /* the limit it was lent with */
	uint8_t bits[];       /* of the indices that came */
};

#define BOOK_MAGIC 0x626f6f6bu

struct lease_book {
	unsigned magic;
	struct lease_book_config config;
	uint32_t ceiling; /* capacity; above it while a lowered one is being reached */
	uint64_t now_ms;  /* the latest seen */
	bool draining, mute;
	uint32_t active, outstanding;
	uint64_t active_kbps, outstanding_kbps;
	uint32_t last_batch;                    /* id */
	struct timers timers;                   /* of batches */
	uint32_t batches_n;                     /* open */
	struct asker *askers[LEASE_ASKERS_MAX]; /* sorted by api */
	size_t askers_n;
	struct lease_book_view counts;            /* its counters only */
	struct batch *batches[LEASE_BATCHES_MAX]; /* by id modulo that */
	uint32_t wishes[LEASE_ASKERS_MAX];        /* scratch of share_of */
};

struct lease_book *lease_book_new(const struct lease_book_config *c)
{
	CHECK(c->life_ms > 0 && c->start_within_ms / 40 <= c->life_ms);
	struct lease_book *b = OBJ_NEW(struct lease_book, BOOK_MAGIC);
	b->config = *c;
	timers_init(&b->timers);
	lease_book_set_capacity(b, c->capacity_sessions, c->reserve_sessions, c->capacity_kbps);
	return b;
}

void lease_book_free(struct lease_book *b)
{
	if (b == NULL)
		return;
	OBJ_CHECK(b, BOOK_MAGIC);
	for (size_t i = 0; i < LEASE_BATCHES_MAX; i++)
		free(b->batches[i]);
	for (size_t i = 0; i < b->askers_n; i++)
		free(b->askers[i]);
	timers_fini(&b->timers);
	OBJ_FREE(b);
}

/* A3, after each call. */
static void check_sum(struct lease_book *b)
{
	uint64_t sum = (uint64_t)b->active + b->outstanding;
	CHECK(sum <= b->ceiling);
	if (sum < b->ceiling)
		b->ceiling = sum > b->config.capacity_sessions ? (uint32_t)sum : b->config.capacity_sessions;
}

/* -- batches -- */

static struct batch *find_batch(const struct lease_book *b, uint32_t id)
{
	struct batch *found = b->batches[id % LEASE_BATCHES_MAX];
	return found != NULL && found->id == id ? found : NULL;
}

static bool came(const struct batch *batch, uint32_t index)
{
	return index < batch->bits_n && (batch->bits[index / 8] >> (index % 8) & 1) != 0;
}

/* Ids rise; one whose place in the table is still taken is left out. */
static uint32_t next_id(struct lease_book *b)
{
	CHECK(b->batches_n < LEASE_BATCHES_MAX);
	do
		b->last_batch++;
	while (b->last_batch == 0 || b->batches[b->last_batch % LEASE_BATCHES_MAX] != NULL);
	return b->last_batch;
}

static struct batch *open_batch(struct lease_book *b, struct asker *a, uint32_t limit)
{
	struct batch *batch = calloc(1, sizeof(*batch) + (limit + 7) / 8);
	CHECK(batch != NULL);
	batch->asker = a;
	batch->id = next_id(b);
	batch->limit = batch->outstanding = batch->bits_n = limit;
	batch->weight_kbps = b->config.weight_kbps;
	b->batches[batch->id % LEASE_BATCHES_MAX] = batch;
	b->batches_n++;
	a->open++;
	a->held += limit;
	b->outstanding += limit;
	b->outstanding_kbps += (uint64_t)limit * batch->weight_kbps;
	timers_arm(&b->timers, &batch->closes,
	    lease_rule_close_at(b->now_ms, b->config.life_ms, b->config.start_within_ms));
	return batch;
}

/* `n` of its places are outstanding no more; a batch with none left has nothing more to say: whoever comes
 * with it is placeless either way. */
static void give_back(struct lease_book *b, struct batch *batch, uint32_t n)
{
	CHECK(batch->outstanding >= n && b->outstanding >= n && batch->asker->held >= n);
	batch->outstanding -= n;
	batch->asker->held -= n;
	b->outstanding -= n;
	b->outstanding_kbps -= (uint64_t)n * batch->weight_kbps;
	if (batch->outstanding > 0)
		return;
	batch->asker->open--;
	b->batches[batch->id % LEASE_BATCHES_MAX] = NULL;
	b->batches_n--;
	timers_disarm(&b->timers, &batch->closes);
	free(batch);
}

void lease_book_expire(struct lease_book *b, uint64_t now_ms)
{
	OBJ_CHECK(b, BOOK_MAGIC);
	if (now_ms > b->now_ms)
		b->now_ms = now_ms;
	struct timer *due;
	while ((due = timers_pop(&b->timers, b->now_ms)) != NULL) {
		struct batch *batch = CONTAINER_OF(due, struct batch, closes);
		b->counts.expired += batch->outstanding;
		give_back(b, batch, batch->outstanding);
	}
	check_sum(b);
}

uint64_t lease_book_wake_at(const struct lease_book *b)
{
	OBJ_CHECK(b, BOOK_MAGIC);
	return timers_next(&b->timers);
}

/* -- askers -- */

/* Where it is, or belongs. */
static size_t asker_at(const struct lease_book *b, const struct node_id *api)
{
	size_t low = 0, high = b->askers_n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (node_id_cmp(&b->askers[middle]->who.api, api) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool forget_silent_asker(struct lease_book *b)
{
	size_t oldest = b->askers_n;
	for (size_t i = 0; i < b->askers_n; i++)
		if (b->askers[i]->open == 0 &&
		    (oldest == b->askers_n || b->askers[i]->asked_ms < b->askers[oldest]->asked_ms))
			oldest = i;
	if (oldest == b->askers_n)
		return false;
	free(b->askers[oldest]);
	b->askers_n--;
	memmove(b->askers + oldest, b->askers + oldest + 1, (b->askers_n - oldest) * sizeof(b->askers[0]));
	return true;
}

/* NULL when nobody can be forgotten for it. */
static struct asker *meet_asker(struct lease_book *b, const struct lease_asker *who)
{
	size_t at = asker_at(b, &who->api);
	if (at < b->askers_n && node_id_eq(&b->askers[at]->who.api, &who->api))
		return b->askers[at];
	if (b->askers_n == LEASE_ASKERS_MAX && !forget_silent_asker(b))
		return NULL;
	at = asker_at(b, &who->api);
	struct asker *a = calloc(1, sizeof(*a));
	CHECK(a != NULL);
	a->who = *who;
	memmove(b->askers + at + 1, b->askers + at, (b->askers_n - at) * sizeof(b->askers[0]));
	b->askers[at] = a;
	b->askers_n++;
	return a;
}

/* -- lending -- */

static uint32_t cut_u32(uint64_t v)
{
	return v < UINT32_MAX ? (uint32_t)v : UINT32_MAX;
}

/* Places that could be lent now. The reserve keeps the same part of the Mbit/s as of the sessions. */
static uint32_t headroom(const struct lease_book *b)
{
	const struct lease_book_config *c = &b->config;
	uint64_t lendable = c->capacity_sessions - c->reserve_sessions;
	uint64_t out = (uint64_t)b->active + b->outstanding;
	uint64_t room = lendable > out ? lendable - out : 0;
	if (c->capacity_kbps == 0 || c->weight_kbps == 0 || c->capacity_sessions == 0)
		return cut_u32(room);
	uint64_t kbps = (uint64_t)((double)c->capacity_kbps * (double)lendable / c->capacity_sessions);
	uint64_t out_kbps = b->active_kbps + b->outstanding_kbps;
	uint64_t room_kbps = kbps > out_kbps ? (kbps - out_kbps) / c->weight_kbps : 0;
	return cut_u32(room < room_kbps ? room : room_kbps);
}

/* Of all that is lent or can be, what this asker may hold. */
static uint32_t share_of(struct lease_book *b, const struct asker *mine, uint32_t room)
{
	size_t at = 0;
	for (size_t i = 0; i < b->askers_n; i++) {
		const struct asker *a = b->askers[i];
		bool lately = a->answered && b->now_ms - a->asked_ms < b->config.life_ms / 2;
		b->wishes[i] = (a == mine || lately) && a->wish > a->held ? a->wish : a->held;
		if (a == mine)
			at = i;
	}
	return lease_share(cut_u32((uint64_t)room + b->outstanding), b->wishes, b->askers_n, at);
}

static uint32_t limit_for(struct lease_book *b, struct asker *a, uint32_t want)
{
	a->asked_ms = b->now_ms;
	a->wish = a->held + want;
	if (b->draining || b->mute || a->open >= LEASE_BATCHES_EACH || b->batches_n >= LEASE_BATCHES_MAX)
		return 0;
	uint32_t room = headroom(b), share = share_of(b, a, room);
	uint32_t limit = share > a->held ? share - a->held : 0;
	return limit < room ? limit : room;
}

static struct lease_grant with_knowledge(const struct lease_book *b, struct lease_grant g)
{
	g.active = b->active;
	g.outstanding = b->outstanding;
	g.capacity = b->config.capacity_sessions;
	return g;
}

static void lend(struct lease_book *b, struct asker *a, uint64_t req_id, uint32_t want)
{
	uint32_t limit = limit_for(b, a, want < LEASE_LIMIT_MAX ? want : LEASE_LIMIT_MAX);
	a->answered = true;
	a->last = (struct lease_grant){
		.req_id = req_id,
		.incarnation = b->config.incarnation,
		.limit = limit,
		.batch = limit > 0 ? open_batch(b, a, limit)->id : 0,
		.life_ms = lease_rule_told_life(b->config.life_ms, b->config.start_within_ms),
		.weight_kbps = b->config.weight_kbps,
	};
	b->counts.asks++;
	b->counts.grants += limit > 0;
	b->counts.granted += limit;
}

bool lease_book_ask(struct lease_book *b, uint64_t now_ms, const struct lease_asker *asker, uint64_t req_id,
    uint32_t want, struct lease_grant *grant)
{
	lease_book_expire(b, now_ms);
	struct asker *a = meet_asker(b, asker);
	if (a == NULL)
		return false;
	int order = incarnation_cmp(asker->incarnation, a->who.incarnation);
	if (order < 0)
		return false;
	if (order > 0) {
		a->who = *asker;
		a->answered = false;
	}
	switch (lease_rule_answer(a->answered, a->last.req_id, req_id)) {
	case LEASE_ANSWER_NONE: return false;
	case LEASE_ANSWER_NEW: lend(b, a, req_id, want); break;
	case LEASE_ANSWER_SAME: break;
	}
	*grant = with_knowledge(b, a->last);
	check_sum(b);
	return true;
}

void lease_book_close(
    struct lease_book *b, uint64_t now_ms, const struct node_id *api, const struct lease_close *c)
{
	lease_book_expire(b, now_ms);
	struct batch *batch = c->incarnation == b->config.incarnation ? find_batch(b, c->batch) : NULL;
	if (batch == NULL || !node_id_eq(&batch->asker->who.api, api))
		return;
	uint32_t freed = 0;
	for (uint32_t i = c->used; i < batch->limit; i++)
		freed += !came(batch, i);
	if (c->used < batch->limit)
		batch->limit = c->used;
	b->counts.closed += freed;
	if (freed > 0)
		give_back(b, batch, freed);
	check_sum(b);
}

/* -- sessions -- */

static bool arrives_by_batch(struct lease_book *b, const struct lease_place *place)
{
	struct batch *batch = place->incarnation == b->config.incarnation ? find_batch(b, place->batch) : NULL;
	if (batch == NULL || !lease_rule_admits(place->index, batch->limit, came(batch, place->index)))
		return false;
	if (!came(batch, place->index)) {
		batch->bits[place->index / 8] |= (uint8_t)(1u << (place->index % 8));
		give_back(b, batch, 1);
	}
	return true;
}

static bool has_room(const struct lease_book *b, uint32_t kbps)
{
	if (b->draining || !lease_rule_admits_placeless(b->active, b->outstanding, b->config.capacity_sessions))
		return false;
	return b->config.capacity_kbps == 0 ||
	       b->active_kbps + b->outstanding_kbps + kbps <= b->config.capacity_kbps;
}

enum lease_admission lease_book_arrive(
    struct lease_book *b, uint64_t now_ms, const struct lease_place *place, bool placed_here, uint32_t kbps)
{
	lease_book_expire(b, now_ms);
	enum lease_admission how;
	if (place != NULL && placed_here && arrives_by_batch(b, place)) {
		how = LEASE_BY_BATCH;
		b->counts.by_batch++;
	} else if (has_room(b, kbps)) {
		how = LEASE_PLACELESS;
		b->counts.placeless++;
	} else {
		b->counts.full++;
		return LEASE_FULL;
	}
	b->active++;
	b->active_kbps += kbps;
	check_sum(b);
	return how;
}

void lease_book_leave(struct lease_book *b, uint32_t kbps)
{
	OBJ_CHECK(b, BOOK_MAGIC);
	CHECK(b->active > 0 && b->active_kbps >= kbps);
	b->active--;
	b->active_kbps -= kbps;
	check_sum(b);
}

void lease_book_reweigh(struct lease_book *b, uint64_t was_kbps, uint64_t is_kbps)
{
	OBJ_CHECK(b, BOOK_MAGIC);
	CHECK(b->active > 0 && b->active_kbps >= was_kbps);
	b->active_kbps = b->active_kbps - was_kbps + is_kbps;
}

/* -- the node -- */

void lease_book_set_weight(struct lease_book *b, uint32_t kbps)
{
	OBJ_CHECK(b, BOOK_MAGIC);
	b->config.weight_kbps = kbps;
}

void lease_book_set_capacity(
    struct lease_book *b, uint32_t capacity_sessions, uint32_t reserve_sessions, uint64_t capacity_kbps)
{
	OBJ_CHECK(b, BOOK_MAGIC);
	b->config.capacity_sessions = capacity_sessions;
	b->config.reserve_sessions = reserve_sessions < capacity_sessions ? reserve_sessions : capacity_sessions;
	b->config.capacity_kbps = capacity_kbps;
	if (b->ceiling < capacity_sessions)
		b->ceiling = capacity_sessions;
	check_sum(b);
}

void lease_book_set_draining(struct lease_book *b, bool draining)
{
	OBJ_CHECK(b, BOOK_MAGIC);
	b->draining = draining;
}

void lease_book_set_lending(struct lease_book *b, bool lending)
{
	OBJ_CHECK(b, BOOK_MAGIC);
	b->mute = !lending;
}

void lease_book_look(const struct lease_book *b, struct lease_book_view *v)
{
	OBJ_CHECK(b, BOOK_MAGIC);
	*v = b->counts;
	v->capacity = b->config.capacity_sessions;
	v->reserve = b->config.reserve_sessions;
	v->active = b->active;
	v->outstanding = b->outstanding;
	v->capacity_kbps = b->config.capacity_kbps;
	v->active_kbps = b->active_kbps;
	v->outstanding_kbps = b->outstanding_kbps;
	v->weight_kbps = b->config.weight_kbps;
	v->batches = b->batches_n;
	v->askers = (uint32_t)b->askers_n;
	v->draining = b->draining;
	v->drained = b->draining && b->active == 0 && b->outstanding == 0;
}
