/* The replica as operators compare it: how it does, where each row stands, and single entries, as JSON. */
#include "base/text.h"
#include "node/admin/admin.h"
#include "node/admin/fields.h"
#include "node/json_text.h"

#include <inttypes.h>
#include <string.h>

static const char *const stream_names[RPC_STREAMS] = {
	[RPC_CONTROL] = "control", [RPC_LOAD] = "load", [RPC_LOCATIONS] = "locations"
};

/* -- /v1/kvs/stats -- */

static void put_counters(const struct kvs_counters *k, struct buf *out)
{
	const struct {
		const char *key;
		uint64_t n;
	} counters[] = {
		{ "rows", k->rows },
		{ "entries", k->entries },
		{ "tombstones", k->tombstones },
		{ "bytes", k->bytes },
		{ "frames_applied", k->frames_applied },
		{ "frames_duplicate", k->frames_duplicate },
		{ "frames_gap", k->frames_gap },
		{ "frames_behind", k->frames_behind },
		{ "frames_refused", k->frames_refused },
		{ "frames_pushed", k->frames_pushed },
		{ "entries_applied", k->entries_applied },
		{ "entries_pulled", k->entries_pulled },
		{ "entries_repaired", k->entries_repaired },
		{ "pulls", k->pulls },
		{ "ranges_asked", k->ranges_asked },
		{ "digests_sent", k->digests_sent },
		{ "resets", k->resets },
		{ "claims_made", k->claims_made },
		{ "claims_standing", k->claims_standing },
	};
	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
		field_u64(out, counters[i].key, counters[i].n);
}

static void put_store(const struct store_counters *s, struct buf *out)
{
	field_u64(out, "commits", s->commits);
	field_u64(out, "commit_failures", s->failures);
	field_u64(out, "commit_us", s->commit_us);
	field_u64(out, "commit_max_us", s->commit_max_us);
	field_u64(out, "store_queued_bytes", s->queued_bytes);
	field_u64(out, "store_file_bytes", s->kvs.file_bytes);
	field_u64(out, "oldest_reader_ms", s->oldest_reader_ms);
	field_u64(out, "oldest_reader_commits", s->oldest_reader_commits);
}

static void put_traffic(const struct nng_traffic by_kind[RPC_KINDS], struct buf *out)
{
	json_put_key(out, "traffic");
	buf_put_u8(out, '[');
	for (size_t i = 0; i < RPC_KINDS; i++) {
		json_put_next(out);
		buf_put_u8(out, '{');
		field_str(out, "kind", bytes_str(rpc_kind_str((enum rpc_kind)i)));
		field_u64(out, "frames_in", by_kind[i].frames_in);
		field_u64(out, "bytes_in", by_kind[i].bytes_in);
		field_u64(out, "frames_out", by_kind[i].frames_out);
		field_u64(out, "bytes_out", by_kind[i].bytes_out);
		buf_put_u8(out, '}');
	}
	buf_put_u8(out, ']');
}

void admin_put_kvs_stats(const struct admin *a, struct buf *out)
{
	struct control_counters c;
	control_count(a->control, &c);
	buf_put_u8(out, '{');
	field_str(out, "node", bytes_str(a->config->node));
	field_u64(out, "uptime_s", (a->now_mono_ms() - a->started_mono_ms) / 1000);
	put_counters(&c.kvs, out);
	put_store(&c.store, out);
	field_u64(out, "links", c.links.links);
	put_traffic(c.links.by_kind, out);
	field_bool(out, "mute", control_mute(a->control));
	field_hex64(out, "fingerprint", kvs_fingerprint(control_kvs(a->control)));
	buf_put_str(out, "}\n");
}

/* -- /v1/kvs/owners -- */

/* Whose row it is, and of which run; `version` is the caller's. */
static void put_row_of(const struct kvs *kvs, const struct kvs_row_meta *m, struct buf *out)
{
	field_str(out, "owner", admin_name_of(kvs, &m->owner));
	field_id(out, "id", &m->owner);
	field_str(out, "stream", bytes_str(stream_names[m->stream]));
	field_u64(out, "incarnation", m->incarnation.count);
	field_hex64(out, "nonce", m->incarnation.nonce);
}

void admin_put_owners(const struct admin *a, struct buf *out)
{
	const struct kvs *kvs = control_kvs(a->control);
	buf_put_u8(out, '{');
	field_str(out, "node", bytes_str(a->config->node));
	json_put_key(out, "rows");
	buf_put_u8(out, '[');
	for (size_t i = 0; i < kvs_rows_n(kvs); i++) {
		struct kvs_row r;
		if (!kvs_row_at(kvs, i, &r))
			continue;
		json_put_next(out);
		buf_put_u8(out, '{');
		put_row_of(kvs, &r.meta, out);
		field_u64(out, "version", r.meta.have);
		field_u64(out, "horizon", r.meta.horizon);
		field_u64(out, "floor", r.meta.floor);
		field_u64(out, "base", r.meta.base);
		field_u64(out, "entries", r.entries);
		field_u64(out, "tombstones", r.tombstones);
		field_hex64(out, "fingerprint", r.fingerprint);
		field_bool(out, "exact", r.exact);
		buf_put_u8(out, '}');
	}
	buf_put_str(out, "]}\n");
}

/* -- /v1/kvs/get -- */

/* What a query names, decoded. */
struct wanted {
	struct node_id owner;
	enum rpc_stream stream;
	struct bytes text; /* the key, as people write it */
	uint8_t key[RPC_KEY_MAX];
	size_t key_n;
};

static bool refuse(struct admin_refusal *why, int status, const char *type, const char *detail)
{
	*why = (struct admin_refusal){ status, type, detail };
	return false;
}

static bool malformed(struct admin_refusal *why, const char *detail)
{
	return refuse(why, 400, "malformed", detail);
}

bool admin_take_owner(
    const struct kvs *kvs, struct bytes owner, struct node_id *out, struct admin_refusal *why)
{
	struct node_id id;
	bool is_id = owner.n == 2 * NODE_ID_BYTES && text_unhex(id.b, owner) == OK;
	size_t found = 0;
	for (size_t i = 0; i < kvs_members_n(kvs); i++) {
		struct kvs_member m;
		kvs_member_at(kvs, i, &m);
		if (is_id && node_id_eq(&m.id, &id)) {
			*out = id;
			return true;
		}
		if (m.reg == NULL || !bytes_eq(m.reg->name, owner))
			continue;
		*out = m.id;
		found++;
	}
	if (found == 0)
		return refuse(why, 404, "no-such-owner", "This node knows no node of that name or id.");
	if (found > 1)
		return refuse(why, 409, "ambiguous", "Several nodes have that name: ask by id.");
	return true;
}

static bool take_stream(struct bytes stream, enum rpc_stream *out, struct admin_refusal *why)
{
	for (unsigned i = 0; i < RPC_STREAMS; i++) {
		if (bytes_eq(stream, bytes_str(stream_names[i]))) {
			*out = (enum rpc_stream)i;
			return true;
		}
	}
	return malformed(why, "stream must be control, locations or load.");
}

/* "register", "load" or ORIGIN:CONTENT to the bytes of the key. */
static bool take_key(struct wanted *w, struct admin_refusal *why)
{
	if (w->stream == RPC_LOCATIONS) {
		size_t colon = bytes_index(w->text, ':');
		if (colon == w->text.n || rpc_location_key(bytes_head(w->text, colon), bytes_from(w->text, colon + 1),
		                              w->key, &w->key_n) != OK)
			return malformed(why, "The key of a location is ORIGIN:CONTENT.");
		return true;
	}
	bool control = w->stream == RPC_CONTROL;
	if (!bytes_eq(w->text, control ? BYTES_LIT("register") : BYTES_LIT("load")))
		return malformed(why, control ? "The only key of the control stream is register."
		                              : "The only key of the load stream is load.");
	struct bytes key = control ? RPC_KEY_REGISTER : RPC_KEY_LOAD;
	memcpy(w->key, key.p, key.n);
	w->key_n = key.n;
	return true;
}

static bool take_query(const struct kvs *kvs, struct bytes query, struct arena *arena, struct wanted *w,
    struct admin_refusal *why)
{
	struct bytes owner, stream;
	return admin_take_value(
	           query, "owner", "owner must be the name or the id of a node.", arena, &owner, why) &&
	       admin_take_value(
	           query, "stream", "stream must be control, locations or load.", arena, &stream, why) &&
	       admin_take_value(
	           query, "key", "key must be register, load or ORIGIN:CONTENT.", arena, &w->text, why) &&
	       take_stream(stream, &w->stream, why) && take_key(w, why) &&
	       admin_take_owner(kvs, owner, &w->owner, why);
}

static bool put_register(struct bytes value, struct arena *arena, struct buf *out)
{
	struct rpc_register r;
	if (rpc_decode_register(value, arena, &r) != OK)
		return false;
	json_put_key(out, "value");
	buf_put_u8(out, '{');
	field_register(out, &r);
	field_str(out, "api_url", r.api_url);
	field_u64(out, "version_min", r.version_min);
	field_u64(out, "version_max", r.version_max);
	field_hex64(out, "features", r.features);
	field_u64(out, "life", r.life);
	field_u64(out, "capacity_mbps", r.capacity_mbps);
	buf_put_u8(out, '}');
	return true;
}

static bool put_load(struct bytes value, struct arena *arena, struct buf *out)
{
	struct rpc_load l;
	if (rpc_decode_load(value, arena, &l) != OK)
		return false;
	json_put_key(out, "value");
	buf_put_u8(out, '{');
	field_u64(out, "sessions", l.sessions);
	field_u64(out, "egress_mbps", l.egress_mbps);
	field_u64(out, "hit_permille", l.hit_permille);
	field_u64(out, "cached_bytes", l.cached_bytes);
	field_u64(out, "miss_permille", l.miss_permille);
	field_u64(out, "evict_age_s", l.evict_age_s);
	field_u64(out, "reckoned_mbps", l.reckoned_mbps);
	buf_put_u8(out, '}');
	return true;
}

static bool put_location(struct bytes value, struct arena *arena, struct buf *out)
{
	struct rpc_location l;
	if (rpc_decode_location(value, arena, &l) != OK)
		return false;
	json_put_key(out, "value");
	buf_put_u8(out, '{');
	field_u64(out, "bytes", l.bytes);
	field_u64(out, "objects", l.objects);
	field_u64(out, "share_permille", l.share_permille);
	field_str(out, "entry", l.entry);
	field_u64(out, "kbps", l.kbps);
	buf_put_u8(out, '}');
	return true;
}

/* What this build cannot read (V1: a later one may have written it) is shown as it is. */
static void put_value(enum rpc_stream stream, struct bytes value, struct buf *out)
{
	static bool (*const puts[RPC_STREAMS])(struct bytes, struct arena *, struct buf *) = {
		[RPC_CONTROL] = put_register, [RPC_LOAD] = put_load, [RPC_LOCATIONS] = put_location
	};
	struct arena arena;
	arena_init(&arena, RPC_ARENA_MAX);
	if (!puts[stream](value, &arena, out)) {
		json_put_key(out, "value");
		buf_put_str(out, "null");
		field_hex(out, "value_hex", value);
	}
	arena_fini(&arena);
}

bool admin_put_entry(const struct admin *a, struct bytes query, struct arena *arena, struct buf *out,
    struct admin_refusal *why)
{
	const struct kvs *kvs = control_kvs(a->control);
	struct wanted w;
	struct kvs_row r;
	struct rpc_entry e;
	if (!take_query(kvs, query, arena, &w, why))
		return false;
	if (!kvs_row_of(kvs, &w.owner, w.stream, &r) ||
	    !kvs_entry_of(kvs, &w.owner, w.stream, bytes_of(w.key, w.key_n), &e))
		return refuse(why, 404, "no-such-entry", "This node has no such entry of that owner.");
	if (e.deleted) {
		const char *detail = arena_printf(arena, "Its owner deleted it, at version %" PRIu64 ".", e.version);
		return refuse(why, 404, "no-such-entry", detail != NULL ? detail : "Its owner deleted it.");
	}
	buf_put_u8(out, '{');
	put_row_of(kvs, &r.meta, out);
	field_str(out, "key", w.text);
	field_u64(out, "version", e.version);
	put_value(w.stream, e.value, out);
	buf_put_str(out, "}\n");
	return true;
}
