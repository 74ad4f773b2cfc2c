/* What the node knows of itself and the cluster, as JSON (warmcastctl shows it). */
#include "node/admin/admin.h"

#include "base/text.h"
#include "node/json_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { HOLDERS_MAX = 1024 };

static void put_str(struct buf *out, const char *key, struct bytes value)
{
	json_put_key(out, key);
	json_put_string(out, value);
}

static void put_u64(struct buf *out, const char *key, uint64_t value)
{
	json_put_key(out, key);
	buf_printf(out, "%" PRIu64, value);
}

static void put_bool(struct buf *out, const char *key, bool value)
{
	json_put_key(out, key);
	buf_put_str(out, value ? "true" : "false");
}

static void put_id(struct buf *out, const char *key, const struct node_id *id)
{
	char hex[2 * NODE_ID_BYTES + 1];
	text_hex(hex, bytes_of(id->b, NODE_ID_BYTES));
	put_str(out, key, bytes_str(hex));
}

static void put_roles(struct buf *out, uint32_t roles)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} names[] = { { RPC_ROLE_API, "api" }, { RPC_ROLE_DELIVERY, "delivery" }, { RPC_ROLE_INGEST, "ingest" } };
	json_put_key(out, "roles");
	buf_put_u8(out, '[');
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if ((roles & names[i].bit) == 0)
			continue;
		json_put_next(out);
		json_put_string(out, bytes_str(names[i].name));
	}
	buf_put_u8(out, ']');
}

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

/* -- /v1/status -- */

static void put_liveness(const struct admin *a, struct buf *out)
{
	const struct kvs *kvs = control_kvs(a->control);
	uint64_t n[3] = { 0 };
	for (size_t i = 0; i < kvs_members_n(kvs); i++) {
		struct kvs_member m;
		kvs_member_at(kvs, i, &m);
		n[m.liveness]++;
	}
	json_put_key(out, "nodes");
	buf_put_u8(out, '{');
	put_u64(out, "alive", n[KVS_ALIVE]);
	put_u64(out, "suspect", n[KVS_SUSPECT]);
	put_u64(out, "down", n[KVS_DOWN]);
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
	put_u64(out, "units", c.units);
	put_u64(out, "bytes", c.bytes);
	put_u64(out, "size_bytes", c.size_bytes);
	put_u64(out, "disks_down", c.disks_down);
	buf_put_u8(out, '}');
}

static void put_kvs(const struct admin *a, struct buf *out)
{
	struct kvs_counters c;
	kvs_count(control_kvs(a->control), &c);
	char hex[17];
	json_put_key(out, "kvs");
	buf_put_u8(out, '{');
	put_u64(out, "rows", c.rows);
	put_u64(out, "entries", c.entries);
	put_u64(out, "tombstones", c.tombstones);
	put_bool(out, "mute", control_mute(a->control));
	snprintf(hex, sizeof(hex), "%016" PRIx64, kvs_fingerprint(control_kvs(a->control)));
	put_str(out, "fingerprint", bytes_str(hex));
	buf_put_u8(out, '}');
}

void admin_put_status(const struct admin *a, struct buf *out)
{
	const struct config *c = a->config;
	buf_put_u8(out, '{');
	put_str(out, "cluster", bytes_str(c->cluster));
	put_str(out, "node", bytes_str(c->node));
	put_id(out, "id", a->self);
	put_roles(out, c->roles);
	put_str(out, "zone", bytes_str(c->zone));
	put_str(out, "state", bytes_str(node_state_str(control_state(a->control))));
	put_str(out, "version", BYTES_LIT(WARMCAST_VERSION));
	json_put_key(out, "incarnation");
	buf_printf(out, "{\"count\":%" PRIu64 "}", kvs_incarnation(control_kvs(a->control)).count);
	put_u64(out, "uptime_s", age_ms(a->now_mono_ms(), a->started_mono_ms) / 1000);
	put_liveness(a, out);
	json_put_key(out, "sessions");
	buf_put_u8(out, '{');
	put_u64(out, "active", a->sessions != NULL ? sessions_active(a->sessions) : 0);
	put_u64(out, "capacity", a->sessions != NULL ? c->capacity_sessions : 0);
	buf_put_u8(out, '}');
	put_cache(a, out);
	put_kvs(a, out);
	buf_put_str(out, "}\n");
}

/* -- /v1/nodes -- */

static void put_register(struct buf *out, const struct rpc_register *r)
{
	put_str(out, "name", r->name);
	put_roles(out, r->roles);
	put_str(out, "zone", r->zone);
	put_str(out, "state", bytes_str(node_state_str(r->state)));
	put_str(out, "rpc", r->rpc_address);
	put_str(out, "version", r->build);
	put_u64(out, "capacity", r->capacity_sessions);
	json_put_key(out, "http");
	buf_put_u8(out, '[');
	for (size_t i = 0; i < r->http_urls_n; i++) {
		json_put_next(out);
		json_put_string(out, r->http_urls[i]);
	}
	buf_put_u8(out, ']');
}

static void put_member(const struct admin *a, const struct kvs_member *m, uint64_t now_ms, struct buf *out)
{
	static const struct rpc_register unknown = { .state = NODE_JOINING };
	json_put_next(out);
	buf_put_u8(out, '{');
	put_register(out, m->reg != NULL ? m->reg : &unknown);
	put_id(out, "id", &m->id);
	put_str(out, "liveness", bytes_str(liveness_str(m->liveness)));
	put_u64(out, "since_ms", age_ms(now_ms, m->since_ms));
	put_u64(out, "incarnation", m->incarnation.count);
	put_u64(out, "sessions", m->has_load ? m->load.sessions : 0);
	json_put_key(out, "load_age_ms");
	if (m->has_load)
		buf_printf(out, "%" PRIu64, age_ms(now_ms, m->load_seen_ms));
	else
		buf_put_str(out, "null");
	put_u64(out, "locations", m->locations_n);
	put_bool(out, "linked", m->linked);
	put_bool(out, "self", node_id_eq(&m->id, a->self));
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
	struct kvs_member m = { .liveness = KVS_DOWN };
	for (size_t i = 0; i < kvs_members_n(kvs); i++) {
		kvs_member_at(kvs, i, &m);
		if (node_id_eq(&m.id, &h->node))
			break;
	}
	bool known = node_id_eq(&m.id, &h->node) && m.reg != NULL;
	json_put_next(out);
	buf_put_u8(out, '{');
	put_str(out, "node", known ? m.reg->name : BYTES_NONE);
	put_id(out, "id", &h->node);
	put_u64(out, "bytes", h->location.bytes);
	put_u64(out, "objects", h->location.objects);
	put_u64(out, "share_permille", h->location.share_permille);
	put_str(out, "entry", h->location.entry);
	put_str(out, "liveness", bytes_str(liveness_str(known ? m.liveness : KVS_DOWN)));
	put_str(out, "state", bytes_str(node_state_str(known ? m.reg->state : NODE_LEFT)));
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
		put_str(out, "content", content);
		put_str(out, "origin", bytes_str(origin->name));
		json_put_key(out, "holders");
		buf_put_u8(out, '[');
		for (size_t i = 0; i < n; i++)
			put_holder(control_kvs(a->control), &holders[i], out);
		buf_put_str(out, "]}\n");
	}
	free(holders);
	return e;
}
