#include "assign/lease_purse.h"

#include "assign/lease_rules.h"
#include "base/check.h"
#include "base/obj.h"
#include "base/timers.h"

#include <stdlib.h>

enum {
	DEMAND_MS = 3000,    /* of demand is asked for */
	SAMPLE_MS = 100,     /* demand is measured so often */
	RISE_MS = 1000,      /* the mean follows upwards within this, */
	FALL_MS = 4000,      /* and downwards within that */
	RENEW_MS = 1000,     /* asked for another so long before a batch ends */
	GAP_MS = 20,         /* between requests to one node */
	SHORT_GAP_MS = 100,  /* after less than was wanted, and the first after nothing */
	EMPTY_GAP_MS = 1000, /* the longest after nothing */
	RETRY_MS = 300,      /* first; doubled up to */
	RETRY_MAX_MS = 2400, /* this */
	TOLD_LIFE_MAX_MS = 600000,
};

/* What is known of one delivery node. */
struct account {
	uint32_t slot;
	bool takes, linked;
	bool met;             /* was asked once since it takes viewers */
	uint64_t incarnation; /* its book's, by the last link's hello */

	struct lease_batch batch; /* published; limit 0: none */
	uint32_t counted;         /* places of it that went into the demand */

	bool pending;
	uint64_t req_id, first_sent_ms, resend_at_ms;
	uint32_t want, retry_ms;
	uint64_t give_up_ms;

	uint64_t ask_from_ms; /* not before */
	uint32_t empty_gap_ms;

	uint64_t wanted_ms; /* when a viewer was last sent there, or missed a place */
	uint64_t sampled_ms;
	uint32_t fresh; /* taken and missed since then */
	uint64_t per_s_milli;

	uint64_t granted_ms;
	uint32_t granted, weight_kbps;
};

struct owed_close {
	uint32_t slot;
	struct lease_close close;
};

#define PURSE_MAGIC 0x70757273u

struct lease_purse {
	unsigned magic;
	struct lease_slots *slots;
	uint64_t last_req_id;
	uint64_t wake_at_ms;
	struct lease_purse_stats stats;
	struct account *accounts[LEASE_SLOTS]; /* by slot */
	struct account *known[LEASE_SLOTS];    /* in order of appearance */
	size_t known_n;
	struct owed_close closes[LEASE_CLOSES_MAX];
	size_t closes_first, closes_n;
};

/* What a step writes to. */
struct out {
	struct lease_command *commands;
	size_t n, max;
};

struct lease_purse *lease_purse_new(struct lease_slots *slots, struct incarnation own)
{
	struct lease_purse *p = OBJ_NEW(struct lease_purse, PURSE_MAGIC);
	p->slots = slots;
	p->last_req_id = (own.nonce & 0xffffff) << 24; /* 48 bits are short on the wire, and last for years */
	p->wake_at_ms = TIMER_NEVER;
	return p;
}

void lease_purse_free(struct lease_purse *p)
{
	if (p == NULL)
		return;
	OBJ_CHECK(p, PURSE_MAGIC);
	for (size_t i = 0; i < p->known_n; i++)
		free(p->known[i]);
	OBJ_FREE(p);
}

static struct account *meet(struct lease_purse *p, uint64_t now_ms, uint32_t slot)
{
	if (p->accounts[slot] != NULL)
		return p->accounts[slot];
	struct account *a = calloc(1, sizeof(*a));
	CHECK(a != NULL);
	a->slot = slot;
	a->sampled_ms = now_ms;
	p->accounts[slot] = a;
	p->known[p->known_n++] = a;
	return a;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* -- batches -- */

static void owe_close(struct lease_purse *p, uint32_t slot, const struct lease_batch *b, uint32_t used)
{
	p->stats.unused += b->limit - used;
	if (used == b->limit)
		return; /* nothing to give back */
	if (p->closes_n == LEASE_CLOSES_MAX) {
		p->stats.dropped_closes++; /* its book closes by itself */
		return;
	}
	p->closes[(p->closes_first + p->closes_n++) % LEASE_CLOSES_MAX] =
	    (struct owed_close){ slot, { b->incarnation, b->batch, used } };
}

static void count_taken(struct account *a, uint64_t now_ms, uint32_t used)
{
	if (used == a->counted)
		return;
	a->fresh += used - a->counted;
	a->counted = used;
	a->wanted_ms = now_ms;
}

/* Nothing more is taken from the present batch; what is left of it goes back. */
static void retire(struct lease_purse *p, uint64_t now_ms, struct account *a)
{
	if (a->batch.limit == 0)
		return;
	uint32_t used = lease_slots_withdraw(p->slots, a->slot);
	count_taken(a, now_ms, used);
	owe_close(p, a->slot, &a->batch, used);
	a->batch.limit = 0;
}

static void publish(struct lease_purse *p, struct account *a, const struct lease_batch *b)
{
	a->batch = *b;
	a->counted = 0;
	lease_slots_publish(p->slots, a->slot, b);
}

static uint32_t left(const struct lease_purse *p, const struct account *a)
{
	return a->batch.limit == 0 ? 0 : a->batch.limit - lease_slots_used(p->slots, a->slot);
}

/* -- demand -- */

static void hear(struct lease_purse *p, uint64_t now_ms, struct account *a)
{
	uint32_t missed = lease_slots_hear(p->slots, a->slot);
	if (missed == 0)
		return;
	p->stats.missed += missed;
	a->fresh += missed;
	a->wanted_ms = now_ms;
}

static void sample(struct lease_purse *p, uint64_t now_ms, struct account *a)
{
	if (a->batch.limit > 0)
		count_taken(a, now_ms, lease_slots_used(p->slots, a->slot));
	uint64_t passed_ms = now_ms - a->sampled_ms;
	if (passed_ms < SAMPLE_MS)
		return;
	uint64_t rate = (uint64_t)a->fresh * 1000000 / passed_ms, mean = a->per_s_milli;
	if (rate >= mean)
		a->per_s_milli = mean + (rate - mean) * passed_ms / (passed_ms + RISE_MS);
	else
		a->per_s_milli = mean - (mean - rate) * passed_ms / (passed_ms + FALL_MS);
	a->fresh = 0;
	a->sampled_ms = now_ms;
}

static uint32_t target(const struct account *a)
{
	uint64_t want = (a->per_s_milli * DEMAND_MS / 1000 + 999) / 1000;
	if (want < (uint64_t)a->fresh * 2)
		want = (uint64_t)a->fresh * 2; /* came within less than a sample */
	if (want < LEASE_WANT_MIN)
		want = LEASE_WANT_MIN;
	return want < LEASE_LIMIT_MAX ? (uint32_t)want : LEASE_LIMIT_MAX;
}

static bool is_idle(const struct account *a, uint64_t now_ms)
{
	return a->wanted_ms == 0 || now_ms - a->wanted_ms >= LEASE_IDLE_MS;
}

/* -- asking -- */

static bool needs(const struct lease_purse *p, const struct account *a, uint64_t now_ms)
{
	if (!a->met || lease_slots_ran_dry(p->slots, a->slot))
		return true;
	if (is_idle(a, now_ms))
		return false;
	return left(p, a) <= a->batch.limit / 3 || now_ms + RENEW_MS >= a->batch.until_ms;
}

static void put_ask(uint64_t now_ms, struct account *a, struct out *o)
{
	o->commands[o->n++] =
	    (struct lease_command){ .kind = LEASE_SEND_ASK, .slot = a->slot, .ask = { a->req_id, a->want } };
	a->resend_at_ms = now_ms + a->retry_ms;
	a->retry_ms = (uint32_t)least(a->retry_ms * 2, RETRY_MAX_MS);
}

static void ask(struct lease_purse *p, uint64_t now_ms, struct account *a, struct out *o)
{
	hear(p, now_ms, a);
	a->met = true;
	a->pending = true;
	a->req_id = ++p->last_req_id;
	a->want = target(a);
	a->first_sent_ms = now_ms;
	a->give_up_ms = lease_rule_until(now_ms, now_ms, LEASE_LIFE_MS);
	a->retry_ms = RETRY_MS;
	p->stats.asks++;
	put_ask(now_ms, a, o);
}

/* When there will be something to do about it, if nothing happens. */
static uint64_t due(const struct lease_purse *p, const struct account *a, uint64_t now_ms)
{
	uint64_t at = a->batch.limit > 0 ? a->batch.until_ms : TIMER_NEVER;
	if (a->pending)
		at = least(at, a->takes && a->linked ? least(a->resend_at_ms, a->give_up_ms) : a->give_up_ms);
	if (!a->takes || !a->linked)
		return at;
	if (!a->pending && needs(p, a, now_ms))
		at = least(at, a->ask_from_ms);
	if (!is_idle(a, now_ms))
		at = least(at, now_ms + SAMPLE_MS);
	return at;
}

/* False: there was no room for what is to be said. */
static bool attend(struct lease_purse *p, uint64_t now_ms, struct account *a, struct out *o)
{
	sample(p, now_ms, a);
	if (a->batch.limit > 0 && now_ms >= a->batch.until_ms)
		retire(p, now_ms, a);
	if (a->pending && now_ms >= a->give_up_ms)
		a->pending = false;
	if (!a->takes || !a->linked)
		return true;
	bool resend = a->pending && now_ms >= a->resend_at_ms;
	bool anew = !a->pending && now_ms >= a->ask_from_ms && needs(p, a, now_ms);
	if (!resend && !anew)
		return true;
	if (o->n == o->max)
		return false;
	if (anew) {
		ask(p, now_ms, a, o);
	} else {
		p->stats.retries++;
		put_ask(now_ms, a, o);
	}
	return true;
}

static void put_closes(struct lease_purse *p, struct out *o)
{
	while (p->closes_n > 0 && o->n < o->max) {
		const struct owed_close *c = &p->closes[p->closes_first];
		const struct account *a = p->accounts[c->slot];
		if (a->linked && a->incarnation == c->close.incarnation) {
			o->commands[o->n++] =
			    (struct lease_command){ .kind = LEASE_SEND_CLOSE, .slot = c->slot, .close = c->close };
			p->stats.closes++;
		} else {
			p->stats.dropped_closes++;
		}
		p->closes_first = (p->closes_first + 1) % LEASE_CLOSES_MAX;
		p->closes_n--;
	}
}

size_t lease_purse_step(struct lease_purse *p, uint64_t now_ms, struct lease_command *out, size_t max)
{
	OBJ_CHECK(p, PURSE_MAGIC);
	struct out o = { out, 0, max };
	put_closes(p, &o);
	p->wake_at_ms = TIMER_NEVER;
	bool room = true;
	for (size_t i = 0; i < p->known_n; i++) {
		room = attend(p, now_ms, p->known[i], &o) && room;
		p->wake_at_ms = least(p->wake_at_ms, due(p, p->known[i], now_ms));
	}
	put_closes(p, &o);
	if (!room || p->closes_n > 0)
		p->wake_at_ms = 0;
	return o.n;
}

uint64_t lease_purse_wake_at(const struct lease_purse *p)
{
	OBJ_CHECK(p, PURSE_MAGIC);
	return p->wake_at_ms;
}

/* -- events -- */

void lease_purse_node(struct lease_purse *p, uint64_t now_ms, uint32_t slot, bool takes)
{
	OBJ_CHECK(p, PURSE_MAGIC);
	if (slot >= LEASE_SLOTS || (!takes && p->accounts[slot] == NULL))
		return;
	struct account *a = meet(p, now_ms, slot);
	if (a->takes == takes)
		return;
	a->takes = takes;
	p->wake_at_ms = 0;
	if (takes) {
		hear(p, now_ms, a);
		a->met = false;
		a->empty_gap_ms = 0;
	} else {
		retire(p, now_ms, a);
	}
}

void lease_purse_link_up(struct lease_purse *p, uint64_t now_ms, uint32_t slot, uint64_t incarnation)
{
	OBJ_CHECK(p, PURSE_MAGIC);
	if (slot >= LEASE_SLOTS)
		return;
	struct account *a = meet(p, now_ms, slot);
	bool other = a->incarnation != incarnation;
	a->linked = true;
	a->incarnation = incarnation;
	p->wake_at_ms = 0;
	if (other) {
		retire(p, now_ms, a);
		a->met = false;
		a->ask_from_ms = now_ms;
	}
	if (a->pending) {
		a->resend_at_ms = now_ms; /* the request or its answer may have been lost */
		a->retry_ms = RETRY_MS;
	}
}

void lease_purse_link_down(struct lease_purse *p, uint64_t now_ms, uint32_t slot)
{
	OBJ_CHECK(p, PURSE_MAGIC);
	if (slot >= LEASE_SLOTS || p->accounts[slot] == NULL)
		return;
	(void)now_ms;
	p->accounts[slot]->linked = false;
	p->wake_at_ms = 0;
}

static bool is_sane(const struct account *a, const struct lease_grant *g)
{
	return g->limit <= a->want && (g->limit == 0) == (g->batch == 0) && g->life_ms <= TOLD_LIFE_MAX_MS &&
	       g->incarnation == a->incarnation;
}

/* When the next may be asked for. */
static void pace(struct account *a, uint64_t now_ms, uint32_t limit)
{
	if (limit > 0)
		a->empty_gap_ms = 0;
	else
		a->empty_gap_ms =
		    a->empty_gap_ms == 0 ? SHORT_GAP_MS : (uint32_t)least(a->empty_gap_ms * 2, EMPTY_GAP_MS);
	uint32_t gap_ms = limit == 0 ? a->empty_gap_ms : limit < a->want ? SHORT_GAP_MS : GAP_MS;
	a->ask_from_ms = now_ms + gap_ms;
}

/* A new batch takes the old one's place, unless it is no better: then that one goes back whole. */
static void take_over(struct lease_purse *p, uint64_t now_ms, struct account *a, const struct lease_batch *b)
{
	bool better = left(p, a) < b->limit || now_ms + RENEW_MS >= a->batch.until_ms;
	if (!a->takes || !better) {
		owe_close(p, a->slot, b, 0);
		return;
	}
	retire(p, now_ms, a);
	publish(p, a, b);
}

bool lease_purse_grant(struct lease_purse *p, uint64_t now_ms, uint32_t slot, const struct lease_grant *g)
{
	OBJ_CHECK(p, PURSE_MAGIC);
	struct account *a = slot < LEASE_SLOTS ? p->accounts[slot] : NULL;
	if (a == NULL || !lease_rule_accepts(a->pending, a->req_id, g->req_id) || !is_sane(a, g)) {
		p->stats.refused_grants++;
		return false;
	}
	a->pending = false;
	a->granted_ms = now_ms;
	a->granted = g->limit;
	a->weight_kbps = g->weight_kbps;
	hear(p, now_ms, a);
	pace(a, now_ms, g->limit);
	p->wake_at_ms = 0;
	p->stats.grants++;
	p->stats.places += g->limit;
	if (g->limit == 0) {
		p->stats.empty_grants++;
		return true;
	}
	struct lease_batch b = { g->incarnation, g->batch, g->limit,
		lease_rule_until(a->first_sent_ms, now_ms, g->life_ms) };
	take_over(p, now_ms, a, &b);
	return true;
}

/* -- to show -- */

bool lease_purse_look(const struct lease_purse *p, uint32_t slot, struct lease_purse_view *v)
{
	OBJ_CHECK(p, PURSE_MAGIC);
	const struct account *a = slot < LEASE_SLOTS ? p->accounts[slot] : NULL;
	if (a == NULL)
		return false;
	*v = (struct lease_purse_view){
		.takes = a->takes,
		.linked = a->linked,
		.batch = a->batch.batch,
		.limit = a->batch.limit,
		.used = lease_slots_used(p->slots, slot),
		.until_ms = a->batch.until_ms,
		.pending = a->pending,
		.asked_ms = a->first_sent_ms,
		.granted_ms = a->granted_ms,
		.granted = a->granted,
		.per_s_milli = a->per_s_milli < UINT32_MAX ? (uint32_t)a->per_s_milli : UINT32_MAX,
		.weight_kbps = a->weight_kbps,
	};
	return true;
}

const struct lease_purse_stats *lease_purse_stats(const struct lease_purse *p)
{
	OBJ_CHECK(p, PURSE_MAGIC);
	return &p->stats;
}
