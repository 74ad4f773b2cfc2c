/* Reading back what the store kept. What does not fit together is refused, and the row stays empty:
 * it will be fetched again. */
#include "kvs/rows.h"

#include "base/check.h"

static void spoil(struct replica *r)
{
	row_fini(&r->live);
	r->disk.fresh = true;
}

enum err kvs_load_row(struct kvs *k, const struct kvs_row_meta *m)
{
	CHECK(!k->started);
	bool own = node_id_eq(&m->owner, &k->cfg.self);
	if ((m->stream != RPC_CONTROL && m->stream != RPC_LOCATIONS) || (own && k->cfg.inherits.count == 0))
		return ERR_INVALID;
	struct replica *r = rows_ensure(k, &m->owner, m->stream);
	if (r == NULL)
		return ERR_FULL;
	if (m->incarnation.count == 0 || m->have > m->horizon || m->floor > m->horizon || m->base > m->floor ||
	    m->ancestors_n > RPC_ANCESTORS_MAX || r->live.incarnation.count != 0 ||
	    (own && (m->have != m->horizon || incarnation_cmp(m->incarnation, k->cfg.incarnation) >= 0))) {
		spoil(r);
		return ERR_CORRUPT;
	}
	struct row *row = &r->live;
	row_set_history(row, m->incarnation, m->ancestors, m->ancestors_n);
	row->have = m->have;
	row->horizon = m->horizon;
	row->floor = m->floor;
	row->base = m->base;
	return OK;
}

enum err kvs_load_entry(
    struct kvs *k, const struct node_id *owner, enum rpc_stream stream, const struct rpc_entry *e)
{
	CHECK(!k->started);
	struct replica *r = (unsigned)stream < RPC_STREAMS ? rows_find(k, owner, stream) : NULL;
	if (r == NULL || r->live.incarnation.count == 0)
		return ERR_CORRUPT;
	struct row *row = &r->live;
	struct rpc_entry there;
	bool fits = e->version > 0 && e->version <= row->have && e->key.n > 0 && e->key.n <= RPC_KEY_MAX &&
	            e->value.n <= RPC_VALUE_MAX &&
	            !(e->deleted && (e->value.n > 0 || e->version <= row->floor)) &&
	            (row->slots_n == 0 || row->slots[row->slots_n - 1].version < e->version) &&
	            !row_get(row, e->key, &there);
	if (!fits) {
		spoil(r);
		return ERR_CORRUPT;
	}
	row_put(row, e->version, e->key, e->value, e->deleted);
	return OK;
}
