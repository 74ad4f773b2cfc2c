#include "node/purge_reader.h"

#include <string.h>

/* It was applied lately, or was read in the row of whom it was said to. */
static bool is_known(const struct purge_reader *r, const struct kvs *kvs, const struct node_id *owner,
    const struct kvs_command *c)
{
	uint8_t key[RPC_COMMAND_KEY_BYTES];
	struct rpc_entry e;
	for (size_t i = 0; i < r->ids.n; i++)
		if (memcmp(r->ids.ids[i].b, c->id.b, sizeof(c->id.b)) == 0)
			return true;
	for (size_t i = 0; i < r->seen_n && i < PURGE_SEEN_MAX; i++)
		if (rpc_command_id_cmp(&r->seen[i], &c->id) == 0)
			return true;
	const struct purges_row *issuer = purges_find(&r->applied, &c->what.issuer);
	rpc_command_key(&c->id, key);
	return issuer != NULL && !node_id_eq(owner, &c->what.issuer) &&
	       kvs_entry_of(kvs, &c->what.issuer, RPC_CONTROL, bytes_of(key, sizeof(key)), &e) && !e.deleted &&
	       e.version <= issuer->version;
}

static void remember(struct purge_reader *r, const struct rpc_command_id *id)
{
	struct cache_purge_ids *ids = &r->ids;
	r->seen[r->seen_n++ % PURGE_SEEN_MAX] = *id;
	if (ids->n == CACHE_PURGE_IDS_MAX)
		memmove(ids->ids, ids->ids + 1, --ids->n * sizeof(ids->ids[0]));
	memcpy(ids->ids[ids->n++].b, id->b, sizeof(id->b));
}

struct row_reading {
	struct purge_reader *r;
	const struct kvs *kvs;
	const struct node_id *owner;
	struct purge_reading *out;
	uint64_t up_to; /* the last version that was taken; there was no room for those above */
	bool full, any;
};

static void take(void *arg, const struct kvs_command *c)
{
	struct row_reading *x = arg;
	if (c->what.kind != RPC_COMMAND_PURGE || x->full)
		return;
	/* Its record by another node comes as well. */
	if (!is_known(x->r, x->kvs, x->owner, c)) {
		if (x->out->found_n == PURGE_FOUND_MAX) {
			x->full = true;
			return;
		}
		struct purge_found *one = &x->out->found[x->out->found_n++];
		one->id = c->id;
		one->content_n = c->what.subject.n;
		one->units = 0;
		memcpy(one->content, c->what.subject.p, c->what.subject.n);
		remember(x->r, &c->id);
	}
	x->any = true;
	x->up_to = c->version;
}

static bool inherits(void *arg, struct incarnation former, uint64_t version)
{
	const struct kvs_row_meta *m = arg;
	for (size_t i = 0; i < m->ancestors_n; i++)
		if (incarnation_cmp(m->ancestors[i].incarnation, former) == 0)
			return version <= m->ancestors[i].version;
	return false;
}

static void read_owner(
    struct purge_reader *r, const struct kvs *kvs, const struct node_id *owner, struct purge_reading *out)
{
	struct kvs_row row;
	if (!kvs_row_of(kvs, owner, RPC_CONTROL, &row))
		return;
	struct purges_row *known = purges_find(&r->applied, owner);
	struct purges_seen seen = { row.meta.incarnation, inherits, &row.meta, kvs_forgotten(kvs, owner) };
	uint64_t after;
	bool missed = !purges_read_on(known, &seen, &after);
	if (missed) {
		out->doubts = true;
		out->doubted = *owner;
	}
	struct row_reading x = { .r = r, .kvs = kvs, .owner = owner, .out = out, .up_to = after };
	kvs_each_command(kvs, owner, after, take, &x);
	if (!x.full)
		x.up_to = row.meta.have;
	bool renamed = known == NULL || incarnation_cmp(known->incarnation, row.meta.incarnation) != 0;
	known = purges_at(&r->applied, owner);
	known->incarnation = row.meta.incarnation;
	known->version = x.up_to;
	/* Else it is only further in what has no purges: that need not be written. */
	known->dirty |= renamed || x.any || missed;
	out->whole = !x.full;
}

void purge_reader_read(struct purge_reader *r, const struct kvs *kvs, struct purge_reading *out)
{
	out->found_n = 0;
	out->whole = true;
	out->doubts = false;
	for (size_t i = 0; out->whole && i < kvs_members_n(kvs); i++) {
		struct kvs_member m;
		kvs_member_at(kvs, i, &m);
		read_owner(r, kvs, &m.id, out);
	}
}
