#include "kvs/kvs.h"

#include "base/obj.h"
#include "kvs/claims.h"
#include "kvs/commands.h"
#include "kvs/dials.h"
#include "kvs/expel.h"
#include "kvs/members.h"
#include "kvs/mirror.h"
#include "kvs/out.h"
#include "kvs/own.h"
#include "kvs/prints.h"
#include "kvs/pull.h"
#include "kvs/ranges.h"
#include "kvs/registers.h"
#include "kvs/rows.h"
#include "kvs/spread.h"
#include "kvs/sync.h"
#include "kvs/tree.h"
#include "kvs/watch.h"
#include "kvs/wiring.h"

#include <string.h>

static uint32_t or_default(uint32_t v, uint32_t standard)
{
	return v == 0 ? standard : v;
}

static uint32_t bounded(uint32_t v, uint32_t bound)
{
	return v == 0 || v > bound ? bound : v;
}

static void fill_defaults(struct kvs_config *c)
{
	c->repair_interval_ms = or_default(c->repair_interval_ms, 10000);
	c->heartbeat_interval_ms = or_default(c->heartbeat_interval_ms, 250);
	c->silence_beats = or_default(c->silence_beats, 6);
	c->announce_ms = or_default(c->announce_ms, 100);
	c->pull_wait_ms = or_default(c->pull_wait_ms, 30);
	c->pull_retry_ms = or_default(c->pull_retry_ms, 50);
	c->mesh_max = or_default(c->mesh_max, 11);
	c->digest_rows = bounded(c->digest_rows, RPC_DIGEST_ROWS_MAX);
	c->frame_bytes = bounded(c->frame_bytes, 56 * 1024);
	c->exchange_bytes = bounded(c->exchange_bytes, 128 * 1024);
	c->batch_bytes = bounded(c->batch_bytes, KVS_STEP_BYTES);
	c->tombstones_min = or_default(c->tombstones_min, 64);
}

struct kvs *kvs_new(const struct kvs_config *c)
{
	struct kvs *k = OBJ_NEW(struct kvs, KVS_MAGIC);
	k->cfg = *c;
	k->cfg.seeds = NULL;
	fill_defaults(&k->cfg);
	k->incarnation = c->incarnation;
	prng_init(&k->prng, c->seed);
	timers_init(&k->timers);
	trace_init(&k->trace, "kvs");
	k->digest.kind = KVS_TIMER_DIGEST;
	k->announce.kind = KVS_TIMER_ANNOUNCE;
	k->life.kind = KVS_TIMER_LIFE;
	k->verdict.kind = KVS_TIMER_VERDICT;
	k->life_wait_ms = KVS_LIFE_WAIT_MS;
	k->seeds_timer.kind = KVS_TIMER_SEEDS;
	k->guest_timer.kind = KVS_TIMER_GUEST;
	ring_init(&k->ring);
	k->seeds_n = c->seeds_n;
	k->seeds = calloc(c->seeds_n + 1, sizeof(*k->seeds));
	CHECK(k->seeds != NULL);
	for (size_t i = 0; i < c->seeds_n; i++) {
		k->seeds[i].address = strdup(c->seeds[i]);
		CHECK(k->seeds[i].address != NULL);
	}
	commands_init(k);
	own_init(k);
	k->reg = register_copy(&c->reg);
	return k;
}

void kvs_free(struct kvs *k)
{
	if (k == NULL)
		return;
	OBJ_CHECK(k, KVS_MAGIC);
	own_fini(k);
	commands_fini(k);
	for (size_t i = 0; i < k->rows_n; i++) {
		if (k->rows[i]->pull != NULL)
			pull_free(k, k->rows[i]->pull);
		replica_free(k->rows[i]);
	}
	for (size_t i = 0; i < k->members_n; i++)
		members_free(k->members[i]);
	for (size_t i = 0; i < k->links_n; i++) {
		told_fini(&k->links[i]->told);
		OBJ_FREE(k->links[i]);
	}
	watch_fini(k);
	ring_fini(&k->ring);
	for (size_t i = 0; i < k->dials_n; i++)
		free(k->dials[i].address);
	for (size_t i = 0; i < k->seeds_n; i++)
		free(k->seeds[i].address);
	for (size_t i = 0; i < k->grave_n; i++)
		free(k->grave[i]);
	free(k->rows);
	free(k->members);
	free(k->links);
	free(k->dials);
	free(k->seeds);
	free(k->accused);
	free(k->claimers);
	free(k->dirty);
	free(k->grave);
	free(k->reg);
	timers_fini(&k->timers);
	OBJ_FREE(k);
}

void kvs_start(struct kvs *k, uint64_t now_ms)
{
	OBJ_CHECK(k, KVS_MAGIC);
	CHECK(!k->started);
	k->now_ms = now_ms;
	for (size_t i = 0; i < k->rows_n; i++)
		replica_loaded(k->rows[i], now_ms);
	own_start(k);
	members_start(k, k->reg);
	for (size_t i = 0; i < k->rows_n; i++)
		prints_note(k, k->rows[i]);
	commands_start(k);
	k->started = true;
	own_put_register(k);
	watch_start(k);
	wiring_start(k);
	timers_arm(&k->timers, &k->digest.t, now_ms + prng_below(&k->prng, k->cfg.repair_interval_ms));
	k->more = true;
}

/* -- links -- */

static size_t links_lower(const struct kvs *k, uint64_t id)
{
	size_t low = 0, high = k->links_n;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (k->links[mid]->id < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct kvs_link *links_find(const struct kvs *k, uint64_t id)
{
	size_t at = links_lower(k, id);
	return at < k->links_n && k->links[at]->id == id ? k->links[at] : NULL;
}

static void link_up(struct kvs *k, const struct kvs_input *in)
{
	if (links_find(k, in->link_up.link) != NULL || node_id_eq(&in->link_up.node, &k->cfg.self))
		return;
	struct member *m = members_link_up(k, &in->link_up.node);
	if (m == NULL) {
		out_event(k, KVS_EVENT_REFUSED_FRAME, &in->link_up.node, "too many owners", 0);
		return;
	}
	struct kvs_link *link = OBJ_NEW(struct kvs_link, KVS_LINK_MAGIC);
	link->id = in->link_up.link;
	link->member = m;
	link->dialled = in->link_up.dialled;
	link->since_ms = link->heard_ms = k->now_ms;
	link->beat = (struct kvs_timer){ .kind = KVS_TIMER_BEAT, .of = link };
	link->ask = (struct kvs_timer){ .kind = KVS_TIMER_ASK, .of = link };
	link->speaks_broadcast = (in->link_up.features & RPC_FEATURE_BROADCAST) != 0;
	link->speaks_ranges = (in->link_up.features & RPC_FEATURE_RANGES) != 0;
	link->room = KVS_LINK_WINDOW;
	told_init(&link->told);
	wiring_changed(k);
	k->commands.close_expelled |= m->expelled;
	size_t at = links_lower(k, link->id);
	k->links = kvs_grow(k->links, &k->links_cap, k->links_n + 1, sizeof(*k->links));
	memmove(k->links + at + 1, k->links + at, (k->links_n - at) * sizeof(*k->links));
	k->links[at] = link;
	k->links_n++;
	timers_arm(&k->timers, &link->beat.t, k->now_ms + k->cfg.heartbeat_interval_ms);
	sync_on_link(k, link);
	if (m->expelled)
		sync_soon(k, link); /* it is to hear of that */
}

static void link_down(struct kvs *k, const struct kvs_input *in)
{
	size_t at = links_lower(k, in->link_down.link);
	if (at == k->links_n || k->links[at]->id != in->link_down.link)
		return;
	struct kvs_link *link = k->links[at];
	timers_disarm(&k->timers, &link->beat.t);
	bool asking = timer_armed(&link->ask.t);
	timers_disarm(&k->timers, &link->ask.t);
	members_link_down(k, link->member, in->link_down.bye);
	told_fini(&link->told);
	wiring_changed(k);
	memmove(k->links + at, k->links + at + 1, (k->links_n - at - 1) * sizeof(*k->links));
	k->links_n--;
	if (k->links_n == 0)
		timers_arm(&k->timers, &k->seeds_timer.t, k->now_ms);
	if (asking)
		sync_next(k);
	OBJ_FREE(link);
}

static void message(struct kvs *k, const struct kvs_input *in)
{
	const struct rpc_msg *m = in->message.m;
	struct kvs_link *link = links_find(k, in->message.link);
	if (link == NULL)
		return;
	if (link->room < in->message.room)
		k->spread_due = true; /* it may have been full */
	link->room = in->message.room;
	link->heard_ms = k->now_ms;
	watch_heard(k, link->member);
	switch (m->kind) {
	case RPC_DIGEST: sync_on_digest(k, link, &m->digest); break;
	case RPC_ROW_FRAME: rows_on_frame(k, link, &m->row_frame); break;
	case RPC_ANNOUNCE: spread_on_announce(k, link, &m->announce); break;
	case RPC_PULL: pull_on_message(k, link, &m->pull); break;
	case RPC_RANGES: ranges_on_message(k, link, &m->ranges); break;
	case RPC_TREE: tree_on_message(link, m->tree.prune, m->tree.graft); break;
	default: break; /* the link's own, the daemon's, or of a later version (V1) */
	}
}

/* -- time -- */

static void beat(struct kvs *k, struct kvs_link *link)
{
	bool room =
	    wiring_is_spare(k, link) ? out_close(k, link) : out_send(k, link, RPC_HEARTBEAT, false) != NULL;
	if (!room) {
		timers_arm(&k->timers, &link->beat.t, k->now_ms);
		out_later(k);
	}
}

static void run_timers(struct kvs *k)
{
	struct timer *t;
	while (!k->more && (t = timers_pop(&k->timers, k->now_ms)) != NULL) {
		struct kvs_timer *timer = CONTAINER_OF(t, struct kvs_timer, t);
		switch (timer->kind) {
		case KVS_TIMER_DIGEST: sync_on_timer(k); break;
		case KVS_TIMER_BEAT: beat(k, OBJ_CAST(struct kvs_link, KVS_LINK_MAGIC, timer->of)); break;
		case KVS_TIMER_ANNOUNCE: spread_on_timer(k); break;
		case KVS_TIMER_PULL: pull_on_timer(k, OBJ_CAST(struct pull, KVS_PULL_MAGIC, timer->of)); break;
		case KVS_TIMER_COMMANDS: commands_on_timer(k); break;
		case KVS_TIMER_ASK: sync_on_ask_timer(k, OBJ_CAST(struct kvs_link, KVS_LINK_MAGIC, timer->of)); break;
		case KVS_TIMER_WATCH:
			if (!watch_on_timer(k, OBJ_CAST(struct watch, KVS_WATCH_MAGIC, timer->of)))
				out_later(k);
			break;
		case KVS_TIMER_LIFE: members_on_life_timer(k); break;
		case KVS_TIMER_VERDICT: break; /* given at the end of the step */
		case KVS_TIMER_SEEDS: wiring_on_seeds_timer(k); break;
		case KVS_TIMER_GUEST: wiring_on_guest_timer(k); break;
		}
	}
}

uint64_t kvs_wake_at(const struct kvs *k)
{
	if (!k->started)
		return TIMER_NEVER;
	return k->more ? k->now_ms : timers_next(&k->timers);
}

/* -- the step -- */

static void set_state(struct kvs *k, enum node_state state)
{
	k->reg->state = state;
	members_set_self(k, k->reg);
	own_put_register(k);
}

static void stored(struct kvs *k, uint64_t seq)
{
	CHECK(seq <= k->emitted_seq);
	if (seq > k->stored_seq)
		k->stored_seq = seq;
	k->mute = false;
	own_stored(k, seq);
}

static void store_failed(struct kvs *k)
{
	if (k->mute)
		return;
	k->mute = true;
	out_event(k, KVS_EVENT_MUTE, &k->cfg.self, "the store fails", k->emitted_seq);
}

static void handle(struct kvs *k, const struct kvs_input *in)
{
	switch (in->kind) {
	case KVS_IN_TICK: break;
	case KVS_IN_LINK_UP: link_up(k, in); break;
	case KVS_IN_LINK_DOWN: link_down(k, in); break;
	case KVS_IN_MESSAGE: message(k, in); break;
	case KVS_IN_DIAL_FAILED:
		members_on_refused(k, in->dial_failed.address);
		wiring_on_refused(k, in->dial_failed.address);
		break;
	case KVS_IN_PUT:
		CHECK(in->put.stream != RPC_CONTROL);
		own_put(k, in->put.stream, in->put.key, in->put.value);
		break;
	case KVS_IN_DELETE:
		CHECK(in->put.stream != RPC_CONTROL);
		own_delete(k, in->put.stream, in->put.key);
		break;
	case KVS_IN_CLOCK: commands_on_clock(k, in->wall_ms); break;
	case KVS_IN_COMMAND: commands_issue(k, in); break;
	case KVS_IN_EXPELLED: expel_hear(k, &in->expelled.by); break;
	case KVS_IN_STATE: set_state(k, in->state); break;
	case KVS_IN_STORED: stored(k, in->stored_seq); break;
	case KVS_IN_STORE_FAILED: store_failed(k); break;
	}
}

void kvs_step(struct kvs *k, uint64_t now_ms, const struct kvs_input *in, struct kvs_outputs *out)
{
	OBJ_CHECK(k, KVS_MAGIC);
	CHECK(k->started && now_ms >= k->now_ms);
	bool late = kvs_wake_at(k) < now_ms && now_ms - kvs_wake_at(k) > k->cfg.heartbeat_interval_ms;
	k->now_ms = now_ms;
	out_begin(k, out);
	if (late)
		watch_was_late(k);
	handle(k, in);
	run_timers(k);
	members_review_due(k);
	claims_judge(k);
	spread_flush(k);
	expel_flush(k);
	/* Last: what a batch or a message points to does not change any more in this step. */
	bool own = own_flush(k);
	mirror_flush(k);
	uint64_t seq = out_batch(k);
	if (own)
		own_sent(k, seq);
	dials_flush(k);
	k->out = NULL;
}
