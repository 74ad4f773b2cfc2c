#include "rpc/limits.h"

#include "base/text.h"

enum err limits_text(struct bytes s, size_t min, size_t max)
{
	if (s.n > max)
		return ERR_TOO_BIG;
	return s.n >= min && text_is_utf8(s) ? OK : ERR_INVALID;
}

static enum err check_key_id(const struct key_id *id)
{
	struct key_id same;
	return id->n <= KEY_ID_MAX ? key_id_set(&same, key_id_bytes(id)) : ERR_INVALID;
}

static enum err check_hello(const struct rpc_hello *h)
{
	enum err e = limits_text(h->cluster, 1, RPC_CLUSTER_MAX);
	if (e == OK)
		e = limits_text(h->name, 1, RPC_NAME_MAX);
	if (e == OK)
		e = limits_text(h->build, 0, RPC_NAME_MAX);
	if (e == OK)
		e = limits_text(h->rpc_address, 0, RPC_ADDRESS_MAX);
	if (e == OK && (h->version_min == 0 || h->version_min > h->version_max))
		e = ERR_INVALID;
	if (e == OK && h->keys_n > RPC_CLUSTER_KEYS_MAX)
		e = ERR_TOO_BIG;
	for (size_t i = 0; e == OK && i < h->keys_n; i++)
		e = check_key_id(&h->keys[i]);
	return e;
}

static bool is_bound(struct bytes b)
{
	return b.n == 0 || b.n == RPC_ROW_ID_BYTES;
}

static enum err check_digest(const struct rpc_digest *d)
{
	if (d->rows_n > RPC_DIGEST_ROWS_MAX)
		return ERR_TOO_BIG;
	if (!is_bound(d->first) || !is_bound(d->last))
		return ERR_INVALID;
	for (size_t i = 0; i < d->rows_n; i++) {
		if ((unsigned)d->rows[i].stream >= RPC_STREAMS)
			return ERR_INVALID;
	}
	return OK;
}

static enum err check_entry(const struct rpc_entry *e)
{
	if (e->key.n > RPC_KEY_MAX || e->value.n > RPC_VALUE_MAX)
		return ERR_TOO_BIG;
	if (e->key.n == 0 || (e->deleted && e->value.n > 0))
		return ERR_INVALID;
	return OK;
}

/* Entries lie in (from, to], in version order (R3). */
static enum err check_row_frame(const struct rpc_row_frame *f)
{
	if (f->ancestors_n > RPC_ANCESTORS_MAX || f->entries_n > RPC_FRAME_ENTRIES_MAX)
		return ERR_TOO_BIG;
	if ((unsigned)f->stream >= RPC_STREAMS || f->from > f->to)
		return ERR_INVALID;
	uint64_t last = f->from;
	for (size_t i = 0; i < f->entries_n; i++) {
		const struct rpc_entry *entry = &f->entries[i];
		enum err e = check_entry(entry);
		if (e != OK)
			return e;
		if (entry->version <= last || entry->version > f->to)
			return ERR_INVALID;
		last = entry->version;
	}
	return OK;
}

static enum err check_announce(const struct rpc_announce *a)
{
	if (a->rows_n > RPC_ANNOUNCE_ROWS_MAX)
		return ERR_TOO_BIG;
	for (size_t i = 0; i < a->rows_n; i++) {
		if ((unsigned)a->rows[i].stream >= RPC_STREAMS)
			return ERR_INVALID;
	}
	return OK;
}

static enum err check_pull(const struct rpc_pull *p)
{
	if (p->rows_n > RPC_PULL_ROWS_MAX)
		return ERR_TOO_BIG;
	for (size_t i = 0; i < p->rows_n; i++) {
		if ((unsigned)p->rows[i].stream >= RPC_STREAMS)
			return ERR_INVALID;
	}
	return OK;
}

/* A prefix is `depth` half bytes. */
static enum err check_ranges(const struct rpc_ranges *r)
{
	if (r->prefixes_n > RPC_RANGES_MAX)
		return ERR_TOO_BIG;
	if (r->depth > RPC_RANGE_DEPTH_MAX)
		return ERR_INVALID;
	for (size_t i = 0; i < r->prefixes_n; i++) {
		if (r->prefixes[i] >> (4 * r->depth) != 0 || (r->answer && r->differ[i] > UINT16_MAX))
			return ERR_INVALID;
	}
	return OK;
}

/* Without a batch there is no place, and the other way round. */
static enum err check_grant(const struct rpc_lease_grant *g)
{
	if (g->places > RPC_LEASE_PLACES_MAX)
		return ERR_TOO_BIG;
	return (g->batch == 0) == (g->places == 0) ? OK : ERR_INVALID;
}

static enum err check_warm(const struct rpc_warm *w)
{
	if (w->origin.n > RPC_NAME_MAX || w->content.n > RPC_CONTENT_MAX)
		return ERR_TOO_BIG;
	return w->origin.n > 0 && w->content.n > 0 ? OK : ERR_INVALID;
}

enum err limits_msg(const struct rpc_msg *m)
{
	switch (m->kind) {
	case RPC_UNKNOWN:
	case RPC_BYE:
	case RPC_HEARTBEAT:
	case RPC_TREE:
	case RPC_WATCHED_ASK: return OK;
	case RPC_HELLO: return check_hello(&m->hello);
	case RPC_REFUSAL:
		if (m->refusal.reason == 0)
			return ERR_INVALID;
		return limits_text(m->refusal.text, 0, RPC_TEXT_MAX);
	case RPC_DIGEST: return check_digest(&m->digest);
	case RPC_ROW_FRAME: return check_row_frame(&m->row_frame);
	case RPC_SESSION_NEWS:
		if (m->session_news.alive_n > RPC_SESSIONS_MAX || m->session_news.ended_n > RPC_SESSIONS_MAX)
			return ERR_TOO_BIG;
		return OK;
	case RPC_PROOF: return check_key_id(&m->proof.key);
	case RPC_ANNOUNCE: return check_announce(&m->announce);
	case RPC_PULL: return check_pull(&m->pull);
	case RPC_RANGES: return check_ranges(&m->ranges);
	case RPC_LEASE_ASK: return m->lease_ask.want <= RPC_LEASE_PLACES_MAX ? OK : ERR_TOO_BIG;
	case RPC_LEASE_GRANT: return check_grant(&m->lease_grant);
	case RPC_WARM: return check_warm(&m->warm);
	case RPC_WARM_TOLD: return limits_text(m->warm_told.detail, 0, RPC_TEXT_MAX);
	case RPC_WATCHED_TOLD: return m->watched_told.n <= RPC_WATCHED_MAX ? OK : ERR_TOO_BIG;
	case RPC_LEASE_CLOSE: return m->lease_close.used <= RPC_LEASE_PLACES_MAX ? OK : ERR_TOO_BIG;
	}
	return ERR_INVALID;
}
