#include "node/revoked_reader.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

enum { SCRATCH_BYTES = 4096 };

void revoked_reader_init(struct revoked_reader *r)
{
	*r = (struct revoked_reader){ NULL, 0, 0 };
}

void revoked_reader_fini(struct revoked_reader *r)
{
	free(r->rows);
	revoked_reader_init(r);
}

/* An entry that revokes a session. */
static bool read_entry(const struct rpc_entry *e, struct rpc_session_id *id, uint64_t *not_after_s)
{
	struct arena a;
	if (e->deleted || !rpc_revocation_key_split(e->key, id))
		return false;
	arena_init(&a, SCRATCH_BYTES);
	bool is_one = rpc_decode_revocation(e->value, &a, not_after_s) == OK;
	arena_fini(&a);
	return is_one;
}

static struct revoked_row *row_at(struct revoked_reader *r, const struct node_id *owner)
{
	size_t low = 0, high = r->n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (node_id_cmp(&r->rows[middle].owner, owner) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < r->n && node_id_eq(&r->rows[low].owner, owner))
		return &r->rows[low];
	if (r->n == r->cap) {
		r->cap = r->cap == 0 ? 16 : r->cap * 2;
		r->rows = realloc(r->rows, r->cap * sizeof(*r->rows));
		CHECK(r->rows != NULL);
	}
	memmove(&r->rows[low + 1], &r->rows[low], (r->n - low) * sizeof(*r->rows));
	r->rows[low] = (struct revoked_row){ .owner = *owner };
	r->n++;
	return &r->rows[low];
}

struct reading {
	struct revoked_reader *r;
	const struct kvs *kvs;
	revoked_found *found;
	void *arg;
};

static void take(void *arg, const struct rpc_entry *e)
{
	struct reading *x = arg;
	struct rpc_session_id id;
	uint64_t not_after_s;
	if (read_entry(e, &id, &not_after_s))
		x->found(x->arg, &id, not_after_s);
}

static void read_row(void *arg, const struct kvs_row_meta *m)
{
	struct reading *x = arg;
	if (m->stream != RPC_LOCATIONS)
		return;
	struct revoked_row *row = row_at(x->r, &m->owner);
	if (incarnation_cmp(row->incarnation, m->incarnation) != 0 || m->have < row->have)
		row->have = 0;
	row->incarnation = m->incarnation;
	if (m->have == row->have)
		return;
	kvs_each_entry_after(x->kvs, &m->owner, RPC_LOCATIONS, row->have, take, x);
	row->have = m->have;
}

void revoked_reader_read(struct revoked_reader *r, const struct kvs *kvs, revoked_found *found, void *arg)
{
	struct reading x = { r, kvs, found, arg };
	kvs_each_row(kvs, read_row, &x);
}

struct own {
	uint64_t now_s;
	struct rpc_session_id *ended;
	size_t max;
	struct revoked_own *out;
};

static void count(void *arg, const struct rpc_entry *e)
{
	struct own *o = arg;
	struct rpc_session_id id;
	uint64_t not_after_s;
	if (!read_entry(e, &id, &not_after_s))
		return;
	o->out->n++;
	if (not_after_s < o->out->first_end_s)
		o->out->first_end_s = not_after_s;
	if (not_after_s < o->now_s && o->out->ended_n < o->max)
		o->ended[o->out->ended_n++] = id;
}

void revoked_reader_own(const struct kvs *kvs, const struct node_id *owner, uint64_t now_s,
    struct rpc_session_id *ended, size_t max, struct revoked_own *out)
{
	*out = (struct revoked_own){ .first_end_s = UINT64_MAX };
	struct own o = { now_s, ended, max, out };
	kvs_each_entry(kvs, owner, RPC_LOCATIONS, count, &o);
}
