/* What the node knows of itself and the cluster, as JSON (warmcastctl shows it). */
#include "base/text.h"
#include "base/version.h"
#include "node/admin/admin.h"
#include "node/admin/fields.h"
#include "node/delivery/places.h"
#include "node/json_text.h"
#include "node/member_of.h"

#include <inttypes.h>
#include <stdlib.h>

enum { HOLDERS_MAX = 1024 };

static const char *liveness_str(enum kvs_liveness l)
{
	static const char *const names[] = {
		[KVS_ALIVE] = "alive", [KVS_SUSPECT] = "suspect", [KVS_DOWN] = "down"
	};
	return names[l];
}

static uint64_t age_ms(uint64_t now_ms, uint64_t then_ms)
{
	return now_ms > then_ms ? now_ms - then_ms : 0;
}

/* What of a node's rows is here; of this node's own: what it has written. */
static void put_versions(const struct kvs_member *m, struct buf *out)
{
	json_put_key(out, "versions");
	buf_put_u8(out, '{');
	field_u64(out, "control", m->control_version);
	field_u64(out, "locations", m->locations_version);
	buf_put_u8(out, '}');
}

/* What a drain copies first (V5). */
static void put_copies(const struct kvs_member *m, struct buf *out)
{
	json_put_key(out, "copies");
	buf_put_u8(out, '{');
	field_u64(out, "left", m->has_load ? m->load.copies_left : 0);
	field_u64(out, "failed", m->has_load ? m->load.copies_failed : 0);
	buf_put_u8(out, '}');
}

/* -- /v1/status -- */

void admin_count_members(const struct kvs *kvs, struct admin_members *out)
{
	*out = (struct admin_members){ 0 };
	for (size_t i = 0; i < kvs_members_n(kvs); i++) {
		struct kvs_member m;
		kvs_member_at(kvs, i, &m);
		if (m.reg != NULL && m.reg->state == NODE_LEFT)
			out->left++;
		else if (m.liveness == KVS_DOWN)
			out->down++;
		else if (m.liveness == KVS_SUSPECT)
			out->suspect++;
		else
			out->alive++;
	}
}

static void put_liveness(const struct admin *a, struct buf *out)
{
	const struct kvs *kvs = control_kvs(a->control);
	struct kvs_member self;
	if (member_of(kvs, a->self, &self)) {
		put_versions(&self, out);
		put_copies(&self, out);
	}
	struct admin_members n;
	admin_count_members(kvs, &n);
	json_put_key(out, "nodes");
	buf_put_u8(out, '{');
	field_u64(out, "alive", n.alive);
	field_u64(out, "suspect", n.suspect);
	field_u64(out, "down", n.down);
	field_u64(out, "left", n.left);
	buf_put_u8(out, '}');
}

static void put_cache(const struct admin *a, struct buf *out)
{
	json_put_key(out, "cache");
	if (a->cache == NULL) {
		buf_put_str(out, "null");
		return;
	}
	struct cache_counters c;
	cache_count(a->cache, &c);
	buf_put_u8(out, '{');
	field_u64(out, "units", c.units);
	field_u64(out, "bytes", c.bytes);
	field_u64(out, "size_bytes", c.size_bytes);
	field_u64(out, "disks_down", c.disks_down);
	buf_put_u8(out, '}');
}

static void put_kvs(const struct admin *a, struct buf *out)
{
	struct kvs_counters c;
	kvs_count(control_kvs(a->control), &c);
	json_put_key(out, "kvs");
	buf_put_u8(out, '{');
	field_u64(out, "rows", c.rows);
	field_u64(out, "entries", c.entries);
	field_u64(out, "tombstones", c.tombstones);
	field_bool(out, "mute", control_mute(a->control));
	field_hex64(out, "fingerprint", kvs_fingerprint(control_kvs(a->control)));
	buf_put_u8(out, '}');
}

/* Places that api nodes were lent and nobody has taken yet (A3). */
static uint64_t lent_places(const struct admin *a)
{
	struct lease_book_view v = { 0 };
	if (a->places != NULL)
		places_look(a->places, &v);
	return v.outstanding;
}

void admin_put_status(const struct admin *a, struct buf *out)
{
	const struct config *c = a->config;
	buf_put_u8(out, '{');
	field_str(out, "cluster", bytes_str(c->cluster));
	field_str(out, "node", bytes_str(c->node));
	field_id(out, "id", a->self);
	field_roles(out, c->roles);
	field_str(out, "zone", bytes_str(c->zone));
	field_str(out, "state", bytes_str(node_state_str(control_state(a->control))));
	field_str(out, "version", bytes_str(warmcast_version));
	json_put_key(out, "incarnation");
	buf_printf(out, "{\"count\":%" PRIu64 "}", kvs_incarnation(control_kvs(a->control)).count);
	field_u64(out, "uptime_s", age_ms(a->now_mono_ms(), a->started_mono_ms) / 1000);
	put_liveness(a, out);
	json_put_key(out, "sessions");
	buf_put_u8(out, '{');
	field_u64(out, "active", a->sessions != NULL ? sessions_active(a->sessions) : 0);
	field_u64(out, "capacity", a->sessions != NULL ? c->capacity_sessions : 0);
	field_u64(out, "lent", lent_places(a));
	buf_put_u8(out, '}');
	put_cache(a, out);
	put_kvs(a, out);
	buf_put_str(out, "}\n");
}

/* -- /v1/nodes -- */

/* By name where one is known, else by id. */
static void put_claimers(const struct kvs *kvs, const struct node_id *on, struct buf *out)
{
	struct node_id by[KVS_CLAIMERS_MAX];
	size_t n = kvs_claimers(kvs, on, by);
	json_put_key(out, "claimed_by");
	buf_put_u8(out, '[');
	for (size_t i = 0; i < n; i++) {
		char id[2 * NODE_ID_BYTES + 1];
		text_hex(id, bytes_of(by[i].b, NODE_ID_BYTES));
		struct bytes name = admin_name_of(kvs, &by[i]);
		json_put_next(out);
		json_put_string(out, name.n > 0 ? name : bytes_str(id));
	}
	buf_put_u8(out, ']');
}

/* Null: never. */
static void put_age(struct buf *out, const char *key, bool ever, uint64_t now_ms, uint64_t then_ms)
{
	json_put_key(out, key);
	if (ever)
		buf_printf(out, "%" PRIu64, age_ms(now_ms, then_ms));
	else
		buf_put_str(out, "null");
}

static void put_member(const struct admin *a, const struct kvs_member *m, uint64_t now_ms, struct buf *out)
{
	static const struct rpc_register unknown = { .state = NODE_JOINING };
	json_put_next(out);
	buf_put_u8(out, '{');
	const struct rpc_register *r = m->reg != NULL ? m->reg : &unknown;
	field_register(out, r);
	json_put_key(out, "protocol");
	buf_put_u8(out, '{');
	field_u64(out, "min", r->version_min);
	field_u64(out, "max", r->version_max);
	buf_put_u8(out, '}');
	field_id(out, "id", &m->id);
	field_str(out, "liveness", bytes_str(liveness_str(m->liveness)));
	field_u64(out, "since_ms", age_ms(now_ms, m->since_ms));
	put_age(out, "heard_age_ms", m->heard_ms > 0, now_ms, m->heard_ms);
	field_u64(out, "incarnation", m->incarnation.count);
	field_u64(out, "sessions", m->has_load ? m->load.sessions : 0);
	put_copies(m, out);
	put_age(out, "load_age_ms", m->has_load, now_ms, m->load_seen_ms);
	field_u64(out, "locations", m->locations_n);
	put_versions(m, out);
	put_claimers(control_kvs(a->control), &m->id, out);
	field_bool(out, "disputed", m->disputed);
	field_bool(out, "expelled", m->expelled);
	field_bool(out, "linked", m->linked);
	field_bool(out, "self", node_id_eq(&m->id, a->self));
	buf_put_u8(out, '}');
}

void admin_put_nodes(const struct admin *a, struct buf *out)
{
	const struct kvs *kvs = control_kvs(a->control);
	uint64_t now_ms = a->now_mono_ms();
	buf_put_str(out, "{\"nodes\":[");
	for (size_t i = 0; i < kvs_members_n(kvs); i++) {
		struct kvs_member m;
		kvs_member_at(kvs, i, &m);
		put_member(a, &m, now_ms, out);
	}
	buf_put_str(out, "]}\n");
}

/* -- /v1/contents/{content} -- */

static void put_holder(const struct kvs *kvs, const struct kvs_holder *h, struct buf *out)
{
	struct kvs_member m;
	bool known = member_of(kvs, &h->node, &m) && m.reg != NULL;
	json_put_next(out);
	buf_put_u8(out, '{');
	field_str(out, "node", known ? m.reg->name : BYTES_NONE);
	field_id(out, "id", &h->node);
	field_u64(out, "bytes", h->location.bytes);
	field_u64(out, "objects", h->location.objects);
	field_u64(out, "share_permille", h->location.share_permille);
	field_str(out, "entry", h->location.entry);
	field_u64(out, "kbps", h->location.kbps);
	field_str(out, "liveness", bytes_str(liveness_str(known ? m.liveness : KVS_DOWN)));
	field_str(out, "state", bytes_str(node_state_str(known ? m.reg->state : NODE_LEFT)));
	buf_put_u8(out, '}');
}

enum err admin_put_holders(const struct admin *a, const struct config_origin *origin, struct bytes content,
    struct arena *arena, struct buf *out)
{
	struct kvs_holder *holders = calloc(HOLDERS_MAX, sizeof(*holders));
	if (holders == NULL)
		return ERR_NO_MEMORY;
	size_t n = 0;
	enum err e =
	    kvs_reader_holders(a->reader, bytes_str(origin->name), content, arena, holders, HOLDERS_MAX, &n);
	if (e == OK) {
		buf_put_u8(out, '{');
		field_str(out, "content", content);
		field_str(out, "origin", bytes_str(origin->name));
		json_put_key(out, "holders");
		buf_put_u8(out, '[');
		for (size_t i = 0; i < n; i++)
			put_holder(control_kvs(a->control), &holders[i], out);
		buf_put_str(out, "]}\n");
	}
	free(holders);
	return e;
}
