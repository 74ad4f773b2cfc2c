#include "kvs/watch.h"

#include "base/obj.h"
#include "kvs/members.h"
#include "kvs/out.h"
#include "kvs/own.h"

#include <string.h>

/* With fewer, most of them may well be dead. */
enum { DOUBT_MIN = 4, NEVER_HEARD_PATIENCE = 2 };

static uint64_t silence_ms(const struct kvs *k)
{
	return (uint64_t)k->cfg.silence_beats * k->cfg.heartbeat_interval_ms;
}

/* -- own claims -- */

static void withdraw(struct kvs *k, const struct node_id *on)
{
	uint8_t key[RPC_CLAIM_KEY_BYTES];
	rpc_claim_key(on, key);
	own_delete(k, RPC_CONTROL, bytes_of(key, sizeof(key)));
}

static void claim(struct kvs *k, struct watch *w)
{
	struct rpc_claim c = { .incarnation = w->member->incarnation, .life = w->member->reg->life };
	uint8_t key[RPC_CLAIM_KEY_BYTES];
	rpc_claim_key(&w->member->id, key);
	struct buf b;
	buf_init(&b, RPC_VALUE_MAX);
	CHECK(rpc_encode_claim(&c, &b) == OK);
	own_put(k, RPC_CONTROL, bytes_of(key, sizeof(key)), buf_bytes(&b));
	buf_fini(&b);
	w->claimed = true;
	k->counters.claims_made++;
	out_event(k, KVS_EVENT_CLAIM, &w->member->id, w->why, k->now_ms - w->since_ms);
}

/* -- self-doubt -- */

/* Neither heard nor known to be down: news to all of this node's watched. */
static bool is_lost(const struct kvs *k, const struct watch *w)
{
	return w->why != NULL || k->now_ms - w->since_ms > silence_ms(k) / 2;
}

/* Until when most are waited for; 0: no doubt. */
static uint64_t doubt_until(struct kvs *k)
{
	size_t lost = 0, living = 0;
	for (size_t i = 0; i < k->watches_n; i++) {
		const struct watch *w = k->watches[i];
		if (w->claimed || w->member->liveness == KVS_DOWN)
			continue;
		living++;
		lost += is_lost(k, w);
	}
	bool most = living >= DOUBT_MIN && lost * 2 > living;
	if (!most)
		k->doubt_ms = 0;
	else if (k->doubt_ms == 0)
		k->doubt_ms = k->now_ms + WATCH_DOUBT_MS;
	return k->doubt_ms;
}

void watch_was_late(struct kvs *k)
{
	k->on_time_ms = k->now_ms + silence_ms(k);
}

/* -- watching -- */

static void arm(struct kvs *k, struct watch *w, uint64_t at_ms)
{
	timers_arm(&k->timers, &w->timer.t, at_ms);
}

/* The member is unheard, and that is why. */
static void accuse(struct kvs *k, struct watch *w, const char *why)
{
	if (k->now_ms < k->on_time_ms) {
		arm(k, w, k->on_time_ms);
		return;
	}
	bool said = w->why != NULL;
	w->why = why;
	if (!said)
		members_review(k, w->member);
	uint64_t until_ms = doubt_until(k);
	if (k->now_ms < until_ms)
		arm(k, w, until_ms < k->now_ms + silence_ms(k) ? until_ms : k->now_ms + silence_ms(k));
	else
		claim(k, w);
}

bool watch_on_timer(struct kvs *k, struct watch *w)
{
	if (out_events_full(k)) {
		arm(k, w, k->now_ms);
		return false;
	}
	if (w->claimed)
		return true;
	uint64_t patience_ms = silence_ms(k) * (w->member->heard_ms == 0 ? NEVER_HEARD_PATIENCE : 1);
	if (w->why != NULL)
		accuse(k, w, w->why);
	else if (w->broke && w->member->links == 0)
		accuse(k, w, "its link broke and none comes instead");
	else if (k->now_ms >= w->since_ms + patience_ms)
		accuse(k, w, w->member->heard_ms == 0 ? "never heard" : "silent");
	else
		arm(k, w, w->since_ms + patience_ms);
	return true;
}

static void restart(struct kvs *k, struct watch *w)
{
	w->since_ms = k->now_ms;
	w->why = NULL;
	w->broke = false;
	if (!timer_armed(&w->timer.t))
		arm(k, w, k->now_ms + silence_ms(k));
}

void watch_heard(struct kvs *k, struct member *m)
{
	struct watch *w = m->watch;
	m->heard_ms = k->now_ms;
	if (w == NULL)
		return;
	bool was = w->why != NULL || w->claimed;
	restart(k, w);
	if (!was)
		return;
	if (w->claimed) {
		w->claimed = false;
		withdraw(k, &m->id);
		if (!out_events_full(k))
			out_event(k, KVS_EVENT_CLAIM_WITHDRAWN, &m->id, "heard again", 0);
	}
	members_review(k, m);
}

void watch_broke(struct kvs *k, struct member *m)
{
	if (m->watch == NULL || m->watch->why != NULL || m->watch->claimed)
		return;
	m->watch->broke = true;
	arm(k, m->watch, k->now_ms + k->cfg.heartbeat_interval_ms);
}

void watch_refused(struct kvs *k, struct member *m)
{
	struct watch *w = m->watch;
	if (w == NULL || w->claimed || w->why != NULL || m->links > 0 || out_events_full(k))
		return;
	accuse(k, w, "nobody listens there");
}

void watch_renewed(struct kvs *k, struct member *m)
{
	struct watch *w = m->watch;
	if (w == NULL)
		return;
	if (w->claimed)
		withdraw(k, &m->id);
	w->claimed = false;
	restart(k, w);
	members_review(k, m);
}

/* -- whom -- */

static bool is_among(const struct member *m, void *const members[], size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (members[i] == m)
			return true;
	return false;
}

static void stop(struct kvs *k, struct watch *w)
{
	timers_disarm(&k->timers, &w->timer.t);
	if (w->claimed)
		withdraw(k, &w->member->id);
	w->member->watch = NULL;
	members_review(k, w->member);
	OBJ_FREE(w);
}

/* Of an earlier run, perhaps on an earlier life. */
static bool has_own_claim(const struct kvs *k, const struct member *on)
{
	for (size_t i = 0; i < k->self->claims_n; i++) {
		const struct member_claim *c = &k->self->claims[i];
		if (node_id_eq(&c->on, &on->id))
			return c->life == on->reg->life && incarnation_cmp(c->incarnation, on->incarnation) == 0;
	}
	return false;
}

static void begin(struct kvs *k, struct member *m)
{
	struct watch *w = OBJ_NEW(struct watch, KVS_WATCH_MAGIC);
	w->member = m;
	w->timer = (struct kvs_timer){ .kind = KVS_TIMER_WATCH, .of = w };
	w->claimed = has_own_claim(k, m);
	if (!w->claimed)
		withdraw(k, &m->id);
	m->watch = w;
	k->watches[k->watches_n++] = w;
	restart(k, w);
}

void watch_set(struct kvs *k, void *const members[], size_t n)
{
	CHECK(n <= RING_NEIGHBOURS_MAX);
	size_t keep = 0;
	for (size_t i = 0; i < k->watches_n; i++) {
		if (is_among(k->watches[i]->member, members, n))
			k->watches[keep++] = k->watches[i];
		else
			stop(k, k->watches[i]);
	}
	k->watches_n = keep;
	for (size_t i = 0; i < n; i++)
		if (((struct member *)members[i])->watch == NULL)
			begin(k, members[i]);
	/* Claims on others are not this node's to make any more. */
	for (size_t i = 0; i < k->self->claims_n; i++)
		if (!is_among(members_find(k, &k->self->claims[i].on), members, n))
			withdraw(k, &k->self->claims[i].on);
}

void watch_fini(struct kvs *k)
{
	for (size_t i = 0; i < k->watches_n; i++)
		OBJ_FREE(k->watches[i]);
}
