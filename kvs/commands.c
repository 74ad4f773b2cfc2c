#include "kvs/commands.h"

#include "base/check.h"
#include "base/hash.h"
#include "kvs/drains.h"
#include "kvs/expel.h"
#include "kvs/out.h"
#include "kvs/own.h"
#include "kvs/rows.h"

#include <stdlib.h>
#include <string.h>

enum {
	WAITS_MAX = 8192,
	LOOK_MS = 1000,
	LOOKS_MAX = 256,             /* commands that are searched for in all rows, a look */
	RANK_MS = 2000,              /* what each further neighbour waits */
	START_MS = 10 * 1000,        /* what was loaded may be old */
	GIVE_UP_MS = 10 * 60 * 1000, /* nobody could record it */
	FORGET_EVERY_MS = 3600 * 1000,
	SAY_EVERY_MS = 10 * 60 * 1000,
	SCRATCH_BYTES = 16 * 1024,
};

/* Part of the protocol: who is to record a command follows from it. */
static const struct hash_key RANK_KEY = { "warmcast record " };

void commands_init(struct kvs *k)
{
	k->commands.timer.kind = KVS_TIMER_COMMANDS;
	k->commands.wall_ms = k->cfg.wall_ms;
}

void commands_fini(struct kvs *k)
{
	free(k->commands.waits);
	free(k->commands.expels);
	drains_fini(k);
}

/* -- time -- */

static uint64_t wall_ms(const struct kvs *k)
{
	return k->commands.wall_ms + (k->now_ms - k->commands.wall_at_ms);
}

static bool is_ahead(const struct kvs *k, struct rpc_hlc at)
{
	uint64_t wall = wall_ms(k);
	return at.wall_ms > wall && at.wall_ms - wall > KVS_COMMAND_AHEAD_MS;
}

void commands_look_at(struct kvs *k, uint64_t at_ms)
{
	struct timer *t = &k->commands.timer.t;
	if (!timer_armed(t) || t->at_ms > at_ms)
		timers_arm(&k->timers, t, at_ms);
}

void commands_on_clock(struct kvs *k, uint64_t wall)
{
	k->commands.wall_ms = wall;
	k->commands.wall_at_ms = k->now_ms;
	if (k->now_ms - k->commands.forgot_ms >= FORGET_EVERY_MS)
		commands_look_at(k, k->now_ms);
}

/* -- commands that stand in one row -- */

static size_t waits_lower(const struct kvs *k, const struct rpc_command_id *id)
{
	const struct commands *c = &k->commands;
	size_t low = 0, high = c->waits_n;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (rpc_command_id_cmp(&c->waits[mid].id, id) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void wait_end(struct commands *c, size_t at)
{
	c->waits_n--;
	memmove(c->waits + at, c->waits + at + 1, (c->waits_n - at) * sizeof(*c->waits));
}

/* Seen in that row. In another one before: then it is recorded. */
static void wait_or_end(
    struct kvs *k, const struct rpc_command_id *id, const struct node_id *holder, uint64_t since_ms)
{
	struct commands *c = &k->commands;
	size_t at = waits_lower(k, id);
	if (at < c->waits_n && rpc_command_id_cmp(&c->waits[at].id, id) == 0) {
		if (!node_id_eq(&c->waits[at].holder, holder))
			wait_end(c, at);
		return;
	}
	if (c->waits_n == WAITS_MAX)
		return;
	c->waits = kvs_grow(c->waits, &c->waits_cap, c->waits_n + 1, sizeof(*c->waits));
	memmove(c->waits + at + 1, c->waits + at, (c->waits_n - at) * sizeof(*c->waits));
	c->waits[at] = (struct command_wait){ .id = *id, .holder = *holder, .since_ms = since_ms };
	c->waits_n++;
	commands_look_at(k, since_ms);
}

/* A row other than the holder's that has it live. */
static const struct replica *other_holder(
    const struct kvs *k, const struct rpc_command_id *id, const struct node_id *holder)
{
	uint8_t key[RPC_COMMAND_KEY_BYTES];
	struct rpc_entry e;
	rpc_command_key(id, key);
	for (size_t i = 0; i < k->rows_n; i++) {
		const struct replica *r = k->rows[i];
		if (r->stream == RPC_CONTROL && !node_id_eq(&r->owner, holder) &&
		    row_get(&r->live, bytes_of(key, sizeof(key)), &e) && !e.deleted)
			return r;
	}
	return NULL;
}

static bool is_out(const struct member *m)
{
	return m->liveness == KVS_DOWN || (m->reg != NULL && m->reg->state == NODE_LEFT);
}

static bool cannot_record(void *holder, const void *member)
{
	const struct member *m = member;
	return is_out(m) || node_id_eq(&m->id, holder);
}

static uint64_t rank_hash(const struct rpc_command_id *id, const struct node_id *node)
{
	uint8_t b[RPC_COMMAND_ID_BYTES + NODE_ID_BYTES];
	memcpy(b, id->b, RPC_COMMAND_ID_BYTES);
	memcpy(b + RPC_COMMAND_ID_BYTES, node->b, NODE_ID_BYTES);
	return hash64(&RANK_KEY, bytes_of(b, sizeof(b)));
}

/* How many of the holder's neighbours come before this node; RING_NEIGHBOURS_MAX: it is none of them. */
static size_t own_rank(const struct kvs *k, const struct command_wait *w)
{
	void *near[RING_NEIGHBOURS_MAX];
	struct node_id holder = w->holder;
	size_t n = ring_neighbours(&k->ring, &holder, cannot_record, &holder, near), before = 0;
	uint64_t mine = rank_hash(&w->id, &k->cfg.self);
	bool among = false;
	for (size_t i = 0; i < n; i++) {
		const struct member *m = near[i];
		if (m == k->self)
			among = true;
		else if (rank_hash(&w->id, &m->id) < mine)
			before++;
	}
	return among ? before : RING_NEIGHBOURS_MAX;
}

/* -- what stands in the own row -- */

static bool is_drain(uint32_t kind)
{
	return kind == RPC_COMMAND_DRAIN || kind == RPC_COMMAND_UNDRAIN;
}

static bool is_purge(struct bytes value, struct rpc_hlc *at)
{
	struct arena a;
	struct rpc_command c;
	arena_init(&a, SCRATCH_BYTES);
	bool purge = rpc_decode_command(value, &a, &c) == OK && c.kind == RPC_COMMAND_PURGE;
	if (purge)
		*at = c.at;
	arena_fini(&a);
	return purge;
}

static size_t commands_after(const struct row *row, uint64_t version)
{
	struct rpc_entry e;
	struct rpc_command_id id;
	size_t n = 0;
	for (size_t at = row_after(row, version); row_next(row, &at, &e);)
		n += !e.deleted && rpc_command_key_split(e.key, &id);
	return n;
}

static bool purges_full(const struct kvs *k)
{
	const struct own *o = &k->own;
	size_t n = commands_after(&o->rows[RPC_CONTROL]->live, 0) +
	           commands_after(&o->staged[RPC_CONTROL], o->taken[RPC_CONTROL]);
	if (o->in_flight)
		n += commands_after(&o->flying[RPC_CONTROL], 0);
	return n >= KVS_PURGES_MAX;
}

/* Who has not read the row up to the last of them has to know before they are gone: the entries of a row are
 * read in the order in which they were written (R3). */
static void forget_purges(struct kvs *k)
{
	const struct row *row = &k->own.rows[RPC_CONTROL]->live;
	uint64_t wall = wall_ms(k), last = 0;
	struct rpc_command_id id;
	struct rpc_entry e;
	struct rpc_hlc made;
	for (int pass = 0; pass < 2; pass++) {
		for (size_t at = 0; row_next(row, &at, &e);) {
			if (e.deleted || !rpc_command_key_split(e.key, &id) || !is_purge(e.value, &made) ||
			    made.wall_ms + KVS_PURGE_KEPT_MS >= wall)
				continue;
			if (pass == 0)
				last = e.version;
			else
				own_delete(k, RPC_CONTROL, e.key);
		}
		if (last == 0)
			return;
		if (pass == 0) {
			struct buf b;
			buf_init(&b, RPC_VALUE_MAX);
			CHECK(rpc_encode_forgotten(last, &b) == OK);
			own_put(k, RPC_CONTROL, RPC_KEY_FORGOTTEN, buf_bytes(&b));
			buf_fini(&b);
		}
	}
}

static void forget_drains(struct kvs *k)
{
	const struct row *row = &k->own.rows[RPC_CONTROL]->live;
	struct rpc_command_id id;
	struct rpc_command c;
	struct rpc_entry e;
	struct arena a;
	arena_init(&a, SCRATCH_BYTES);
	for (size_t at = 0; row_next(row, &at, &e); arena_reset(&a)) {
		if (!e.deleted && rpc_command_key_split(e.key, &id) && rpc_decode_command(e.value, &a, &c) == OK &&
		    is_drain(c.kind) && drains_is_over(k, &id, &c, wall_ms(k)))
			own_delete(k, RPC_CONTROL, e.key);
	}
	arena_fini(&a);
}

static void forget_old(struct kvs *k)
{
	k->commands.forgot_ms = k->now_ms;
	forget_purges(k);
	forget_drains(k);
}

/* -- recording -- */

/* The same bytes under the same key. False: not now. */
static bool adopt(struct kvs *k, const struct command_wait *w)
{
	uint8_t key[RPC_COMMAND_KEY_BYTES];
	struct rpc_entry e;
	rpc_command_key(&w->id, key);
	if (!kvs_entry_of(k, &w->holder, RPC_CONTROL, bytes_of(key, sizeof(key)), &e) || e.deleted)
		return true; /* there is nothing to record any more */
	struct arena a;
	struct rpc_command c;
	arena_init(&a, SCRATCH_BYTES);
	bool may = rpc_decode_command(e.value, &a, &c) == OK && !is_ahead(k, c.at) &&
	           !(c.kind == RPC_COMMAND_PURGE && purges_full(k));
	arena_fini(&a);
	if (may)
		own_put(k, RPC_CONTROL, e.key, e.value);
	return may;
}

/* True: nothing more is to be done for it. */
static bool settle(struct kvs *k, struct command_wait *w, size_t *looks)
{
	if (w->adopted)
		return false; /* until the own row shows it */
	if (k->now_ms >= w->since_ms + GIVE_UP_MS)
		return true;
	size_t rank = own_rank(k, w);
	if (rank == RING_NEIGHBOURS_MAX || k->now_ms < w->since_ms + rank * RANK_MS || *looks == 0)
		return false;
	--*looks;
	if (other_holder(k, &w->id, &w->holder) != NULL)
		return true;
	w->adopted = adopt(k, w);
	return false;
}

/* -- seeing -- */

static void say_ahead(struct kvs *k, const struct rpc_command *what)
{
	struct commands *c = &k->commands;
	bool said = c->ahead_said_ms > 0 && k->now_ms - c->ahead_said_ms < SAY_EVERY_MS;
	c->ahead = true;
	commands_look_at(k, k->now_ms + LOOK_MS);
	if (said || k->out == NULL || out_events_full(k))
		return;
	c->ahead_said_ms = k->now_ms;
	out_event(k, KVS_EVENT_COMMAND_AHEAD, &what->issuer, "its clock is ahead of this node's",
	    what->at.wall_ms - wall_ms(k));
}

/* True: the entry is a command that this build can read. */
static bool heed(struct kvs *k, const struct rpc_entry *e, struct rpc_command_id *id)
{
	struct rpc_hlc *clock = &k->commands.clock;
	struct arena a;
	struct rpc_command what;
	if (e->deleted || !rpc_command_key_split(e->key, id))
		return false;
	arena_init(&a, SCRATCH_BYTES);
	bool read = rpc_decode_command(e->value, &a, &what) == OK;
	if (read && is_ahead(k, what.at)) {
		say_ahead(k, &what);
	} else if (read) {
		if (what.at.wall_ms > clock->wall_ms ||
		    (what.at.wall_ms == clock->wall_ms && what.at.counter > clock->counter))
			*clock = what.at;
		if (what.kind == RPC_COMMAND_EXPEL)
			expel_add(k, id, &what);
		if (is_drain(what.kind))
			drains_add(k, id, &what);
	}
	arena_fini(&a);
	return read;
}

/* Those whose time may have come. */
static void look_ahead(struct kvs *k)
{
	struct rpc_entry e;
	struct rpc_command_id id;
	k->commands.ahead = false;
	for (size_t i = 0; i < k->rows_n; i++) {
		const struct replica *r = k->rows[i];
		for (size_t at = 0; r->stream == RPC_CONTROL && row_next(&r->live, &at, &e);)
			(void)heed(k, &e, &id);
	}
}

void commands_on_timer(struct kvs *k)
{
	struct commands *c = &k->commands;
	size_t looks = LOOKS_MAX, kept = 0;
	if (k->now_ms - c->forgot_ms >= FORGET_EVERY_MS)
		forget_old(k);
	if (c->ahead)
		look_ahead(k);
	for (size_t i = 0; i < c->waits_n; i++) {
		if (!settle(k, &c->waits[i], &looks))
			c->waits[kept++] = c->waits[i];
	}
	c->waits_n = kept;
	if (c->waits_n > 0 || c->ahead)
		commands_look_at(k, k->now_ms + LOOK_MS);
}

static void note_row(struct kvs *k, const struct replica *r, uint64_t had, uint64_t since_ms)
{
	struct rpc_entry e;
	struct rpc_command_id id;
	for (size_t at = row_after(&r->live, had); row_next(&r->live, &at, &e);) {
		if (!heed(k, &e, &id))
			continue;
		wait_or_end(k, &id, &r->owner, since_ms);
		if (k->out != NULL)
			k->out->commands_changed = true;
	}
}

void commands_on_row(struct kvs *k, const struct replica *r, uint64_t had)
{
	note_row(k, r, had, k->now_ms);
}

void commands_start(struct kvs *k)
{
	k->commands.wall_at_ms = k->now_ms;
	for (size_t i = 0; i < k->rows_n; i++)
		if (k->rows[i]->stream == RPC_CONTROL)
			note_row(k, k->rows[i], 0, k->now_ms + START_MS);
	forget_old(k);
}

/* -- ordering -- */

/* Above all that this node has seen, and not behind its own clock. */
static struct rpc_hlc next_hlc(struct kvs *k)
{
	struct rpc_hlc *clock = &k->commands.clock;
	uint64_t wall = wall_ms(k);
	if (wall > clock->wall_ms)
		*clock = (struct rpc_hlc){ .wall_ms = wall };
	else if (++clock->counter == 0)
		clock->wall_ms++;
	return *clock;
}

enum err kvs_command_check(const struct kvs *k, enum rpc_command_kind kind, struct bytes subject)
{
	if (k->own.duplicate || k->commands.self_expelled)
		return ERR_CLOSED;
	if (subject.n == 0 || subject.n > RPC_SUBJECT_MAX)
		return ERR_INVALID;
	if (kind == RPC_COMMAND_EXPEL) {
		if (subject.n != NODE_ID_BYTES || memcmp(subject.p, k->cfg.self.b, NODE_ID_BYTES) == 0)
			return ERR_INVALID;
		return k->commands.expels_n >= KVS_EXPELS_MAX ? ERR_FULL : OK;
	}
	if (is_drain(kind) && subject.n != NODE_ID_BYTES)
		return ERR_INVALID;
	return purges_full(k) ? ERR_FULL : OK;
}

void commands_issue(struct kvs *k, const struct kvs_input *in)
{
	uint8_t key[RPC_COMMAND_KEY_BYTES];
	commands_on_clock(k, in->command.wall_ms);
	CHECK(kvs_command_check(k, in->command.kind, in->command.subject) == OK);
	struct rpc_command c = {
		.at = next_hlc(k),
		.kind = in->command.kind,
		.subject = in->command.subject,
		.issuer = k->cfg.self,
		.by = in->command.by,
		.drained_ms = in->command.drained_ms,
		.drained_by = in->command.drained_by,
	};
	struct buf b;
	buf_init(&b, RPC_VALUE_MAX);
	CHECK(rpc_encode_command(&c, &b) == OK);
	rpc_command_key(&in->command.id, key);
	own_put(k, RPC_CONTROL, bytes_of(key, sizeof(key)), buf_bytes(&b));
	buf_fini(&b);
}

/* -- what is known -- */

void kvs_each_command(const struct kvs *k, const struct node_id *owner, uint64_t version,
    void (*each)(void *arg, const struct kvs_command *c), void *arg)
{
	const struct replica *r = rows_find(k, owner, RPC_CONTROL);
	struct kvs_command c;
	struct rpc_entry e;
	struct arena a;
	if (r == NULL)
		return;
	arena_init(&a, SCRATCH_BYTES);
	for (size_t at = row_after(&r->live, version); row_next(&r->live, &at, &e);) {
		arena_reset(&a);
		if (e.deleted || !rpc_command_key_split(e.key, &c.id) ||
		    rpc_decode_command(e.value, &a, &c.what) != OK)
			continue;
		c.version = e.version;
		each(arg, &c);
	}
	arena_fini(&a);
}

uint64_t kvs_forgotten(const struct kvs *k, const struct node_id *owner)
{
	struct rpc_entry e;
	struct arena a;
	uint64_t version = 0;
	if (!kvs_entry_of(k, owner, RPC_CONTROL, RPC_KEY_FORGOTTEN, &e) || e.deleted)
		return 0;
	arena_init(&a, SCRATCH_BYTES);
	if (rpc_decode_forgotten(e.value, &a, &version) != OK)
		version = e.version; /* of a later time: all before it may be gone */
	arena_fini(&a);
	return version;
}

bool kvs_command_recorded(const struct kvs *k, const struct rpc_command_id *id, struct node_id *by)
{
	uint8_t key[RPC_COMMAND_KEY_BYTES];
	struct rpc_entry e;
	rpc_command_key(id, key);
	if (!kvs_entry_of(k, &k->cfg.self, RPC_CONTROL, bytes_of(key, sizeof(key)), &e) || e.deleted)
		return false;
	const struct replica *r = other_holder(k, id, &k->cfg.self);
	*by = r != NULL ? r->owner : k->cfg.self;
	return true;
}

bool kvs_has_company(const struct kvs *k)
{
	for (size_t i = 0; i < k->members_n; i++) {
		const struct member *m = k->members[i];
		if (m != k->self && !m->expelled && !is_out(m))
			return true;
	}
	return false;
}
