#include "kvs/members.h"

#include "base/obj.h"
#include "kvs/claims.h"
#include "kvs/expel.h"
#include "kvs/out.h"
#include "kvs/own.h"
#include "kvs/registers.h"
#include "kvs/rows.h"
#include "kvs/watch.h"
#include "kvs/wiring.h"

#include <string.h>

/* A node that is really cut off must not fill the others' rows with its lives. */
enum { LIFE_WAIT_MAX_MS = 64 * 1000, LIFE_WAIT_GROWS = 4 };

static size_t lower(const struct kvs *k, const struct node_id *id)
{
	size_t low = 0, high = k->members_n;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (node_id_cmp(&k->members[mid]->id, id) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct member *members_find(const struct kvs *k, const struct node_id *id)
{
	size_t at = lower(k, id);
	return at < k->members_n && node_id_eq(&k->members[at]->id, id) ? k->members[at] : NULL;
}

static struct member *ensure(struct kvs *k, const struct node_id *id)
{
	struct member *m = members_find(k, id);
	if (m != NULL)
		return m;
	if (k->members_n >= KVS_OWNERS_MAX)
		return NULL;
	m = OBJ_NEW(struct member, KVS_MEMBER_MAGIC);
	m->id = *id;
	m->liveness = KVS_ALIVE;
	m->since_ms = k->now_ms;
	m->expelled = expel_has(k, id);
	size_t at = lower(k, id);
	k->members = kvs_grow(k->members, &k->members_cap, k->members_n + 1, sizeof(*k->members));
	memmove(k->members + at + 1, k->members + at, (k->members_n - at) * sizeof(*k->members));
	k->members[at] = m;
	k->members_n++;
	return m;
}

void members_free(struct member *m)
{
	if (m == NULL)
		return;
	free(m->reg);
	free(m->dialled);
	claims_free(m);
	OBJ_FREE(m);
}

static void changed(struct kvs *k)
{
	if (k->out != NULL)
		k->out->members_changed = true;
}

static bool has_left(const struct member *m)
{
	return m->reg != NULL && m->reg->state == NODE_LEFT;
}

/* -- liveness -- */

static enum kvs_liveness judge(const struct kvs *k, const struct member *m, const char **why)
{
	*why = "no claim stands";
	if (m == k->self)
		return KVS_ALIVE;
	*why = "it was expelled";
	if (m->expelled)
		return KVS_DOWN;
	*why = "it has left";
	if (has_left(m))
		return KVS_DOWN;
	*why = "its watchers say so";
	if (m->down)
		return KVS_DOWN;
	*why = "its link broke";
	if (m->broke)
		return KVS_SUSPECT;
	if (m->watch != NULL && m->watch->why != NULL) {
		*why = m->watch->why;
		return KVS_SUSPECT;
	}
	*why = "a watcher claims it";
	if (m->claims_on > 0)
		return KVS_SUSPECT;
	*why = m->links > 0 ? "linked" : "no claim stands";
	return KVS_ALIVE;
}

void members_review(struct kvs *k, struct member *m)
{
	static const enum kvs_event_kind EVENTS[] = { [KVS_ALIVE] = KVS_EVENT_NODE_ALIVE,
		[KVS_SUSPECT] = KVS_EVENT_NODE_SUSPECT,
		[KVS_DOWN] = KVS_EVENT_NODE_DOWN };
	const char *why;
	enum kvs_liveness to = judge(k, m, &why);
	if (m->is_known && m->liveness == to)
		return;
	if (k->out == NULL || out_events_full(k)) {
		k->review_due = true;
		if (k->out != NULL)
			out_later(k);
		return;
	}
	m->is_known = true;
	if (m->liveness != to)
		m->since_ms = k->now_ms;
	m->liveness = to;
	if (m != k->self && !m->expelled)
		out_event(
		    k, EVENTS[to], &m->id, why, to == KVS_ALIVE ? m->incarnation.count : (uint64_t)m->claims_on);
	if (to == KVS_DOWN)
		m->name_clash = false;
	changed(k);
	wiring_changed(k);
	wiring_follow(k, m);
}

void members_review_due(struct kvs *k)
{
	if (!k->review_due)
		return;
	k->review_due = false;
	for (size_t i = 0; i < k->members_n; i++)
		members_review(k, k->members[i]);
}

void members_judged(struct kvs *k, struct member *m, unsigned claims, bool down)
{
	m->claims_on = (uint8_t)claims;
	m->down = down;
	members_review(k, m);
	/* Claims of the dead may not hold it down yet, but would when more of its watchers die. */
	if (m == k->self && claims > 0 && !timer_armed(&k->life.t))
		timers_arm(&k->timers, &k->life.t, k->now_ms + KVS_LIFE_WAIT_MS);
}

/* Those who live withdraw their claims when they hear this node; the dead never do. */
static size_t dead_claimers(const struct kvs *k, struct node_id out[KVS_CLAIMERS_MAX])
{
	struct node_id by[KVS_CLAIMERS_MAX];
	size_t n = claims_on(k, k->self, by), dead = 0;
	for (size_t i = 0; i < n; i++)
		if (members_find(k, &by[i])->liveness == KVS_DOWN)
			out[dead++] = by[i];
	return dead;
}

static bool held_down_before(const struct kvs *k, const struct node_id *by)
{
	for (size_t i = 0; i < k->life_against_n; i++)
		if (node_id_eq(&k->life_against[i], by))
			return true;
	return false;
}

/* False when all of them held this node down before. */
static bool note_claimers(struct kvs *k, const struct node_id *by, size_t n)
{
	bool any_new = false;
	for (size_t i = 0; i < n; i++) {
		if (held_down_before(k, &by[i]))
			continue;
		any_new = true;
		if (k->life_against_n == KVS_LIFE_AGAINST_MAX) /* the oldest goes */
			memmove(k->life_against, k->life_against + 1, --k->life_against_n * sizeof(by[0]));
		k->life_against[k->life_against_n++] = by[i];
	}
	return any_new;
}

/* Who claims the new life, too, is not dead but cut off: that is not settled by yet another life. */
static bool may_raise_life(struct kvs *k)
{
	struct node_id by[KVS_CLAIMERS_MAX];
	size_t n = dead_claimers(k, by);
	if (n == 0)
		return false;
	if (note_claimers(k, by, n))
		return true;
	if (k->now_ms - k->life_raised_ms < k->life_wait_ms)
		return false;
	k->life_wait_ms *= LIFE_WAIT_GROWS;
	if (k->life_wait_ms > LIFE_WAIT_MAX_MS)
		k->life_wait_ms = LIFE_WAIT_MAX_MS;
	return true;
}

void members_on_life_timer(struct kvs *k)
{
	if (k->self->claims_on == 0)
		return;
	timers_arm(&k->timers, &k->life.t, k->now_ms + KVS_LIFE_WAIT_MS);
	if (!may_raise_life(k))
		return;
	k->reg->life++;
	k->life_raised_ms = k->now_ms;
	members_set_self(k, k->reg);
	own_put_register(k);
	if (!out_events_full(k))
		out_event(k, KVS_EVENT_LIFE_RAISED, &k->cfg.self, "claimed by nodes that are down", k->reg->life);
}

/* Two living ids with one name: said once, by every node that sees it. */
static void check_name(struct kvs *k, struct member *m)
{
	if (m->reg == NULL || (m->links == 0 && m != k->self) || m->liveness == KVS_DOWN ||
	    m->reg->state == NODE_LEFT || m->name_clash || out_events_full(k))
		return;
	/* A restart with a new id is no clash: the old one falls silent. So those are asked who are linked, and
	 * self. */
	for (size_t i = 0; i <= k->links_n; i++) {
		const struct member *other = i < k->links_n ? k->links[i]->member : k->self;
		if (other == m || other->reg == NULL || other->liveness == KVS_DOWN ||
		    other->reg->state == NODE_LEFT || !bytes_eq(other->reg->name, m->reg->name))
			continue;
		m->name_clash = true;
		out_event(k, KVS_EVENT_DUPLICATE_NAME, &m->id, "two living ids with one name", other->id.b[0]);
		return;
	}
}

/* -- links -- */

static void raise_incarnation(struct kvs *k, struct member *m, struct incarnation incarnation)
{
	if (incarnation_cmp(m->incarnation, incarnation) >= 0)
		return;
	m->incarnation = incarnation;
	claims_changed(k);
	watch_renewed(k, m);
}

static uint32_t life_of(const struct member *m)
{
	return m->reg == NULL ? 0 : m->reg->life;
}

struct member *members_link_up(struct kvs *k, const struct node_id *id)
{
	struct member *m = ensure(k, id);
	if (m == NULL)
		return NULL;
	m->links++;
	m->broke = false;
	watch_heard(k, m);
	members_review(k, m);
	check_name(k, m);
	changed(k);
	return m;
}

void members_link_down(struct kvs *k, struct member *m, bool bye)
{
	m->links--;
	changed(k);
	if (m->links > 0 || bye)
		return;
	/* A link that this node does not need may break without meaning anything. */
	m->broke = m->wires != 0;
	watch_broke(k, m);
	members_review(k, m);
}

void members_on_refused(struct kvs *k, const char *address)
{
	for (size_t i = 0; i < k->watches_n; i++) {
		struct member *m = k->watches[i]->member;
		if (m->dialled != NULL && strcmp(m->dialled, address) == 0)
			watch_refused(k, m);
	}
}

/* -- registers and loads -- */

static void set_in_ring(struct kvs *k, struct member *m, bool in_ring)
{
	if (m->in_ring == in_ring)
		return;
	m->in_ring = in_ring;
	if (in_ring)
		ring_add(&k->ring, &m->id, m);
	else
		CHECK(ring_remove(&k->ring, &m->id));
	wiring_changed(k);
	claims_changed(k);
}

static void set_register(struct kvs *k, struct member *m, struct rpc_register *reg)
{
	bool state = m->reg != NULL && m->reg->state != reg->state;
	uint32_t life_was = life_of(m);
	free(m->reg);
	m->reg = reg;
	changed(k);
	if (state && k->out != NULL && !out_events_full(k))
		out_event(k, KVS_EVENT_NODE_STATE, &m->id, node_state_str(reg->state), reg->state);
	set_in_ring(k, m, reg->state != NODE_LEFT && !m->expelled);
	if (reg->life != life_was) {
		claims_changed(k);
		watch_life_raised(k, m);
	}
	if (has_left(m))
		m->broke = false;
	wiring_follow(k, m);
	members_review(k, m);
	if (k->out != NULL)
		check_name(k, m);
}

void members_set_expelled(struct kvs *k, struct member *m, bool expelled)
{
	m->expelled = expelled;
	set_in_ring(k, m, !expelled && m->reg != NULL && m->reg->state != NODE_LEFT);
	wiring_follow(k, m);
	members_review(k, m);
	changed(k);
}

static void read_register(struct kvs *k, struct member *m, const struct row *row)
{
	struct rpc_entry e;
	if (!row_get(row, RPC_KEY_REGISTER, &e) || e.deleted)
		return;
	struct rpc_register *reg = register_decode(e.value);
	if (reg != NULL)
		set_register(k, m, reg);
	else if (k->out != NULL && !out_events_full(k))
		out_event(k, KVS_EVENT_REFUSED_FRAME, &m->id, "register that cannot be read", e.version);
}

static void read_load(struct kvs *k, struct member *m, const struct row *row)
{
	struct rpc_entry e;
	m->has_load = row_get(row, RPC_KEY_LOAD, &e) && !e.deleted && load_decode(e.value, &m->load);
	m->load_seen_ms = k->now_ms;
	changed(k);
}

void members_on_row(struct kvs *k, struct replica *r)
{
	struct member *m = ensure(k, &r->owner);
	if (m == NULL || r->live.incarnation.count == 0)
		return;
	if (r->stream == RPC_LOAD)
		read_load(k, m, &r->live);
	if (r->stream != RPC_CONTROL)
		return;
	raise_incarnation(k, m, r->live.incarnation);
	if (m != k->self)
		read_register(k, m, &r->live);
	claims_read(k, m, &r->live);
}

void members_set_self(struct kvs *k, const struct rpc_register *reg)
{
	k->self->incarnation = k->incarnation;
	set_register(k, k->self, register_copy(reg));
}

void members_start(struct kvs *k, const struct rpc_register *self)
{
	k->self = ensure(k, &k->cfg.self);
	members_set_self(k, self);
	for (size_t i = 0; i < k->rows_n; i++)
		members_on_row(k, k->rows[i]);
}
