/* What is known: members, counters, fingerprint, rows and entries. */
#include "base/check.h"
#include "base/hash.h"
#include "kvs/claims.h"
#include "kvs/members.h"
#include "kvs/own.h"
#include "kvs/rows.h"
#include "kvs/rules.h"
#include "kvs/sync.h"
#include "kvs/wiring.h"

#include <string.h>

/* Any constant: nodes compare what it makes. */
static const struct hash_key PRINT_KEY = { "warmcast kvs all" };

/* R8: for that long what was heard counts against the verdict. */
enum { DISPUTED_MS = 1000 };

size_t kvs_members_n(const struct kvs *k)
{
	return k->members_n;
}

void kvs_member_at(const struct kvs *k, size_t i, struct kvs_member *out)
{
	CHECK(i < k->members_n);
	const struct member *m = k->members[i];
	*out = (struct kvs_member){
		.id = m->id,
		.incarnation = m == k->self ? k->incarnation : m->incarnation,
		.reg = m->reg,
		.liveness = m->liveness,
		.expelled = m->expelled,
		.since_ms = m->since_ms,
		.has_load = m->has_load,
		.load = m->load,
		.load_seen_ms = m->load_seen_ms,
		.linked = m->links > 0,
		.heard_ms = m->heard_ms,
		.claims = m->claims_on,
		.disputed =
		    m->liveness == KVS_DOWN && !m->expelled && m->links > 0 && k->now_ms - m->heard_ms <= DISPUTED_MS,
	};
	const struct replica *control = rows_find(k, &m->id, RPC_CONTROL);
	const struct replica *locations = rows_find(k, &m->id, RPC_LOCATIONS);
	if (control != NULL)
		out->control_version = control->live.have;
	if (locations != NULL) {
		out->locations_version = locations->live.have;
		out->locations_n = locations->live.live;
	}
}

size_t kvs_claimers(const struct kvs *k, const struct node_id *on, struct node_id out[KVS_CLAIMERS_MAX])
{
	const struct member *m = members_find(k, on);
	return m == NULL ? 0 : claims_on(k, m, out);
}

bool kvs_caught_up(const struct kvs *k)
{
	return sync_is_caught_up(k) || wiring_is_alone(k);
}

struct incarnation kvs_incarnation(const struct kvs *k)
{
	return k->incarnation;
}

bool kvs_own_get(const struct kvs *k, enum rpc_stream stream, struct bytes key, struct bytes *value)
{
	return own_get(k, stream, key, value);
}

static bool row_shown(const struct replica *r, struct kvs_row *out)
{
	if (r == NULL || r->live.incarnation.count == 0)
		return false;
	*out = (struct kvs_row){
		.entries = r->live.live,
		.tombstones = r->live.tombstones,
		.fingerprint = r->live.fingerprint,
		.exact = kvs_rule_exact(r->live.have, r->live.horizon),
	};
	replica_meta(r, &out->meta);
	return true;
}

size_t kvs_rows_n(const struct kvs *k)
{
	return k->rows_n;
}

bool kvs_row_at(const struct kvs *k, size_t i, struct kvs_row *out)
{
	CHECK(i < k->rows_n);
	return row_shown(k->rows[i], out);
}

bool kvs_row_of(const struct kvs *k, const struct node_id *owner, enum rpc_stream stream, struct kvs_row *out)
{
	return row_shown(rows_find(k, owner, stream), out);
}

bool kvs_entry_of(const struct kvs *k, const struct node_id *owner, enum rpc_stream stream, struct bytes key,
    struct rpc_entry *out)
{
	const struct replica *r = rows_find(k, owner, stream);
	return r != NULL && row_get(&r->live, key, out);
}

void kvs_count(const struct kvs *k, struct kvs_counters *out)
{
	struct kvs_counters c = k->counters;
	c.rows = k->rows_n;
	for (size_t i = 0; i < k->rows_n; i++) {
		const struct row *row = &k->rows[i]->live;
		c.entries += row->live;
		c.tombstones += row->tombstones;
		c.bytes += row->bytes;
		if (k->rows[i]->shadow != NULL)
			c.bytes += k->rows[i]->shadow->row.bytes;
	}
	*out = c;
}

uint64_t kvs_fingerprint(const struct kvs *k)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < k->rows_n; i++) {
		const struct replica *r = k->rows[i];
		if (r->stream == RPC_LOAD || r->live.incarnation.count == 0)
			continue;
		const struct row *row = &r->live;
		uint64_t h = hash64(&PRINT_KEY, bytes_of(r->id.b, sizeof(r->id.b)));
		const uint64_t parts[] = { row->incarnation.count, row->incarnation.nonce, row->have, row->floor,
			row->fingerprint };
		for (size_t j = 0; j < sizeof(parts) / sizeof(parts[0]); j++)
			h = hash_mix(h ^ parts[j]);
		sum += h;
	}
	return sum;
}

void kvs_each_row(const struct kvs *k, void (*row)(void *arg, const struct kvs_row_meta *m), void *arg)
{
	for (size_t i = 0; i < k->rows_n; i++) {
		if (k->rows[i]->live.incarnation.count == 0)
			continue;
		struct kvs_row_meta m;
		replica_meta(k->rows[i], &m);
		row(arg, &m);
	}
}

void kvs_each_entry_after(const struct kvs *k, const struct node_id *owner, enum rpc_stream stream,
    uint64_t version, void (*entry)(void *arg, const struct rpc_entry *e), void *arg)
{
	const struct replica *r = rows_find(k, owner, stream);
	if (r == NULL)
		return;
	struct rpc_entry e;
	for (size_t at = row_after(&r->live, version); row_next(&r->live, &at, &e);)
		entry(arg, &e);
}

void kvs_each_entry(const struct kvs *k, const struct node_id *owner, enum rpc_stream stream,
    void (*entry)(void *arg, const struct rpc_entry *e), void *arg)
{
	kvs_each_entry_after(k, owner, stream, 0, entry, arg);
}

const struct trace *kvs_trace(const struct kvs *k)
{
	return &k->trace;
}
