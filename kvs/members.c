#include "kvs/members.h"

#include "base/obj.h"
#include "kvs/dials.h"
#include "kvs/expel.h"
#include "kvs/out.h"
#include "kvs/registers.h"
#include "kvs/rows.h"

#include <string.h>

enum { UNLINKED_PATIENCE = 3 };

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

static struct member *ensure(struct kvs *k, const struct node_id *id)
{
	size_t at = lower(k, id);
	if (at < k->members_n && node_id_eq(&k->members[at]->id, id))
		return k->members[at];
	if (k->members_n >= KVS_OWNERS_MAX)
		return NULL;
	struct member *m = OBJ_NEW(struct member, KVS_MEMBER_MAGIC);
	m->id = *id;
	m->liveness = KVS_ALIVE;
	m->since_ms = m->heard_ms = k->now_ms;
	m->silence = (struct kvs_timer){ .kind = KVS_TIMER_SILENCE, .of = m };
	if (!node_id_eq(id, &k->cfg.self))
		timers_arm(
		    &k->timers, &m->silence.t, k->now_ms + (k->cfg.silence_beats * k->cfg.heartbeat_interval_ms));
	k->members = kvs_grow(k->members, &k->members_cap, k->members_n + 1, sizeof(*k->members));
	memmove(k->members + at + 1, k->members + at, (k->members_n - at) * sizeof(*k->members));
	k->members[at] = m;
	k->members_n++;
	m->expelled = expel_has(k, id);
	if (!m->expelled)
		ring_add(&k->ring, id, m);
	k->near_stale = true;
	return m;
}

void members_free(struct member *m)
{
	if (m == NULL)
		return;
	free(m->reg);
	free(m->dialled);
	OBJ_FREE(m);
}

/* -- liveness -- */

static void changed(struct kvs *k)
{
	if (k->out != NULL)
		k->out->members_changed = true;
}

static void set_liveness(struct kvs *k, struct member *m, enum kvs_liveness to)
{
	if (m->liveness == to)
		return;
	m->liveness = to;
	m->since_ms = k->now_ms;
	k->near_stale = true;
	changed(k);
}

/* Two living ids with one name: said once, by every node that sees it. */
static void check_name(struct kvs *k, struct member *m)
{
	if (m->reg == NULL || m->liveness == KVS_DOWN || m->reg->state == NODE_LEFT || out_events_full(k))
		return;
	for (size_t i = 0; i < k->members_n; i++) {
		struct member *other = k->members[i];
		if (other == m || other->reg == NULL || other->liveness == KVS_DOWN ||
		    other->reg->state == NODE_LEFT || !bytes_eq(other->reg->name, m->reg->name))
			continue;
		/* A restart with a new id is no clash: the old one falls silent. */
		if (m->name_clash || (m->links == 0 && m != k->self) || (other->links == 0 && other != k->self))
			continue;
		m->name_clash = true;
		out_event(k, KVS_EVENT_DUPLICATE_NAME, &m->id, "two living ids with one name", other->id.b[0]);
		return;
	}
}

void members_heard(struct kvs *k, struct member *m)
{
	m->heard_ms = k->now_ms;
	if (m->was_heard && m->liveness == KVS_ALIVE)
		return;
	if (!timer_armed(&m->silence.t))
		timers_arm(
		    &k->timers, &m->silence.t, k->now_ms + (k->cfg.silence_beats * k->cfg.heartbeat_interval_ms));
	if (!m->was_heard && !m->expelled && !out_events_full(k)) {
		m->was_heard = true;
		out_event(
		    k, KVS_EVENT_NODE_ALIVE, &m->id, m->links > 0 ? "linked" : "heard of", m->incarnation.count);
	}
	set_liveness(k, m, KVS_ALIVE);
	check_name(k, m);
}

static void set_down(struct kvs *k, struct member *m, const char *why)
{
	timers_disarm(&k->timers, &m->silence.t);
	m->was_heard = m->name_clash = false;
	uint64_t silent_ms = k->now_ms - m->heard_ms;
	set_liveness(k, m, KVS_DOWN);
	if (!m->expelled)
		out_event(k, KVS_EVENT_NODE_DOWN, &m->id, why, silent_ms);
}

bool members_on_silence(struct kvs *k, struct member *m)
{
	/* News of one that was never linked comes through others, and late. */
	uint64_t patience_ms = (uint64_t)(k->cfg.silence_beats * k->cfg.heartbeat_interval_ms) *
	                       (m->was_linked ? 1 : UNLINKED_PATIENCE);
	uint64_t due_ms = m->heard_ms + patience_ms;
	if (k->now_ms < due_ms) {
		timers_arm(&k->timers, &m->silence.t, due_ms);
		return true;
	}
	if (out_events_full(k)) {
		timers_arm(&k->timers, &m->silence.t, k->now_ms);
		return false;
	}
	set_down(k, m, "silent");
	return true;
}

void members_on_refused(struct kvs *k, const char *address)
{
	for (size_t i = 0; i < k->members_n; i++) {
		struct member *m = k->members[i];
		if (m->liveness == KVS_SUSPECT && m->links == 0 && m->dialled != NULL &&
		    strcmp(m->dialled, address) == 0 && !out_events_full(k))
			set_down(k, m, "its link broke and nobody listens there");
	}
}

struct member *members_link_up(struct kvs *k, const struct node_id *id, struct incarnation incarnation)
{
	struct member *m = ensure(k, id);
	if (m == NULL)
		return NULL;
	m->links++;
	m->was_linked = true;
	if (incarnation_cmp(m->incarnation, incarnation) < 0)
		m->incarnation = incarnation;
	members_heard(k, m);
	check_name(k, m);
	changed(k);
	return m;
}

void members_link_down(struct kvs *k, struct member *m, bool bye)
{
	m->links--;
	changed(k);
	if (m->links > 0 || m->liveness == KVS_DOWN)
		return;
	if (bye && !out_events_full(k))
		set_down(k, m, "bye");
	else
		set_liveness(k, m, KVS_SUSPECT);
}

/* -- registers and loads -- */

static void set_register(struct kvs *k, struct member *m, struct rpc_register *reg)
{
	bool state = m->reg != NULL && m->reg->state != reg->state;
	free(m->reg);
	m->reg = reg;
	k->near_stale = true;
	changed(k);
	if (state && k->out != NULL && !out_events_full(k))
		out_event(k, KVS_EVENT_NODE_STATE, &m->id, node_state_str(reg->state), reg->state);
	if (m != k->self)
		dials_follow(k, m);
	if (k->out != NULL)
		check_name(k, m);
}

static void read_register(struct kvs *k, struct member *m, const struct row *row)
{
	struct rpc_entry e;
	if (!row_get(row, RPC_KEY_REGISTER, &e) || e.deleted)
		return;
	struct rpc_register *reg = register_decode(e.value);
	if (reg != NULL)
		set_register(k, m, reg);
	else if (!out_events_full(k))
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
	if (incarnation_cmp(m->incarnation, r->live.incarnation) < 0)
		m->incarnation = r->live.incarnation;
	if (r->stream == RPC_CONTROL && m != k->self)
		read_register(k, m, &r->live);
	else if (r->stream == RPC_LOAD)
		read_load(k, m, &r->live);
	if (m != k->self && !m->was_linked && k->started)
		members_heard(k, m);
}

void members_set_self(struct kvs *k, const struct rpc_register *reg)
{
	k->self->incarnation = k->incarnation;
	set_register(k, k->self, register_copy(reg));
}

void members_start(struct kvs *k, const struct rpc_register *self)
{
	k->self = ensure(k, &k->cfg.self);
	k->self->was_heard = true;
	members_set_self(k, self);
	for (size_t i = 0; i < k->rows_n; i++)
		members_on_row(k, k->rows[i]);
}
